package ringbuf

import (
	"fmt"

	"github.com/shmkit/shmkit/internal/shmfile"
)

// Mode says how many processes send and receive at a time.
type Mode uint32

const (
	// SPSC: one producer, one consumer. It is the default, and the fastest.
	SPSC Mode = iota
	// MPSC: many producers, one consumer.
	MPSC
	// SPMC: one producer, many consumers.
	SPMC
	// MPMC: many producers, many consumers.
	MPMC
)

// String returns the mode's name.
func (m Mode) String() string {
	if names := [...]string{"SPSC", "MPSC", "SPMC", "MPMC"}; int64(m) < int64(len(names)) {
		return names[m]
	}
	return fmt.Sprintf("mode %d", uint32(m))
}

// Strategy says how an end waits. It belongs to the ring, so both ends agree.
type Strategy uint32

const (
	// Hybrid spins for as long as that has paid lately, then sleeps. It is the
	// default.
	Hybrid Strategy = iota
	// Spin never sleeps, where another processor can make progress: the lowest
	// latency, at the price of a processor an end. Where only one processor is
	// usable it is Hybrid.
	Spin
	// Block sleeps at once: for many processes on few processors.
	Block
)

// String returns the strategy's name.
func (s Strategy) String() string {
	switch s {
	case Hybrid:
		return "hybrid"
	case Spin:
		return "spin"
	case Block:
		return "block"
	}
	return fmt.Sprintf("strategy %d", uint32(s))
}

// PeerDeath says what waiting ends do when the other end has gone without
// CloseSend.
type PeerDeath uint32

const (
	// Fail returns io.EOF or ErrPeerDied to receivers, ErrNoConsumer to senders,
	// until somebody takes the role over. It is the default.
	Fail PeerDeath = iota
	// Wait waits for the next process to take the role over.
	Wait
)

// Exist says what New does when the name is taken.
type Exist = shmfile.Exist

// What New does when the name is taken. Replace refuses with ErrBusy while a
// process has the old ring open.
const (
	ExistFail    = shmfile.Fail
	ExistOpen    = shmfile.OpenExisting
	ExistReplace = shmfile.Replace
)

// Owner says when the name goes without an Unlink. It is the Owner of package shm.
type Owner = shmfile.Owner

const (
	// OwnerNone: the name stays until Unlink. It is the default.
	OwnerNone = shmfile.OwnerNone
	// OwnerCreator: the name goes when the handle that made the object is closed, or
	// its process ends with proc.Exit. If it is killed, it is as with OwnerUsers.
	OwnerCreator = shmfile.OwnerCreator
	// OwnerUsers: the name goes when the last process that has the object open closes
	// it, or ends with proc.Exit.
	OwnerUsers = shmfile.OwnerUsers
)

