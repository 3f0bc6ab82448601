package robust

import (
	"structs"
	"unsafe"

	"github.com/shmkit/shmkit/internal/mem"
)

// Bits of a cell's word, from <linux/futex.h>.
const (
	Waiters   = 0x80000000 // somebody may sleep
	OwnerDied = 0x40000000 // set by the kernel
	TIDMask   = 0x3fffffff
)

// Values of Cell.Owner, from glibc's pthreadP.h.
const (
	OwnerInconsistent   = 0x7fffffff
	OwnerNotRecoverable = 0x7ffffffe
)

// glibc's __kind of a robust, process-shared mutex.
const (
	KindRobustShared    = 0x90
	KindRobustRecursive = 0x91
)

// Cell is glibc's robust process-shared pthread_mutex_t (64-bit), padded to
// the size that it has on arm64. The padding carries who holds it, for Go.
//
//	off size field   written by
//	  0   4  Word    holder, waiters, kernel
//	  4   4  Count   C peers and holders that recurse: how many times it is held
//	  8   4  Owner   C peers: their TID while they hold it; Go clears it in a repair
//	 12   4  users   C peers only
//	 16   4  Kind    initialiser
//	 20   4  spins   nobody
//	 24   8  prev    C peers; Go outside the arena (always 0)
//	 32   8  next    C peers; Go outside the arena; the robust-list entry
//	 40   8  Ident   Go holder after taking; it stays when the cell is released
type Cell struct {
	_     structs.HostLayout
	Word  mem.Uint32
	Count mem.Uint32
	Owner mem.Uint32
	users uint32
	Kind  mem.Uint32
	spins uint32
	prev  mem.Uint64
	next  mem.Uint64
	Ident mem.Uint64
}

// Presence is a cell that a process holds for as long as it takes part.
//
//	off size field    written by
//	  0  48 Cell      see there; who sleeps on Word has set Waiters
//	 48   4 Arrivals  holder: how often somebody has come, or given his part away
//	 52  12           unused
type Presence struct {
	_ structs.HostLayout
	Cell
	Arrivals mem.Uint32
	_        [12]byte
}

// The table above holds on every supported system.
var (
	_ = [1]struct{}{}[unsafe.Sizeof(Cell{})-48]
	_ = [1]struct{}{}[unsafe.Offsetof(Cell{}.Count)-4]
	_ = [1]struct{}{}[unsafe.Offsetof(Cell{}.Owner)-8]
	_ = [1]struct{}{}[unsafe.Offsetof(Cell{}.Kind)-16]
	_ = [1]struct{}{}[unsafe.Offsetof(Cell{}.next)-32]
	_ = [1]struct{}{}[unsafe.Offsetof(Cell{}.Ident)-40]
	_ = [1]struct{}{}[unsafe.Sizeof(Presence{})-64]
	_ = [1]struct{}{}[unsafe.Offsetof(Presence{}.Arrivals)-48]
)

func (c *Cell) aligned() bool { return uintptr(unsafe.Pointer(c))%unsafe.Alignof(*c) == 0 }
