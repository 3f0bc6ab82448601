//go:build linux && !explore

package robust

import (
	"runtime/debug"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/mem"
)

// node is the shadow of a cell: its entry in this process's robust list. It is
// linked at the cell's first use and stays linked until Forget.
type node struct {
	next mem.Uint64
	tid  atomic.Uint32 // the keeper in whose list it hangs, set once it does
	spin futex.Spinner // how long waiters for the cell spin

	// What this process did with the cell, whatever the word says: peers can
	// overwrite the word. Written by the holder.
	held    mem.Uint32
	spoiled mem.Uint32 // it was taken while held: the word has been overwritten
}

var _ = [1]struct{}{}[unsafe.Sizeof(node{})-24]

// selfIdent is this process's ident without a TID. Set before any keeper's TID
// is published.
var selfIdent atomic.Uint64

func shadowOffset() int64 { return -int64(mem.ShadowDistance()) }

// shadow returns c's node, nil if c lies outside the arena.
func (c *Cell) shadow() *node { return (*node)(mem.Shadow(unsafe.Pointer(c))) }

// keeper returns the TID that this process writes into the cell, 0 if it has
// not used the cell before.
func (n *node) keeper() uint32 {
	if n == nil {
		return 0
	}
	return n.tid.Load()
}

// noteHeld notes that this process has taken the cell.
func (n *node) noteHeld() {
	if n.held.Load() != 0 {
		n.spoiled.Store(1)
	}
	n.held.StoreRelaxed(1)
}

// noteFree notes that this process is about to release the cell. It says
// whether the process had taken it, as far as is known.
func (n *node) noteFree() (held bool) {
	held = n.held.Load()|n.spoiled.Load() != 0
	n.held.StoreRelaxed(0)
	return held
}

// near says whether c lies in the arena.
func (c *Cell) near() bool { return c.shadow() != nil }

// Spinner returns the state of adaptive spinning for c in this process.
func (c *Cell) Spinner() *futex.Spinner {
	if n := c.shadow(); n != nil {
		return &n.spin
	}
	return new(futex.Spinner)
}

// link hangs c's node into a keeper's list and returns the keeper's TID.
func (c *Cell) link() (uint32, error) {
	n := c.shadow()
	linking.Lock()
	defer linking.Unlock()
	if tid := n.tid.Load(); tid != 0 { // another goroutine was faster
		return tid, nil
	}
	live, truncatable := mem.Find(unsafe.Pointer(c))
	if !live {
		return 0, ErrClosed
	}
	kind := sealed
	if truncatable {
		kind = shrinkable
	}
	k, err := keeperWithRoom(kind, shadowOffset())
	if err != nil {
		return 0, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	// The kernel may walk the list at any moment, on another processor: the
	// node must be whole before it is in the list, and in the list before
	// anybody writes the TID into the cell.
	n.next.StoreRelease(k.head.next.Load())
	k.head.next.StoreRelease(uint64(uintptr(unsafe.Pointer(n))))
	n.tid.Store(k.tid)
	return k.tid, nil
}

// linking lets one goroutine at a time decide in which list a node hangs.
var linking sync.Mutex

// forgetNear takes the nodes of cells in [from, to) out of the lists. If this
// process holds one of the cells it changes nothing and returns ErrBusy.
func forgetNear(from, to uintptr) error {
	d := mem.ShadowDistance()
	linking.Lock()
	defer linking.Unlock()
	for _, kind := range []int{sealed, shrinkable} {
		for _, k := range keepersOf(kind) {
			if err := k.forget(from+d, to+d, d); err != nil {
				return err
			}
		}
	}
	return nil
}

// forget takes this keeper's nodes in [from, to) out of its list, unless the
// keeper holds one of the cells, which lie d before. Whoever takes a cell
// meanwhile finds the TID gone and comes to link, where linking makes it wait.
func (k *keeper) forget(from, to, d uintptr) (err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	var found []*node
	for at := k.head.next.Load(); at != k.end(); at = nodeAt(at).next.Load() {
		if uintptr(at) >= from && uintptr(at) < to {
			found = append(found, nodeAt(at))
			nodeAt(at).tid.Store(0)
		}
	}
	forgotten := false
	defer func() {
		for _, n := range found {
			if !forgotten {
				n.tid.Store(k.tid)
			}
		}
	}()
	for _, n := range found {
		if k.holds(cellOf(n, d)) {
			return ErrBusy
		}
	}
	forgotten = true
	k.unlink(from, to)
	return nil
}

// holds says whether c's word carries the keeper's TID. A word that went with the
// end of a truncated file carries nobody's, and its node has to leave the list
// before the shadow goes.
func (k *keeper) holds(c *Cell) (held bool) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			if _, fault := r.(interface{ Addr() uintptr }); !fault {
				panic(r)
			}
		}
	}()
	return c.Word.Load()&TIDMask == k.tid
}

func (k *keeper) unlink(from, to uintptr) {
	link := &k.head.next
	for at := link.Load(); at != k.end(); {
		n := nodeAt(at)
		at = n.next.Load()
		if p := uintptr(unsafe.Pointer(n)); p >= from && p < to {
			link.StoreRelease(at)
			k.linked--
		} else {
			link = &n.next
		}
	}
}

func nodeAt(a uint64) *node           { return (*node)(unsafe.Add(nil, uintptr(a))) }
func cellOf(n *node, d uintptr) *Cell { return (*Cell)(unsafe.Add(unsafe.Pointer(n), -int(d))) }
