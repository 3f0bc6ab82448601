//go:build linux && !explore

package robust

import (
	"sync/atomic"
	"unsafe"

	"github.com/shmkit/shmkit/internal/crashpoint"
)

// Cells outside the arena have glibc's geometry: the list entry is the cell's
// own next field, 32 bytes behind the word, and is linked while the cell is
// held. The field lies in shared memory, where a peer may overwrite it; so the
// list's order is kept in private memory (held), and next is only written.
const foreignOffset = -int64(unsafe.Offsetof(Cell{}.next))

// foreignList is the private order of one keeper's list; the last is its head.
type foreignList struct {
	*keeper
	held []*Cell
}

// foreignLists is replaced, never changed, under keepers' lock.
var foreignLists atomic.Pointer[[]*foreignList]

func listsOfForeign() []*foreignList {
	if p := foreignLists.Load(); p != nil {
		return *p
	}
	return nil
}

func (c *Cell) entry() uint64 { return uint64(uintptr(unsafe.Pointer(&c.next))) }

// foreignWithRoom returns a list that takes another cell, its lock held.
func foreignWithRoom() (*foreignList, error) {
	for _, l := range listsOfForeign() {
		l.mu.Lock()
		if l.linked < maxLinked {
			l.linked++
			return l, nil
		}
		l.mu.Unlock()
	}
	k, err := keeperWithRoom(foreign, foreignOffset)
	if err != nil {
		return nil, err
	}
	keepers.Lock()
	defer keepers.Unlock()
	lists := listsOfForeign()
	for _, l := range lists {
		if l.keeper == k {
			l.mu.Lock()
			return l, nil
		}
	}
	l := &foreignList{keeper: k}
	lists = append(append([]*foreignList(nil), lists...), l)
	foreignLists.Store(&lists)
	l.mu.Lock()
	return l, nil
}

// takeForeign is Take outside the arena. list_op_pending covers a death
// between the CAS and the link, as in glibc's pthread_mutex_lock.c.
func (c *Cell) takeForeign(old, bits uint32) (uint32, error) {
	l, err := foreignWithRoom()
	if err != nil {
		return 0, err
	}
	defer l.mu.Unlock()
	l.head.pending.Store(c.entry())
	if !c.Word.CompareAndSwap(old, l.tid|bits) {
		l.head.pending.Store(0)
		l.linked--
		return 0, ErrHeld
	}
	crashpoint.Hit("robust.foreign.taken")
	c.prev.StoreRelease(0)
	c.next.StoreRelease(l.head.next.Load())
	l.head.next.StoreRelease(c.entry())
	l.held = append(l.held, c)
	l.head.pending.Store(0)
	return l.tid, nil
}

// releaseForeign takes c out of the list and then calls free, which must set
// the word. It says whether this process held c.
func (c *Cell) releaseForeign(free func()) bool {
	for _, l := range listsOfForeign() {
		l.mu.Lock()
		i := len(l.held) - 1
		for i >= 0 && l.held[i] != c {
			i--
		}
		if i < 0 || c.Word.Load()&TIDMask != l.tid {
			l.mu.Unlock()
			continue
		}
		l.head.pending.Store(c.entry())
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
		l.linked--
		crashpoint.Hit("robust.foreign.unlinked")
		free()
		crashpoint.Hit("robust.foreign.released")
		l.head.pending.Store(0)
		l.mu.Unlock()
		return true
	}
	return false
}

func foreignBusy(from, to uintptr) bool {
	for _, l := range listsOfForeign() {
		l.mu.Lock()
		for _, c := range l.held {
			if a := uintptr(unsafe.Pointer(c)); a >= from && a < to {
				l.mu.Unlock()
				return true
			}
		}
		l.mu.Unlock()
	}
	return false
}
