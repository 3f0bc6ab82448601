package ringbuf

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"time"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/mem"
	"github.com/shmkit/shmkit/internal/robust"
)

// Waiting among many. Each end sleeps on a word of its own, asleep: it sets the word,
// reads once more what it waits for, and sleeps. A publisher, after it has stored its
// tail, reads the sleepers' bits and wakes one consumer; a consumer, after it has moved
// a head, reads the asleep word of that lane. The sleeper fences for both sides between
// its store and its load, as in wait.go, so either it sees the news or the other one
// sees the sleeper.
//
// One consumer is woken for one publication. A consumer that was woken and finds
// more than it takes wakes the next one, and so does one that was woken and leaves
// without taking. If the woken one is killed or stopped first, the look of another
// finds the message, within 50 ms.
//
// A sleeper also sleeps on the presence word of one peer that lives: so it hears of
// its leaving or death from the kernel. Deaths of others, and the death itself where
// several slept on that word and only one was woken, are found by the look.

// sleeperBit is seat x's in sleepers.
func sleeperBit(x int) uint64 { return 1 << (x % 64) }

// set makes a bit of w set, and says whether it was not.
func set(w *mem.Uint64, bit uint64) bool {
	for {
		v := w.Load()
		if v&bit != 0 {
			return false
		}
		if w.CompareAndSwap(v, v|bit) {
			return true
		}
	}
}

// clearBit clears a bit of w.
func clearBit(w *mem.Uint64, bit uint64) {
	for {
		v := w.Load()
		if v&bit == 0 || w.CompareAndSwap(v, v&^bit) {
			return
		}
	}
}

// wakeOne wakes one sleeping consumer, if there is one, beginning the search at
// seat from.
func (s *shared) wakeOne(from int) (woken bool) {
	// Once: who sets a bit later looks for news after that.
	for left := s.h.sleepers.Load(); left != 0; {
		k := (bits.TrailingZeros64(bits.RotateLeft64(left, -from)) + from) % 64
		bit := uint64(1) << k
		left &^= bit
		if s.wakeSeat(k) {
			return true
		}
		clearBit(&s.h.sleepers, bit)
		crashpoint.Hit("lane.unmarked")
		// One may have gone to sleep before the bit was cleared.
		if s.wakeSeat(k) {
			set(&s.h.sleepers, bit)
			return true
		}
	}
	return false
}

// wakeSeat wakes a consumer that sleeps in one of the seats of bit k.
func (s *shared) wakeSeat(k int) bool {
	for x := k; x < len(s.usedSeats()); x += 64 {
		c := &s.seats[x]
		if c.asleep.Load() != 0 && robust.StateOf(c.Word.Load()) == robust.Present {
			crashpoint.Hit("lane.waking")
			_ = futex.WakeClear(&c.asleep)
			crashpoint.Hit("lane.woken")
			return true
		}
	}
	return false
}

// wakeAll wakes every sleeping consumer.
func (s *shared) wakeAll() {
	for x := range s.usedSeats() {
		if c := &s.seats[x]; c.asleep.Load() != 0 {
			_ = futex.WakeClear(&c.asleep)
		}
	}
}

// spinYield is after how many rounds an end that spins lets other processes run:
// where there are many ends, there may be more of them than processors.
const spinYield = 128

// nap is how an end waits.
type nap struct {
	word   *mem.Uint32 // its asleep word
	woken  bool        // somebody has woken it since it last asked
	pass   func()      // wakes another one in its place; nil: nobody would take it
	spin   futex.Spinner
	checks uint32
	parked lanePark // of a call that parks
}

// lieDown says to others that this end sleeps, and returns the words to sleep on, behind
// words; false if the friend is not there any more.
func (n *nap) lieDown(words []futex.Word, sleepFor uint32, announce func(), friend *robust.Presence) ([]futex.Word, bool) {
	n.word.Store(sleepFor)
	crashpoint.Hit("lane.asleep")
	announce()
	crashpoint.Hit("lane.announced")
	words = append(words, futex.Word{Addr: n.word, Val: sleepFor})
	if friend == nil {
		return words, true
	}
	watched, same := friend.Watch(friend.Word.Load() &^ robust.Waiters)
	return append(words, futex.Word{Addr: &friend.Word, Val: watched}), same && robust.StateOf(watched) == robust.Present
}

// getUp undoes lieDown.
func (n *nap) getUp() {
	if n.word.Swap(awake) == awake {
		n.woken = true
	}
}

// spread wakes the others who sleep on the presence of a friend that is not there any
// more: the kernel has woken one of them.
func spread(friend *robust.Presence) {
	if friend != nil && robust.StateOf(friend.Word.Load()) != robust.Present {
		futex.WakeAll(&friend.Word)
	}
}

// wait waits until ready, gone or closed, or for no reason. sleepFor is what the
// asleep word says meanwhile; announce is called when it says so. friend, which may
// be nil, is a peer whose death is news.
func (e *end) wait(ctx context.Context, n *nap, w *patience, sleepFor uint32, ready func() bool, announce func(), friend *robust.Presence, gone func() bool) error {
	if e.parks {
		n.parked = lanePark{sleepFor: sleepFor, ready: ready, announce: announce, friend: friend, gone: gone}
		return errParked
	}
	if err := contextEnded(ctx, e.closed.Load()); err != nil {
		return err
	}
	if !w.begun {
		w.begun = true
		if e.strategy != Block {
			w.rounds = n.spin.Rounds()
		}
		if w.rounds > 0 && e.strategy == Spin {
			w.rounds = spinChecks
		}
	}
	if w.rounds > 0 {
		for k := w.rounds; k > 0; k-- {
			if ready() {
				n.spin.Won()
				return nil
			}
			mem.Pause(1)
			if k%spinYield == 1 {
				futex.Yield()
			}
		}
		if e.strategy != Spin {
			w.rounds = 0
		} else {
			futex.Yield()
			if n.checks++; n.checks%ownerChecks == 0 && friend != nil {
				friend.CheckOwner()
			}
		}
		return contextEnded(ctx, e.closed.Load())
	}
	err := e.sleep(ctx, n, w, sleepFor, ready, announce, friend, gone)
	n.getUp()
	return err
}

func (e *end) sleep(ctx context.Context, n *nap, w *patience, sleepFor uint32, ready func() bool, announce func(), friend *robust.Presence, gone func() bool) error {
	words, same := n.lieDown(make([]futex.Word, 0, 2), sleepFor, announce, friend)
	if e.strategy != Block {
		futex.HeavyFence()
	}
	// A friend's word tells when nobody is left, and without one gone does.
	if !same || ready() || friend == nil && gone() || e.closed.Load() {
		return nil
	}
	var began time.Time
	if e.strategy == Hybrid {
		began = time.Now()
	}
	err := futex.SleepAny(ctx, words, gone)
	crashpoint.Hit("lane.awake")
	if e.strategy == Hybrid {
		n.spin.Slept(time.Since(began))
		w.rounds = n.spin.Again()
	}
	if errors.Is(err, futex.ErrFault) {
		return fmt.Errorf("%w: %w", ErrTruncated, err)
	}
	spread(friend)
	return err
}
