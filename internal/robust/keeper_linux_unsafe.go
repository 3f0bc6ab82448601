//go:build linux && !explore

package robust

import (
	"fmt"
	"runtime"
	"sync"
	"unsafe"

	"github.com/shmkit/shmkit/internal/mem"
	"golang.org/x/sys/unix"
)

// maxLinked is how many cells one keeper takes. The kernel stops after 2048
// (ROBUST_LIST_LIMIT).
const maxLinked = 2000

// listHead is struct robust_list_head of <linux/futex.h>. The kernel reads it
// when the keeper's thread ends, so it lies outside the Go heap.
type listHead struct {
	next    mem.Uint64
	offset  int64 // of the lock word, from the list entry
	pending mem.Uint64
}

// keeper is a thread that lives as long as the process, and its robust list.
type keeper struct {
	tid   uint32
	calls chan func()

	mu     sync.Mutex
	head   *listHead
	linked int
}

// newKeeper starts a keeper whose list entries lie -offset from their words.
func newKeeper(offset int64) (*keeper, error) {
	me, err := Self()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoKeeper, err)
	}
	page, err := unix.MmapPtr(-1, 0, nil, uintptr(unix.Getpagesize()), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoKeeper, err)
	}
	k := &keeper{head: (*listHead)(page), calls: make(chan func())}
	k.head.next.Store(k.end())
	k.head.offset = offset
	ready := make(chan error)
	go k.run(ready)
	if err := <-ready; err != nil {
		_ = unix.MunmapPtr(page, uintptr(unix.Getpagesize()))
		return nil, fmt.Errorf("%w: %w", ErrNoKeeper, err)
	}
	selfIdent.Store(uint64(newIdent(me.PID, 0, me.Start)))
	return k, nil
}

// end is the value of the last node's next.
func (k *keeper) end() uint64 { return uint64(uintptr(unsafe.Pointer(k.head))) }

// run is the keeper's life. It never returns: a goroutine that ends while it
// is locked to its thread ends the thread.
func (k *keeper) run(ready chan<- error) {
	runtime.LockOSThread()
	if unix.Gettid() == unix.Getpid() {
		// The first thread stays visible as a zombie when the process has
		// ended, and Go never ends it. Keep it busy until the keeper has another.
		again := make(chan error)
		go k.run(again)
		err := <-again
		runtime.UnlockOSThread()
		ready <- err
		return
	}
	// Under cgo glibc has registered a list for this thread. No C code runs
	// here that could use it.
	_, _, e := unix.RawSyscall(unix.SYS_SET_ROBUST_LIST, uintptr(unsafe.Pointer(k.head)), unsafe.Sizeof(*k.head), 0)
	if e != 0 {
		runtime.UnlockOSThread()
		ready <- e
		return
	}
	k.tid = uint32(unix.Gettid())
	ready <- nil
	for f := range k.calls {
		f()
	}
}

// The kinds of keepers: cells in sealed memory, cells in files that may shrink
// (a lost page stops the kernel's walk), cells outside the arena.
const (
	sealed = iota
	shrinkable
	foreign
	kinds
)

var keepers struct {
	sync.Mutex
	of [kinds][]*keeper
}

// keeperWithRoom returns a keeper of the kind that takes another cell.
func keeperWithRoom(kind int, offset int64) (*keeper, error) {
	keepers.Lock()
	defer keepers.Unlock()
	for _, k := range keepers.of[kind] {
		k.mu.Lock()
		room := k.linked < maxLinked
		if room {
			k.linked++
		}
		k.mu.Unlock()
		if room {
			return k, nil
		}
	}
	k, err := newKeeper(offset)
	if err != nil {
		return nil, err
	}
	k.linked = 1
	keepers.of[kind] = append(keepers.of[kind], k)
	return k, nil
}

// anyKeeper returns a keeper that gets no cell.
func anyKeeper() (*keeper, error) {
	k, err := keeperWithRoom(sealed, shadowOffset())
	if err != nil {
		return nil, err
	}
	k.mu.Lock()
	k.linked--
	k.mu.Unlock()
	return k, nil
}

// newKeeperOf starts another keeper of the kind.
func newKeeperOf(kind int, offset int64) (*keeper, error) {
	keepers.Lock()
	defer keepers.Unlock()
	k, err := newKeeper(offset)
	if err == nil {
		keepers.of[kind] = append(keepers.of[kind], k)
	}
	return k, err
}

func keepersOf(kind int) []*keeper {
	keepers.Lock()
	defer keepers.Unlock()
	return append([]*keeper(nil), keepers.of[kind]...)
}

// ownTID says whether tid is one of this process's keepers.
func ownTID(tid uint32) bool {
	keepers.Lock()
	defer keepers.Unlock()
	for _, kind := range keepers.of {
		for _, k := range kind {
			if k.tid == tid {
				return true
			}
		}
	}
	return false
}

// OnKeeper runs f on a thread that lives as long as this process, and returns
// when f has. Children whose Pdeathsig must mean "the parent has died" are
// started there: the kernel sends it when the creating thread ends.
func OnKeeper(f func()) error {
	k, err := anyKeeper()
	if err != nil {
		return err
	}
	done := make(chan struct{})
	k.calls <- func() {
		defer close(done)
		f()
	}
	<-done
	return nil
}
