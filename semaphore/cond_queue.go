package semaphore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/mem"
)

// condWaiter is a goroutine that waits.
type condWaiter struct {
	next, prev *condWaiter
	claimed    bool // it has been given a signal
}

// enter opens a place for the caller, at the end of the queue.
func (l *condLocal) enter(m CondLocker) (*condWaiter, error) {
	lock := m.lockCell()
	if l.waiting > 0 && l.lock != lock {
		return nil, fmt.Errorf("%w: others wait with another lock", ErrInvalid)
	}
	s := l.seat
	for {
		w := s.word.Load()
		next := w + condOne
		switch {
		case w&condActive == 0:
			// Nobody grants anything to a seat that is not active.
			l.claimed, l.consumed = condGrants(w), condGrants(w)
			s.consumed.Store(l.consumed)
			crashpoint.Hit("cond.coming")
			next = w&condGenMask + uint64(condGrants(w)) + condActive + condOne
		case condOpen(w) == condOpenMost:
			return nil, ErrOverflow
		}
		if s.word.CompareAndSwap(w, next) {
			break
		}
	}
	l.lock = lock
	l.waiting++
	e := l.free
	if e == nil {
		e = new(condWaiter)
	} else {
		l.free = e.next
	}
	*e = condWaiter{prev: l.last}
	if l.last != nil {
		l.last.next = e
	} else {
		l.first = e
	}
	l.last = e
	return e, nil
}

// await waits until e has been given a signal. Otherwise it returns why not, and e
// is not in the queue any more.
func (l *condLocal) await(ctx context.Context, e *condWaiter) error {
	s := l.seat
	rounds := l.spin.Rounds()
	timed := rounds > 0
	var ended error
	for slept, seen := false, uint32(0); ; {
		if ended == nil {
			ended = ctx.Err()
		}
		if ended != nil {
			if l.withdraw(e) {
				return ended
			}
			return nil
		}
		w, claimed := l.claim(e)
		switch {
		case claimed:
			return nil
		case slept && uint32(w) == seen:
			l.tend()
			slept = false
			continue
		case rounds > 0:
			if rounds = s.spin(condGrants(w), rounds); rounds > 0 {
				l.spin.Won()
			}
			continue
		}
		if w&condSleepers == 0 && !s.word.CompareAndSwap(w, w|condSleepers) {
			continue
		}
		crashpoint.Hit("cond.announced")
		var began time.Time
		if timed {
			began = time.Now()
		}
		slept, seen = true, uint32(w|condSleepers)
		err := futex.Sleep(ctx, low(&s.word), seen, l.gone)
		if timed {
			l.spin.Slept(time.Since(began))
		}
		crashpoint.Hit("cond.awake")
		if errors.Is(err, futex.ErrFault) {
			l.drop(e)
			return fmt.Errorf("wait: %w", err)
		}
		ended = err
	}
}

// spin reads the word until more than n signals are granted, for at most rounds
// rounds, and returns how many are left.
func (s *condSeat) spin(n uint32, rounds uint32) uint32 {
	for ; rounds > 0; rounds-- {
		if condGrants(s.word.Load()) != n {
			break
		}
		mem.Pause(1)
	}
	return rounds
}

// claim hands out what has been granted, and says whether e has got a signal.
func (l *condLocal) claim(e *condWaiter) (w uint64, claimed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	w = l.seat.word.Load() // acquire: cond
	l.handOut(w)
	return w, e.claimed
}

// handOut gives the signals that w says are granted to those who have waited
// longest.
func (l *condLocal) handOut(w uint64) {
	for n := (condGrants(w) - l.claimed) & condGranted; n > 0 && l.first != nil; n-- {
		l.first.claimed = true
		l.remove(l.first)
	}
	l.claimed = condGrants(w)
}

// withdraw takes e out of the queue, unless it has been given a signal.
func (l *condLocal) withdraw(e *condWaiter) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		w := l.seat.word.Load() // acquire: cond
		l.handOut(w)
		if e.claimed {
			return false
		}
		// With nobody open, all would have been given a signal: this is garbage.
		if condOpen(w) == 0 || l.seat.word.CompareAndSwap(w, w-condOne) {
			crashpoint.Hit("cond.withdrawn")
			l.remove(e)
			return true
		}
	}
}

// drop takes e out of the queue without a look at the word, which is gone.
func (l *condLocal) drop(e *condWaiter) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !e.claimed {
		l.remove(e)
	}
}

func (l *condLocal) remove(e *condWaiter) {
	if e.prev != nil {
		e.prev.next = e.next
	} else {
		l.first = e.next
	}
	if e.next != nil {
		e.next.prev = e.prev
	} else {
		l.last = e.prev
	}
	e.next, e.prev = nil, nil
}

// end ends the wait of e, which was given a signal or not.
func (l *condLocal) end(e *condWaiter, signalled bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if signalled {
		l.consumed = (l.consumed + 1) & condGranted
		l.seat.consumed.StoreRelease(l.consumed)
		crashpoint.Hit("cond.consumed")
	}
	if l.waiting--; l.waiting == 0 {
		l.lock = nil
	}
	e.next = l.free
	l.free = e
}
