package semaphore

import (
	"context"
	"errors"
	"fmt"
	"structs"
	"time"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/mem"
)

// An Event is a flag that processes set and clear, and for which they wait.
// Whoever waits when it is set goes on, even if it is cleared again before it
// has woken up.
//
// It occupies 8 bytes and must be aligned to 8. The zero value is a cleared
// event. Every value of the bytes is an event, so there is no error for
// garbage. It must not be copied. Nobody owns it: a process that dies leaves it
// as it is. In memory that is mapped without the right to write, only IsSet and
// String may be called; the others fault.
//
// A call to Set that sets the event synchronizes before the return of every Wait
// and IsSet that finds it set.
//
// Python's repr says set or unset, as String does; its Event.wait returns
// whether the event was set in time, and Wait returns nil or the context's error.
//
//	off size field written by
//	  0   8  word  all: how often the event has changed, and whether somebody sleeps
type Event struct {
	_    structs.HostLayout
	word mem.Uint64
}

// The word's low half, on which waiters sleep, is sleepers | the low 31 bits of
// the number of changes; the high half is the rest of that number, the
// generation. Set and Clear count in turns, so the event is set while the number
// is odd, and a waiter, who begins at an even one, may go on as soon as it is
// another: 63 bits do not come round while it is stopped.
//
// Who is about to sleep sets sleepers, and the Set that ends the wait clears it
// in the same CAS; so whoever sets the bit later is woken by a later Set. A
// process that is killed or stopped between that CAS and the wake leaves
// sleepers whose word has changed, which their looks find. A waiter that is
// killed, stopped, or gives up leaves at most one wake in vain.
const (
	eventSet      = 1
	eventSleepers = 1 << 31
)

func changes(w uint64) uint64 { return w &^ eventSleepers }

// changed returns w with one change more, and nobody asleep. The carry skips
// sleepers.
func changed(w uint64) uint64 { return ((w | eventSleepers) + 1) &^ eventSleepers }

// IsSet says whether the event is set.
func (e *Event) IsSet() bool { return e.word.Load()&eventSet != 0 } // acquire: event

// Set sets the event and wakes everybody who waits for it. If it is set already,
// Set does nothing. It never waits.
func (e *Event) Set() {
	for {
		w := e.word.Load()
		if w&eventSet != 0 {
			return
		}
		if !e.word.CompareAndSwap(w, changed(w)) { // release: event
			continue
		}
		crashpoint.Hit("event.set")
		if w&eventSleepers != 0 {
			futex.WakeAll(e.low())
			crashpoint.Hit("event.woke")
		}
		return
	}
}

// Clear clears the event. If it is clear already, Clear does nothing. Those who
// waited at the Set before are not held up. It never waits.
func (e *Event) Clear() {
	for {
		w := e.word.Load()
		if w&eventSet == 0 {
			return
		}
		if e.word.CompareAndSwap(w, changed(w)) {
			crashpoint.Hit("event.cleared")
			return
		}
	}
}

// Wait returns nil when the event is set, or has been set at any time since Wait
// began. Otherwise, when ctx ends, it returns the context's error. Other errors:
// ErrClosed, when this process closes the memory; ErrInvalid, of an event that
// is not aligned; a failure of the system.
func (e *Event) Wait(ctx context.Context) error {
	w := e.word.Load() // acquire: event
	if w&eventSet != 0 {
		return nil
	}
	return e.wait(ctx, changes(w))
}

// String says whether the event is set.
func (e *Event) String() string {
	if e.IsSet() {
		return "Event(set)"
	}
	return "Event(unset)"
}

// wait waits until the number of changes is not n any more.
func (e *Event) wait(ctx context.Context, n uint64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if !e.aligned() { // nobody can sleep there
		return fmt.Errorf("wait for an event at %p: %w", e, ErrInvalid)
	}
	var own futex.Spinner
	spin := e.spinner(&own)
	rounds := spin.Rounds()
	timed := rounds > 0
	for ; rounds > 0; rounds-- {
		if changes(e.word.Load()) != n { // or the memory has been closed
			spin.Won()
			break
		}
		mem.Pause(1)
	}
	for {
		w := e.word.Load() // acquire: event
		if changes(w) != n {
			if changes(w) == 0 && e.closed() {
				return fmt.Errorf("wait for an event: %w", ErrClosed)
			}
			return nil
		}
		if w&eventSleepers == 0 && !e.word.CompareAndSwap(w, w|eventSleepers) {
			continue
		}
		crashpoint.Hit("event.announced")
		var began time.Time
		if timed {
			began = time.Now()
		}
		err := futex.Sleep(ctx, e.low(), uint32(w|eventSleepers), nil)
		if timed {
			spin.Slept(time.Since(began))
		}
		crashpoint.Hit("event.awake")
		if errors.Is(err, futex.ErrFault) {
			return fmt.Errorf("wait for an event: %w", err)
		}
		if err != nil && changes(e.word.Load()) == n {
			return err
		}
	}
}
