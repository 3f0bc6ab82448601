package ringbuf

import (
	"structs"
	"unsafe"

	"github.com/shmkit/shmkit/internal/mem"
	"github.com/shmkit/shmkit/internal/robust"
	"github.com/shmkit/shmkit/internal/shmfile"
)

// The head of a ring or channel, before its data. What different processes
// write is mem.Line apart.
//
//	 off size field        written by
//	   0  128 object       creator: shmfile's header; its sizes are {capacity,
//	                       MaxMessage} in bytes, of a channel {slots, slot size}
//	 128    4 strategy     creator
//	 132    4 onPeerDeath  creator
//	 256    8 tail         producer: end of what is published, counted from the
//	                       ring's beginning, never wraps
//	 264   32 sent         producer: a tally
//	 384    8 head         consumer: end of what is released, counted alike
//	 392   32 received     consumer: a tally
//	 512    8 wanted       producer: the head that it sleeps for
//	 640    4 ended        producer: 1 after CloseSend
//	 768   64 producer     the producer's presence; the consumer sleeps on it
//	 896   64 consumer     the consumer's presence; the producer sleeps on it
//	4096 8192 extents      extent[256], see large.go: only if MaxMessage > capacity-8
//	65536     data         capacity bytes, or the slots
//	          large        behind the data, alike: 4 × (MaxMessage rounded up to
//	                       64 KiB) bytes, the memory of the extents; allocated while
//	                       in use. Their offsets count from here.
//
// A record in a ring's data begins at a multiple of 8 and never wraps, since
// the data is mapped twice, back to back:
//
//	0    8 length of the message in bytes
//	8    n message, then up to 7 bytes of anything
//
// or, for a message longer than capacity-8:
//
//	0    8 1<<62 + entry in the table of extents
//	8    8 generation of the extent, in bits 17 to 63
type header struct {
	_           structs.HostLayout
	object      [shmfile.HeaderSize]byte
	strategy    uint32
	onPeerDeath uint32
	_           [mem.Line - 8]byte
	tail        mem.Uint64
	sent        tally
	_           [mem.Line - 40]byte
	head        mem.Uint64
	received    tally
	_           [mem.Line - 40]byte
	wanted      mem.Uint64
	_           [mem.Line - 8]byte
	ended       mem.Uint32
	_           [mem.Line - 4]byte
	producer    role
	consumer    role
}

// tally is an end's statistics. It alone writes it.
//
//	off size field
//	  0    8 messages  how many it has published, or released
//	  8    8 waits     how often it slept
//	 16    8 wakes     how often it woke the other end
//	 24    8 high      most that was in use when it looked, in bytes or values
type tally struct {
	_                            structs.HostLayout
	messages, waits, wakes, high mem.Uint64
}

// role is who takes part as what.
type role struct {
	_ structs.HostLayout
	robust.Presence
	_ [mem.Line - 64]byte
}

const (
	headSize     = 1 << 16
	recordHeader = 8
	recordUnit   = 8 // records begin at multiples of it
)

var (
	_ = [1]struct{}{}[unsafe.Offsetof(header{}.strategy)-128]
	_ = [1]struct{}{}[unsafe.Offsetof(header{}.tail)-256]
	_ = [1]struct{}{}[unsafe.Offsetof(header{}.head)-384]
	_ = [1]struct{}{}[unsafe.Offsetof(header{}.wanted)-512]
	_ = [1]struct{}{}[unsafe.Offsetof(header{}.ended)-640]
	_ = [1]struct{}{}[unsafe.Offsetof(header{}.producer)-768]
	_ = [1]struct{}{}[unsafe.Offsetof(header{}.consumer)-896]
	_ = [1]struct{}{}[unsafe.Sizeof(header{})-1024]
	_ = [headSize - largeTable - largeEntries*extentSize]struct{}{} // not negative
)

// headerOf lays the header over the beginning of b, which must have headSize
// bytes and be aligned to 8.
func headerOf(b []byte) *header { return (*header)(unsafe.Pointer(unsafe.SliceData(b[:headSize]))) }

// slotsOf lays n slots of type T over b.
func slotsOf[T any](b []byte, n int) []T {
	var t T
	_ = b[:n*int(unsafe.Sizeof(t))]
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(b))), n)
}

func sizeOf[T any]() int {
	var t T
	return int(unsafe.Sizeof(t))
}
