package semaphore

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/robust"
)

// condLocal is what this process keeps to itself about a Cond: its seat, and
// which of its goroutines wait, in their order. A signal is given to the seat; the
// goroutine that has waited longest gets it.
type condLocal struct {
	cond *Cond
	spin futex.Spinner
	gone func() bool // l.look, made once

	mu      sync.Mutex
	left    bool         // of no use any more: see Leave
	seat    *condSeat    // nil: none
	lock    *robust.Cell // with which all wait
	waiting int          // goroutines in Wait

	first, last *condWaiter // those who have not been given a signal
	free        *condWaiter

	// The seat's granted signals, and its consumed ones, as far as given to
	// goroutines and reported by them.
	claimed, consumed uint32
}

// begin makes the caller one who waits.
func (c *Cond) begin(m CondLocker) (*condLocal, *condWaiter, error) {
	if !c.aligned() {
		return nil, nil, fmt.Errorf("%w: cond at an address that is not a multiple of 8", ErrInvalid)
	}
	l := robust.LocalOf[condLocal](&c.cond.anchor)
	for {
		if l != nil {
			l.mu.Lock()
			if !l.left {
				break
			}
			l.mu.Unlock()
		}
		var err error
		if l, err = newCondLocal(c); err != nil {
			return nil, nil, err
		}
	}
	defer l.mu.Unlock()
	if err := l.sit(); err != nil {
		return nil, nil, err
	}
	e, err := l.enter(m)
	return l, e, err
}

func newCondLocal(c *Cond) (*condLocal, error) {
	l := &condLocal{cond: c}
	l.gone = l.look
	return robust.SetLocal(&c.cond.anchor, l)
}

// sit sees to it that this process has a seat. It does not wait for anybody: the
// caller holds the lock.
func (l *condLocal) sit() error {
	if l.waiting > 0 || l.seat != nil && l.seat.cell.Mine() {
		return nil
	}
	c := l.cond
	if l.seat != nil {
		l.seat.cell.Release() // somebody has overwritten it
		l.seat = nil
	}
	table := seats{
		n:    condSeats,
		used: &c.cond.used,
		cell: func(i int) *robust.Cell { return &c.cond.seats[i].cell },
		tidy: func(i int) error { c.tidy(i, true); return nil },
	}
	for i := range condSeats {
		err := table.takeAt(condNoWait, i)
		switch {
		case err == nil:
			l.seat = &c.cond.seats[i]
			return nil
		case !errors.Is(err, robust.ErrBusy) && !errors.Is(err, errDying) && !errors.Is(err, context.Canceled):
			return err
		}
	}
	return ErrTooManyProcesses
}

// condNoWait has ended.
var condNoWait = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

// look says whether one who sleeps has something to tend. The look of package
// futex calls it, perhaps when the sleeper has left already.
func (l *condLocal) look() bool {
	if l.lockDied() {
		return true
	}
	for i := range l.cond.count() {
		if l.cond.cond.seats[i].due() {
			return true
		}
	}
	return false
}

// tend passes on what the dead have taken with them. If the lock's holder is among
// them it ends the waits of this process, which hear of it when they lock again.
func (l *condLocal) tend() {
	if l.lockDied() {
		l.seat.grant(true)
		return
	}
	l.cond.passAll()
}

func (l *condLocal) lockDied() bool {
	l.mu.Lock()
	lock := l.lock
	l.mu.Unlock()
	return lock != nil && lock.CheckOwner()
}

// Leave gives the seat back. It implements robust.Local.
func (l *condLocal) Leave() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waiting > 0 {
		return fmt.Errorf("cond: %w", ErrBusy)
	}
	l.left = true
	s := l.seat
	if s == nil {
		return nil
	}
	for w := s.word.Load(); s.cell.Mine() && w&condActive != 0 && !s.word.CompareAndSwap(w, condIdle(w)); w = s.word.Load() {
	}
	crashpoint.Hit("cond.left")
	s.cell.Release() // also if somebody has overwritten it
	return nil
}
