package ringbuf

import (
	"structs"
	"unsafe"

	"github.com/shmkit/shmkit/internal/mem"
	"github.com/shmkit/shmkit/internal/robust"
	"github.com/shmkit/shmkit/internal/shmfile"
)

// The head of a ring or channel for many ends, before its lanes. What different
// processes write is mem.Line apart.
//
//	 off size field        written by
//	   0  128 object       creator: shmfile's header, as in an exclusive ring
//	 128    4 strategy     creator
//	 132    4 onPeerDeath  creator
//	 136    4 mode         creator
//	 140    4 flags        creator: flagRedeliver, flagFenced, flagCounted,
//	                      flagGrow, flagLeases
//	 144    4 lanes        creator: how many producers there is room for
//	 148    4 seats        creator: how many consumers
//	 152    8 bound        creator: how many messages all may have queued, 0: any number
//	 256    4 ended        whoever calls CloseSend: 1 from then on
//	 384    8 sleepers     bit s%64: a consumer in seat s may sleep; set by sleepers,
//	                       cleared by whoever finds none of them asleep
//	 512    8 again        how often messages of dead consumers became available
//	 640    4 usedLanes    joining producers: lanes from this one on were never used
//	 644    4 usedSeats    joining consumers, alike
//	 768    4 full         1: a producer may sleep forBound; set by sleepers, cleared by
//	                       whoever finds none of them asleep
//	 896    4 finished     how often joiners were woken: those sleep on it
//	 900    4 joiners      after how many messages that are done they are to be woken, 0
//	                       for never; set by joiners, counted down by whoever finishes one
//	1024      seat[seats], lane[lanes], then, from a multiple of 64 KiB on, for each
//	          lane its table of extents, its records or slots, its extents (geometry)
type sharedHeader struct {
	_           structs.HostLayout
	object      [shmfile.HeaderSize]byte
	strategy    uint32
	onPeerDeath uint32
	mode        uint32
	flags       uint32
	lanes       uint32
	seats       uint32
	bound       uint64
	_           [mem.Line - 32]byte
	ended       mem.Uint32
	_           [mem.Line - 4]byte
	sleepers    mem.Uint64
	_           [mem.Line - 8]byte
	again       mem.Uint64
	_           [mem.Line - 8]byte
	usedLanes   mem.Uint32
	usedSeats   mem.Uint32
	_           [mem.Line - 8]byte
	full        mem.Uint32
	_           [mem.Line - 4]byte
	finished    mem.Uint32
	joiners     mem.Uint32
	_           [mem.Line - 8]byte
}

// Flags.
const (
	flagRedeliver = 1 << iota // what a dead consumer held is received again
	flagFenced                // publishers fence, since there is no futex.HeavyFence
	flagCounted               // records carry running numbers, lanes marks; always set
	flagGrow                  // lanes are sparse
	flagLeases                // messages are held until they are done
)

// seat is a consumer's.
//
//	off size field     written by
//	  0   64 presence  consumer; producers sleep on it
//	 64    4 buried    whoever has buried a dead one: its Arrivals
//	128    4 asleep    consumer: 1 while it sleeps or is about to; wakers clear it
//	256    8 messages  consumer: how many it has received
//	264    8 bytes     consumer: their lengths
//	272    8 again     consumer: how many of them not for the first time
//	280    8 waits     consumer: how often it slept
//	288    8 wakes     consumer: how often it woke a producer
//	296    8 high      consumer: most that was published and not taken in a lane, as seen
type seat struct {
	_ structs.HostLayout
	robust.Presence
	buried   mem.Uint32
	_        [mem.Line - 68]byte
	asleep   mem.Uint32
	_        [mem.Line - 4]byte
	messages mem.Uint64
	bytes    mem.Uint64
	again    mem.Uint64
	waits    mem.Uint64
	wakes    mem.Uint64
	high     mem.Uint64
	_        [mem.Line - 48]byte
}

