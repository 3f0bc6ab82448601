package ringbuf

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/robust"
)

// A caller looks for a while and then sleeps on its slot. The server reads asleep
// after it has made the slot Answered; the caller reads the state after it has set
// asleep; both are sequentially consistent, so one sees the other. From the first
// look on (50 ms), the caller sleeps on the presence of the server as well that has
// taken the call, so that a death wakes it at once.
//
// A caller wakes a sleeping worker only if all of them sleep, or if its call has
// not been taken for a while: a worker that is awake takes it sooner than one that
// has to be woken.

// await waits until the call is answered. After an error the slot is dealt with.
func (c *callClient) await(ctx context.Context, slot int, s *callSlot, gen uint32) error {
	watch := false // the presence of the server that has the call
	for {
		st := callState(s.state.Load()) // acquire: call reply
		if st == callStateOf(callAnswered, gen) {
			return nil
		}
		if st == callStateOf(callFailed, gen) {
			return c.orphaned(slot)
		}
		if st != callStateOf(callAsked, gen) && (st.phase() != callTaken || st.gen() != gen || !st.good(len(c.servers))) {
			return c.retire(slot, st)
		}
		err := ctx.Err()
		if err == nil && c.own.closed() {
			err = ErrClosed
		}
		if err == nil && st.phase() == callAsked && !c.served() {
			err = c.unserved()
		}
		if err != nil {
			if over, err := c.giveUp(slot, s, gen, err); over {
				return err
			}
			continue
		}
		if st.phase() == callTaken {
			switch c.fate(st) {
			case lost:
				if s.state.CompareAndSwap(uint64(st), uint64(callStateOf(callFailed, gen))) {
					crashpoint.Hit("call.orphaned")
				}
				continue
			case dying:
				if err := c.mourn(ctx, st, c.own.closed); err != nil {
					c.withhold(slot)
					return err
				}
				continue
			}
		} else {
			c.nudge()
		}
		if c.eager && c.yields(s, st) {
			continue
		}
		if watch, err = c.sleep(ctx, slot, s, st, watch); err != nil {
			if over, err := c.giveUp(slot, s, gen, err); over {
				return err
			}
		}
	}
}

// unserved says why nobody is going to serve a call that nobody has taken, nil if
// somebody may.
func (c *callClient) unserved() error {
	seen := c.look()
	switch {
	case seen.present:
		return nil
	case c.removed != nil && c.removed():
		return fmt.Errorf("%w: the name was removed, dial again", ErrClosed)
	case c.patient || !seen.came:
		return nil
	case seen.dead:
		return errServerDied
	}
	return ErrNoServer
}

// sleep sleeps until the state of the slot is not st any more, or there is other
// news. It returns whether to watch the server in the next sleep.
func (c *callClient) sleep(ctx context.Context, slot int, s *callSlot, st callState, watch bool) (bool, error) {
	words := [2]futex.Word{{Addr: &s.asleep, Val: 1}}
	n := 1
	if st.phase() == callTaken && watch {
		server := &c.servers[st.seat()]
		w := server.Word.Load()
		word, same := server.Watch(w &^ robust.Waiters)
		if !same || robust.StateOf(word) != robust.Present {
			return true, nil
		}
		words[1], n = futex.Word{Addr: &server.Word, Val: word}, 2
		crashpoint.Hit("call.watched")
	}
	s.asleep.Store(1)
	crashpoint.Hit("call.asleep")
	if s.state.Load() != uint64(st) {
		s.asleep.Store(0)
		return watch, nil
	}
	began := time.Time{}
	if c.eager {
		began = time.Now()
	}
	err := futex.SleepAny(ctx, words[:n], func() bool { return c.hasNews(s, st, n == 2) })
	crashpoint.Hit("call.awake")
	if c.eager {
		c.spin[slot].Slept(time.Since(began))
	}
	if errors.Is(err, futex.ErrFault) && !errors.Is(err, os.ErrClosed) {
		err = fmt.Errorf("%w: %w", ErrTruncated, err)
	}
	return st.phase() == callTaken, err
}

// hasNews is what the look asks about a caller that sleeps.
func (c *callClient) hasNews(s *callSlot, st callState, watching bool) bool {
	switch {
	case s.state.Load() != uint64(st) || c.own.closed():
		return true
	case st.phase() == callAsked:
		return c.sleeper() != nil || c.unserved() != nil
	case !watching:
		return true // from now on it watches
	}
	return c.servers[st.seat()].CheckOwner() || c.fate(st) != alive
}

// giveUp ends a call because of err. It returns false if there is something else to
// be seen in the slot, such as the answer; or, where err says that nobody has taken the
// call, that somebody has.
func (c *callClient) giveUp(slot int, s *callSlot, gen uint32, err error) (over bool, _ error) {
	st := callState(s.state.Load())
	switch {
	case st == callStateOf(callAsked, gen):
		if s.state.CompareAndSwap(uint64(st), uint64(callStateOf(callIdle, gen))) {
			crashpoint.Hit("call.withdrawn")
			c.finish(slot, false)
			return true, err
		}
	case st.phase() == callTaken && st.gen() == gen && st.good(len(c.servers)) && !errors.Is(err, ErrNoServer):
		if s.state.CompareAndSwap(uint64(st), uint64(st|callCancelled)) {
			crashpoint.Hit("call.cancelled")
			if server := &c.servers[st.seat()]; server.attend.Load() == 1 {
				_ = futex.WakeClear(&server.attend) // a fault: as in nudge
				crashpoint.Hit("call.attended")
			}
			c.withhold(slot)
			return true, err
		}
	}
	return false, nil
}

// yieldRounds is how often whoever has looked in vain lets others run before it sleeps.
// Where there are more processes than processors, the one that it waits for is often
// next: then neither a sleep nor a wake is needed, which cost more than all of this.
const yieldRounds = 3

// yields lets others run, and says whether the state of the slot is not st any more.
func (c *callClient) yields(s *callSlot, st callState) bool {
	for range yieldRounds {
		futex.Yield()
		if s.state.Load() != uint64(st) {
			return true
		}
	}
	return false
}
