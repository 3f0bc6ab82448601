package semaphore

import (
	"structs"
	"unsafe"

	"github.com/shmkit/shmkit/internal/mem"
	"github.com/shmkit/shmkit/internal/robust"
)

// How many processes have seats.
const (
	rwNear  = 32 // on lines of their own
	rwFar   = 96 // two on a line pair
	rwSeats = rwNear + rwFar
)

// rwState is what lies in an RWMutex.
//
//	 off  size field  written by
//	   0    48 queue  writers, and readers that heal: who may touch the gate
//	  48    16 local  nobody: finds what this process keeps to itself
//	  64    64        unused
//	 128    48 gate   the holder of queue: held while seats are closed
//	 176     4 dirty  the holder of gate: 1 while a writer is inside
//	 180     4 used   who takes a seat: how many have ever been taken
//	 184     4 bell   sleepers | rings: readers that wait sleep on it
//	 188    68        unused
//	 256  4096 near   32 seats, 128 bytes apart
//	4352  6144 far    96 seats, 64 bytes apart
type rwState struct {
	_     structs.HostLayout
	queue Mutex
	local robust.Anchor
	_     [64]byte
	gate  robust.Cell
	dirty mem.Uint32
	used  mem.Uint32
	bell  mem.Uint32
	_     [68]byte
	near  [rwNear]rwNearSeat
	far   [rwFar]rwSeat
}

// rwSeat is what one process writes while it reads.
//
//	off size field written by
//	  0  48 cell  who has the seat; a writer that waits sets Waiters
//	 48   8 word  its readers, and writers that close and open it: see rwmutex_word.go
//	 56   8       unused
type rwSeat struct {
	_    structs.HostLayout
	cell robust.Cell
	word mem.Uint64
	_    [8]byte
}

type rwNearSeat struct {
	rwSeat
	_ [mem.Line - 64]byte
}

// The tables above hold on every supported system.
var (
	_ = [1]struct{}{}[unsafe.Sizeof(RWMutex{})-10496]
	_ = [1]struct{}{}[unsafe.Alignof(RWMutex{})-8]
	_ = [1]struct{}{}[unsafe.Offsetof(rwState{}.local)-48]
	_ = [1]struct{}{}[unsafe.Offsetof(rwState{}.gate)-128]
	_ = [1]struct{}{}[unsafe.Offsetof(rwState{}.dirty)-176]
	_ = [1]struct{}{}[unsafe.Offsetof(rwState{}.used)-180]
	_ = [1]struct{}{}[unsafe.Offsetof(rwState{}.bell)-184]
	_ = [1]struct{}{}[unsafe.Offsetof(rwState{}.near)-256]
	_ = [1]struct{}{}[unsafe.Offsetof(rwState{}.far)-4352]
	_ = [1]struct{}{}[unsafe.Sizeof(rwSeat{})-64]
	_ = [1]struct{}{}[unsafe.Offsetof(rwSeat{}.word)-48]
	_ = [1]struct{}{}[unsafe.Sizeof(rwNearSeat{})-mem.Line]
)

func (rw *RWMutex) aligned() bool { return uintptr(unsafe.Pointer(rw))%8 == 0 }