// lane is a producer's.
//
//	off size field     written by
//	  0   64 presence  producer; consumers sleep on it
//	128    8 tail      producer: end of what is published, in bytes or in eighths of
//	                   a slot, never wraps
//	136    8 messages  producer: how many it has published
//	144    8 bytes     producer: their lengths
//	152 2* 8 mark      producer: where the last two publications ended, and the number
//	                   of the next message there (lane_count.go)
//	168    4 entries   producer, of a ring with leases: how many entries of the lane's
//	                   table of extents were ever used; what follows may not be allocated
//	256    8 head      consumers: end of what is taken, counted alike
//	264    8 low       whoever frees chunks of a sparse lane: those before this one
//	                   have no memory
//	384    4 asleep    producer: what it sleeps for, forRoom, forExtent, forBound or
//	                   forChunk; wakers clear it
//	388    4 claim     producer: the number up to which it means to publish, if that is
//	                   beyond what it has (lane_bound.go)
//	392    8 wanted    producer: the head that it sleeps for
//	400    8 cut       whoever ends the stream, once: where it ends in this lane, plus 1
//	512    8 waits     producer: how often it slept
//	520    8 wakes     producer: how often it woke a consumer
//	528    8 high      producer: most that was published and not taken, as seen
type lane struct {
	_ structs.HostLayout
	robust.Presence
	_        [mem.Line - 64]byte
	tail     mem.Uint64
	messages mem.Uint64
	bytes    mem.Uint64
	mark     [2]mem.Uint64
	entries  mem.Uint32
	_        [mem.Line - 44]byte
	head     mem.Uint64
	low      mem.Uint64
	_        [mem.Line - 16]byte
	asleep   mem.Uint32
	claim    mem.Uint32
	wanted   mem.Uint64
	cut      mem.Uint64
	_        [mem.Line - 24]byte
	waits    mem.Uint64
	wakes    mem.Uint64
	high     mem.Uint64
	_        [mem.Line - 24]byte
}

// What a producer sleeps for.
const (
	awake uint32 = iota
	forRoom
	forExtent
	forBound
	forChunk
)

// extent is one piece of a lane's memory for large messages.
//
//	off size field   written by
//	  0    8 state   see extentState
//	  8    8 offset  producer, while it is free: in the lane's extents
//	 16    8 length  producer, while it is free: of the message
//	 24    8         unused
type extent struct {
	_      structs.HostLayout
	state  mem.Uint64
	offset mem.Uint64
	length mem.Uint64
	_      [8]byte
}

const (
	sharedHead = 1024
	seatSize   = 3 * mem.Line
	laneSize   = 5 * mem.Line
	extentSize = 32
	zoneUnit   = 1 << 16 // zones begin at multiples of the largest page size in use
)

var (
	_ = [1]struct{}{}[unsafe.Sizeof(sharedHeader{})-sharedHead]
	_ = [1]struct{}{}[unsafe.Offsetof(sharedHeader{}.mode)-136]
	_ = [1]struct{}{}[unsafe.Offsetof(sharedHeader{}.bound)-152]
	_ = [1]struct{}{}[unsafe.Offsetof(sharedHeader{}.ended)-256]
	_ = [1]struct{}{}[unsafe.Offsetof(sharedHeader{}.sleepers)-384]
	_ = [1]struct{}{}[unsafe.Offsetof(sharedHeader{}.again)-512]
	_ = [1]struct{}{}[unsafe.Offsetof(sharedHeader{}.usedLanes)-640]
	_ = [1]struct{}{}[unsafe.Offsetof(sharedHeader{}.full)-768]
	_ = [1]struct{}{}[unsafe.Offsetof(sharedHeader{}.finished)-896]
	_ = [1]struct{}{}[unsafe.Sizeof(seat{})-seatSize]
	_ = [1]struct{}{}[unsafe.Offsetof(seat{}.asleep)-128]
	_ = [1]struct{}{}[unsafe.Offsetof(seat{}.messages)-256]
	_ = [1]struct{}{}[unsafe.Sizeof(lane{})-laneSize]
	_ = [1]struct{}{}[unsafe.Offsetof(lane{}.tail)-128]
	_ = [1]struct{}{}[unsafe.Offsetof(lane{}.mark)-152]
	_ = [1]struct{}{}[unsafe.Offsetof(lane{}.entries)-168]
	_ = [1]struct{}{}[unsafe.Offsetof(lane{}.head)-256]
	_ = [1]struct{}{}[unsafe.Offsetof(lane{}.low)-264]
	_ = [1]struct{}{}[unsafe.Offsetof(lane{}.asleep)-384]
	_ = [1]struct{}{}[unsafe.Offsetof(lane{}.claim)-388]
	_ = [1]struct{}{}[unsafe.Offsetof(lane{}.wanted)-392]
	_ = [1]struct{}{}[unsafe.Offsetof(lane{}.cut)-400]
	_ = [1]struct{}{}[unsafe.Offsetof(lane{}.waits)-512]
	_ = [1]struct{}{}[unsafe.Sizeof(extent{})-extentSize]
)

// sharedHeaderOf lays the header over the beginning of b, which is aligned to 8.
func sharedHeaderOf(b []byte) *sharedHeader {
	return (*sharedHeader)(unsafe.Pointer(unsafe.SliceData(b[:sharedHead])))
}

// wordAt is the word at the beginning of b, which is aligned to 8.
func wordAt(b []byte) *mem.Uint64 {
	return (*mem.Uint64)(unsafe.Pointer(unsafe.SliceData(b[:8])))
}
