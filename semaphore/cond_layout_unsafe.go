package semaphore

import (
	"structs"
	"unsafe"

	"github.com/shmkit/shmkit/internal/mem"
	"github.com/shmkit/shmkit/internal/robust"
)

// condSeats is how many processes can wait on one Cond.
const condSeats = 64

// condState is a Cond. Signallers write turn; what a waiting process writes
// lies on a line of its own.
//
//	off size field  written by
//	  0   4  used   processes that come: how many seats have ever been taken
//	  4   4  turn   signallers: the seat to begin with, a hint
//	  8   8         unused
//	 16  16  anchor nobody: finds a process's condLocal
//	 32  96         unused
//	128 128  seats  64 of them
type condState struct {
	_      structs.HostLayout
	used   mem.Uint32
	turn   mem.Uint32
	_      [8]byte
	anchor robust.Anchor
	_      [mem.Line - 32]byte
	seats  [condSeats]condSeat
}

// condSeat is where the goroutines of one process wait.
//
//	off size field    written by
//	  0  48 cell      see there; held by the process for as long as it takes part
//	 48   8 word      all, by CAS: see the constants below
//	 56   4 consumed  holder: how many of the granted signals have been acted upon
//	 60  68           unused
type condSeat struct {
	_        structs.HostLayout
	cell     robust.Cell
	word     mem.Uint64
	consumed mem.Uint32
	_        [mem.Line - 60]byte
}

// The word of a seat is
//
//	sleepers:1 granted:31 | open:16 active:1 gen:15    (low half | high half)
//
// granted counts, modulo 1<<31, the signals that the seat's waiters have been
// given; open says how many of them have not been given one; active, whether the
// holder has begun to use the seat; gen changes whenever active ends, so that no
// late hand mistakes one use for another. The low half is the word to sleep on; no
// sleeper misses a whole turn of granted, since no more signals are given than
// there are open ones.
const (
	condSleepers = 1 << 31
	condGranted  = condSleepers - 1
	condOne      = 1 << 32 // one in open
	condOpenMost = 1<<16 - 1
	condOpenMask = condOpenMost * condOne
	condActive   = 1 << 48
	condGen      = 1 << 49 // one in gen, which is at the word's end and wraps
	condGenMask  = ^uint64(condGen - 1)
)

// The tables hold on every supported system.
var (
	_ = [1]struct{}{}[unsafe.Sizeof(Cond{})-mem.Line*(1+condSeats)]
	_ = [1]struct{}{}[unsafe.Offsetof(condState{}.anchor)-16]
	_ = [1]struct{}{}[unsafe.Offsetof(condState{}.seats)-mem.Line]
	_ = [1]struct{}{}[unsafe.Sizeof(condSeat{})-mem.Line]
	_ = [1]struct{}{}[unsafe.Offsetof(condSeat{}.word)-48]
	_ = [1]struct{}{}[unsafe.Offsetof(condSeat{}.consumed)-56]
)

func (c *Cond) aligned() bool { return uintptr(unsafe.Pointer(c))%8 == 0 }
