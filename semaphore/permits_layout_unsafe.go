package semaphore

import (
	"structs"
	"unsafe"

	"github.com/shmkit/shmkit/internal/mem"
	"github.com/shmkit/shmkit/internal/robust"
)

// permitsLayout is a Permits as it lies in shared memory.
//
//	off  size field   written by
//	  0     8 state   everybody: how many permits are free, and the last operation
//	  8     4 total   initialiser, last: how many permits there are; 0 before Init
//	 12     4 bell    everybody: sleepers, and how often they were called
//	 16     4 used    everybody: how many seats have ever been taken
//	 24    16 anchor  nobody
//	128  8192 seats   64 of them, 128 bytes each
type permitsLayout struct {
	_      structs.HostLayout
	state  mem.Uint64 // permitsState
	total  mem.Uint32
	bell   mem.Uint32
	used   mem.Uint32
	_      uint32
	anchor robust.Anchor
	_      [mem.Line - 40]byte
	seats  [permitsSeats]permitsSeat
}

// permitsSeat is what one process has.
//
//	off size field  written by
//	  0  48  cell   holder, kernel: see robust.Cell
//	 48   8  word   everybody: how many permits its holder has, after which operation
//	 56   8  intent holder: what its next operation is
type permitsSeat struct {
	_      structs.HostLayout
	cell   robust.Cell
	word   mem.Uint64 // permitsWord
	intent mem.Uint64 // permitsIntent
	_      [mem.Line - 64]byte
}

const (
	permitsSeats    = 64
	permitsMax      = 1<<24 - 1
	permitsSleepers = 1 << 31 // in bell
	permitsTagMask  = 1<<31 - 1
)

var (
	_ = [1]struct{}{}[unsafe.Sizeof(Permits{})-(128+permitsSeats*128)]
	_ = [1]struct{}{}[unsafe.Alignof(Permits{})-8]
	_ = [1]struct{}{}[unsafe.Offsetof(permitsLayout{}.total)-8]
	_ = [1]struct{}{}[unsafe.Offsetof(permitsLayout{}.bell)-12]
	_ = [1]struct{}{}[unsafe.Offsetof(permitsLayout{}.used)-16]
	_ = [1]struct{}{}[unsafe.Offsetof(permitsLayout{}.anchor)-24]
	_ = [1]struct{}{}[unsafe.Offsetof(permitsLayout{}.seats)-128]
	_ = [1]struct{}{}[unsafe.Sizeof(permitsSeat{})-128]
	_ = [1]struct{}{}[unsafe.Offsetof(permitsSeat{}.word)-48]
	_ = [1]struct{}{}[unsafe.Offsetof(permitsSeat{}.intent)-56]
)

// permitsState is how many permits are free (bits 40 to 63), and which
// operation made it so: that of this seat (32 to 39) with this tag (0 to 30),
// which its holder intended, or which took everything from a dead one (31).
type permitsState uint64

func newPermitsState(free uint32, seat int, recovery bool, tag uint32) permitsState {
	s := permitsState(free)<<40 | permitsState(seat)<<32 | permitsState(tag)
	if recovery {
		s |= 1 << 31
	}
	return s
}

func (s permitsState) free() uint32   { return uint32(s >> 40) }
func (s permitsState) seat() int      { return int(s >> 32 & 0xff) }
func (s permitsState) recovery() bool { return s&(1<<31) != 0 }
func (s permitsState) tag() uint32    { return uint32(s) & permitsTagMask }

// permitsWord is how many permits a seat's holder has (bits 40 to 63), after the
// seat's operation with this tag (0 to 30).
type permitsWord uint64

func newPermitsWord(held, tag uint32) permitsWord {
	return permitsWord(held)<<40 | permitsWord(tag)
}

func (w permitsWord) held() uint32 { return uint32(w >> 40) }
func (w permitsWord) tag() uint32  { return uint32(w) & permitsTagMask }
func (w permitsWord) next() uint32 { return (uint32(w) + 1) & permitsTagMask }

// permitsIntent is how many permits more its holder will have (bits 32 to 63,
// signed) after the operation with this tag (0 to 30).
type permitsIntent uint64

func newPermitsIntent(more int32, tag uint32) permitsIntent {
	return permitsIntent(uint32(more))<<32 | permitsIntent(tag)
}

func (i permitsIntent) more() int32 { return int32(i >> 32) }
func (i permitsIntent) tag() uint32 { return uint32(i) & permitsTagMask }

func (p *Permits) aligned() bool { return uintptr(unsafe.Pointer(p))%unsafe.Alignof(*p) == 0 }