// Options of New and NewChan. nil and zero fields mean the defaults.
type Options struct {
	// Capacity of a Ring in bytes, default 1 MiB. It is rounded up to a power
	// of two of at least 64 KiB. A message takes its length rounded up to 8,
	// plus 8; one that does not fit, 16. Channels take their capacity from NewChan.
	// Where there are many producers, each has so much of its own, and, without Grow, as
	// much again for messages that are held in place; a Ring's is at most 2 GiB then.
	Capacity int
	// MaxMessage is the largest message in bytes; the default is the capacity
	// less 8, the most is 2 TiB. Messages that do not fit the ring (where there
	// are many ends: that are larger than a quarter of the capacity) get memory of
	// their own, behind it in the same file: address space for four of the
	// largest, at most 256 at a time, taken from the system when they are sent or
	// reserved and given back when they are released. When the system has none,
	// Send returns ErrNoSpace, nothing was sent, and the ring goes on. An
	// anonymous ring's memory is limited by the machine's and that of its control
	// group, which the system enforces by killing processes; a named one's also by
	// the size of /dev/shm, half of the machine's memory unless it was mounted
	// otherwise and often 64 MiB in containers.
	MaxMessage int
	// Mode says how many processes send and receive at a time.
	Mode Mode
	// Producers and Consumers say how many there may be at a time, where there
	// may be many: default 64, at most 256.
	Producers, Consumers int
	// Redeliver, for rings with many ends, receives again what a consumer held
	// when it died: every message at least once instead of at most once.
	// Consumer.Redelivered tells. (A ring with one end each always does so.)
	Redeliver bool
	// MaxMessages, for rings and channels with many ends, is how many messages of all
	// producers together may be sent and not received; 0 means any number. Beyond that
	// there is no room: Send waits, TrySend returns ErrFull. It is never exceeded, and
	// no place is lost when processes die; a producer that is stopped in the middle of
	// a Send may hold one until it goes on. Each Send looks at the lanes of all
	// producers then. Commit may have to wait for a place, until Close, though Reserve
	// has seen one. Messages that are received again (Redeliver) do not count.
	MaxMessages int
	// Grow, for rings with many ends, makes Capacity address space: by default 1 GiB
	// for each producer, at least 1 MiB, at most 2 GiB. Memory is taken, 256 KiB at a
	// time, when messages are sent, and given back when they were received, but for
	// half a megabyte of each producer: so producers may run far ahead of consumers.
	// When the system has no more, Send returns ErrNoSpace; see MaxMessage. Messages
	// of up to 32 KiB lie in records then, larger ones, at most 4096 at a time (with
	// Leases 65536), in memory of their own; MaxMessage is by default a quarter of the
	// capacity, so a ring for 64 producers takes 128 GiB of address space. What a producer
	// that died had prepared for its next messages stays until another takes its place.
	// With Redeliver or Leases a message takes its length plus 8, rounded up to 32, and a
	// quarter of that again, and the memory of 256 KiB is given back when everything there
	// is done, not only received.
	Grow bool
	// Leases, for rings with many ends, lets a Queue hand messages out that stay held
	// until they are said to be done (Queue.Lease), and wait until all are
	// (Queue.WaitFinished). What a process held when it died counts as done, or, with
	// Redeliver, is received again. Send waits where there is no room for what is
	// unfinished, sent and not done: with Grow that is 26 million small messages of one
	// producer, where what is held longest keeps no more than 256 KiB from being used;
	// without it 65536 messages, or fewer: Capacity bytes of them, where each takes its
	// length rounded up to 64.
	Leases      bool
	Strategy    Strategy
	OnPeerDeath PeerDeath
	// Exist says what New does when the name is taken; default ExistFail.
	Exist Exist
	// Owner says when the name goes; default OwnerNone. With ExistOpen a ring that is
	// there keeps its own rule.
	Owner Owner

	fenced bool // of rings with many ends: flagFenced
}

// OpenOptions of Open and OpenChan. nil means the defaults.
type OpenOptions struct {
	// Wait waits, under the context, until the ring exists.
	Wait bool
}

const (
	defaultCapacity = 1 << 20
	growCapacity    = 1 << (20 + 10*(^uint(0)>>63)) // what 32-bit systems get does not matter
	minCapacity     = 1 << 16                       // the largest page size in use, so that every system can map it twice
	maxCapacity     = 1 << (30 + 8*(^uint(0)>>63))  // 1<<38; what 32-bit systems get does not matter, they have no rings
)

// normal returns the options with defaults filled in and values checked.
func (o *Options) normal() (Options, error) {
	var n Options
	if o != nil {
		n = *o
	}
	if n.Capacity == 0 {
		n.Capacity = defaultCapacity
		if n.Grow {
			n.Capacity = growCapacity
		}
	}
	if n.Capacity < 0 || n.Capacity > maxCapacity {
		return n, fmt.Errorf("%w: capacity %d", ErrSize, n.Capacity)
	}
	n.Capacity = ceilPow2(max(n.Capacity, minCapacity))
	if n.Grow {
		if n.Capacity/2 > growCapacity {
			return n, fmt.Errorf("%w: capacity %d of sparse lanes", ErrSize, n.Capacity)
		}
		n.Capacity = max(n.Capacity, leastChunks*chunkSize)
	}
	if n.MaxMessage == 0 {
		n.MaxMessage = n.Capacity - recordHeader
		if n.Grow { // so that the big ones take no more address space than the small ones
			n.MaxMessage = n.Capacity / 4
		}
	}
	if n.MaxMessage < 0 || n.MaxMessage > maxFile/4 {
		return n, fmt.Errorf("%w: messages of %d bytes in a ring of %d", ErrSize, n.MaxMessage, n.Capacity)
	}
	return n, n.checkModes()
}

// checkModes checks what rings and channels have in common, and fills in defaults.
func (o *Options) checkModes() error {
	if o.Mode > MPMC {
		return fmt.Errorf("%w: %v", ErrOption, o.Mode)
	}
	if o.Strategy > Block {
		return fmt.Errorf("%w: %v", ErrOption, o.Strategy)
	}
	if o.OnPeerDeath > Wait {
		return fmt.Errorf("%w: peer death %d", ErrOption, o.OnPeerDeath)
	}
	if o.MaxMessages < 0 || o.MaxMessages > 0 && o.Mode == SPSC {
		return fmt.Errorf("%w: at most %d messages in mode %v", ErrOption, o.MaxMessages, o.Mode)
	}
	return o.ends()
}

func ceilPow2(n int) int {
	p := 1
	for p < n {
		p <<= 1
	}
	return p
}
