//go:build linux && !explore

package robust

import (
	"sync"
	"unsafe"

	"github.com/shmkit/shmkit/internal/crashpoint"
)

// Cells outside the arena have glibc's geometry: the list entry is the cell's
// own next field, 32 bytes behind the word, and is linked while the cell is
// held. The field lies in shared memory, where a peer may overwrite it; so the
// list's order is kept in private memory (held), and next is only written.
const foreignOffset = -int64(unsafe.Offsetof(Cell{}.next))

// foreignCell is a cell in a list. It is there more than once only if somebody
// else has overwritten the word while this process held it.
type foreignCell struct {
	*Cell
	holds int
}

// foreignList is the private order of one keeper's list; the last is its head.
type foreignList struct {
	*keeper
	held []foreignCell
}

// foreignCells is the lock of all foreign lists.
var foreignCells struct {
	sync.Mutex
	lists []*foreignList
}

func (c *Cell) entry() uint64 { return uint64(uintptr(unsafe.Pointer(&c.next))) }

// listFor returns the list that c hangs in, and where, or one with room.
func (c *Cell) listFor() (l *foreignList, at int, err error) {
	if l, at := c.foreignList(); l != nil {
		return l, at, nil
	}
	for _, l := range foreignCells.lists {
		if len(l.held) < maxLinked {
			return l, -1, nil
		}
	}
	k, err := newKeeperOf(foreign, foreignOffset)
	if err != nil {
		return nil, -1, err
	}
	l = &foreignList{keeper: k}
	foreignCells.lists = append(foreignCells.lists, l)
	return l, -1, nil
}

// foreignList returns the list that c hangs in, and where.
func (c *Cell) foreignList() (l *foreignList, at int) {
	for _, l := range foreignCells.lists {
		for i := len(l.held) - 1; i >= 0; i-- {
			if l.held[i].Cell == c {
				return l, i
			}
		}
	}
	return nil, -1
}

// takeForeign is Take outside the arena. list_op_pending covers a death
// between the CAS and the link, as in glibc's pthread_mutex_lock.c.
func (c *Cell) takeForeign(old, bits uint32) (uint32, error) {
	foreignCells.Lock()
	defer foreignCells.Unlock()
	l, at, err := c.listFor()
	if err != nil {
		return 0, err
	}
	l.head.pending.Store(c.entry())
	if !c.Word.CompareAndSwap(old, l.tid|bits) {
		l.head.pending.Store(0)
		return 0, ErrHeld
	}
	crashpoint.Hit("robust.foreign.taken")
	if at >= 0 {
		l.held[at].holds++
	} else {
		c.prev.StoreRelease(0)
		c.next.StoreRelease(l.head.next.Load())
		l.head.next.StoreRelease(c.entry())
		l.held = append(l.held, foreignCell{c, 1})
	}
	l.head.pending.Store(0)
	return l.tid, nil
}

// releaseForeign takes c out of the list and then calls free, which must set
// the word, unless it does not carry the keeper's TID any more. It says whether
// this process held c.
func (c *Cell) releaseForeign(free func()) bool {
	foreignCells.Lock()
	defer foreignCells.Unlock()
	l, i := c.foreignList()
	if l == nil {
		return false
	}
	l.head.pending.Store(c.entry())
	l.held[i].holds--
	if l.held[i].holds == 0 {
		l.unlinkForeign(i)
	}
	crashpoint.Hit("robust.foreign.unlinked")
	if c.Word.Load()&TIDMask == l.tid {
		free()
	}
	crashpoint.Hit("robust.foreign.released")
	l.head.pending.Store(0)
	return true
}

func (l *foreignList) unlinkForeign(i int) {
	after := l.end()
	if i > 0 {
		after = l.held[i-1].entry()
	}
	if i == len(l.held)-1 {
		l.head.next.StoreRelease(after)
	} else {
		l.held[i+1].next.StoreRelease(after)
	}
	l.held = append(l.held[:i], l.held[i+1:]...)
}

func foreignBusy(from, to uintptr) bool {
	foreignCells.Lock()
	defer foreignCells.Unlock()
	for _, l := range foreignCells.lists {
		for _, c := range l.held {
			if a := uintptr(unsafe.Pointer(c.Cell)); a >= from && a < to {
				return true
			}
		}
	}
	return false
}
