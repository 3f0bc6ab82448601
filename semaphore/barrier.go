package semaphore

import (
	"fmt"
	"structs"
	"time"

	"github.com/shmkit/shmkit/internal/mem"
	"github.com/shmkit/shmkit/internal/robust"
)

// A Barrier lets a fixed number of parties wait for each other: nobody returns
// from Wait before all have come. Then it begins anew. A party is one call to
// Wait at a time; the calls may be of up to 256 processes and of any of their
// goroutines.
//
// When not all can come, the barrier is broken: everybody who waits, and
// everybody who comes later, gets ErrBroken until somebody calls Reset. It is
// broken by a party that gives up (its context or the default timeout ends) or
// whose action fails, by Abort, and by the death of a process that has joined:
// with Join, or with its first Wait. A process that ends without Leave, or Close
// of the memory, has died. A party that dies before it joins is not known
// to the barrier, and is waited for. A process that is stopped is waited for as
// long as it is stopped. A phase that was completed stays so, whoever dies later.
// A death is found within 100 ms, and at once when the first to come has waited
// that long; where the kernel's mark got lost, because somebody has truncated the
// file, within 2 s.
//
// A Barrier occupies 12544 bytes and must be aligned to 8. Before Init its
// methods return ErrNotInitialized. It must not be copied. In memory that is
// mapped without the right to write, only Parties, Waiting, Broken and String
// may be called; the others fault.
//
// In each phase, the call to Wait of every party synchronizes before the action,
// and the action before the return of Wait to any party.
//
// It is the sense-reversing centralized barrier of Mellor-Crummey and Scott
// (ACM TOCS 9:1, 1991), with a counted phase for the sense. Python's Barrier
// has the same operations; there the action is the barrier's, here it is that of
// the call that comes last.
//
//	off  size field    written by
//	  0     8 word     all: the state (barrierWord), on whose low half waiters sleep
//	  8   120          unused
//	128     4 parties  Init
//	132     4 resets   Reset: how often it ended a phase, or was about to
//	136     8 timeout  Init, SetTimeout: nanoseconds, 0 for none
//	144     4 used     who joins: how many seats were ever taken, or about to be;
//	                   the first arriver of a phase may sleep there
//	148     4          unused
//	152    16 anchor   nobody: it finds what each process keeps to itself
//	168    88          unused
//	256 12288 seats    256 cells; each is held by a process that has joined;
//	                   Waiters in it: the first arriver of a phase may sleep there
type Barrier struct {
	_       structs.HostLayout
	word    mem.Uint64
	_       [mem.Line - 8]byte
	parties mem.Uint32
	resets  mem.Uint32
	timeout mem.Uint64
	used    mem.Uint32
	_       uint32
	anchor  robust.Anchor
	_       [2*mem.Line - 168]byte
	seats   [barrierSeats]robust.Cell
}

const barrierSeats = 256

// Init makes b a barrier for so many parties, that nobody has joined and that
// has no default timeout. Nobody else may use b meanwhile. ErrInvalid: parties is
// not from 1 to 65535, or b is not aligned; ErrBusy: this process waits at b. An
// error leaves b as it was.
func (b *Barrier) Init(parties int) error {
	if parties < 1 || parties > maxParties {
		return fmt.Errorf("initialize a barrier for %d parties: %w", parties, ErrInvalid)
	}
	if !b.aligned() {
		return fmt.Errorf("initialize a barrier at %p: %w", b, ErrInvalid)
	}
	if err := b.Leave(); err != nil {
		return fmt.Errorf("initialize a barrier: %w", err)
	}
	for i := range b.seats {
		b.seats[i].Word.Store(0)
		b.seats[i].Ident.Store(0)
	}
	b.used.Store(0)
	b.timeout.Store(0)
	b.resets.Store(0)
	b.word.Store(0)
	b.parties.Store(uint32(parties))
	return nil
}

// SetTimeout sets the default timeout, for all processes: how long a call to
// Wait whose context has no deadline waits for the others, once it has begun to
// sleep. 0 or less is for ever, as after Init. It does not change waits that have
// begun.
func (b *Barrier) SetTimeout(d time.Duration) { b.timeout.Store(uint64(max(d, 0))) }

// Parties returns how many parties there are, 0 before Init.
func (b *Barrier) Parties() int { return int(b.parties.Load()) }

// Waiting returns how many parties have come and wait for the others. It is 0
// while the last one runs its action, and while b is broken.
func (b *Barrier) Waiting() int {
	w := barrierWord(b.word.Load())
	if w.broken() || w.arrived() >= b.parties.Load() {
		return 0
	}
	return int(w.arrived())
}

// Broken says whether b is broken, or about to be found so, because a process
// that has joined is dead.
func (b *Barrier) Broken() bool {
	return barrierWord(b.word.Load()).broken() || b.bereft()
}

// String says how many parties wait, or what else there is to say.
func (b *Barrier) String() string {
	n := b.Parties()
	switch {
	case n == 0:
		return "Barrier(not initialized)"
	case b.Broken():
		return fmt.Sprintf("Barrier(broken, %d parties)", n)
	case barrierWord(b.word.Load()).arrived() == b.parties.Load():
		return fmt.Sprintf("Barrier(action, %d parties)", n)
	}
	return fmt.Sprintf("Barrier(%d of %d waiting)", b.Waiting(), n)
}

// count returns how many seats there are to visit.
func (b *Barrier) count() int { return int(min(b.used.Load(), barrierSeats)) }

// bereft says whether a process that has joined is dead, as far as the kernel's
// marks say. A dead process's seat stays marked until a Reset.
func (b *Barrier) bereft() bool {
	for i := range b.count() {
		if b.seats[i].Word.Load()&robust.OwnerDied != 0 {
			return true
		}
	}
	return false
}
