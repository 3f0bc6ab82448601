package manager

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"time"
)

// Barrier is a place in a manager where a number of parties, goroutines of any processes,
// wait for each other again and again: Python's manager.Barrier. Nobody goes on before all
// have come; or all hear that it is broken, and it stays so until Reset. It breaks when the
// process of one who waits is killed, or the wait's context ends.
//
// If more than Parties wait at once, those who come while an action is run wait for the next
// round; what ends their waits early breaks nothing then.
//
// All methods return ErrManagerGone at once if the manager has ended, ErrClosed after Close,
// ErrGone if that comes while they wait, and the context's error; with that, Reset, Abort
// and SetTimeout may have taken effect or not.
type Barrier struct{ proxy }

// NewBarrier makes a barrier for that many parties, 1 to math.MaxInt32 (ErrOption). The
// process has it until Close, or until the proxy cannot be reached any more. Errors are also
// ErrTooManyObjects.
func NewBarrier(ctx context.Context, m *Manager, parties int) (*Barrier, error) {
	if parties < 1 || parties > math.MaxInt32 {
		return nil, fmt.Errorf("make %s: %w: %d parties", barKind, ErrOption, parties)
	}
	b := new(Barrier)
	err := m.create(ctx, &b.proxy, barKind, func(t *trip) (func(), error) {
		t.number(uint64(parties))
		return nothing, nil
	})
	if err != nil {
		return nil, err
	}
	return b, nil
}

// String describes the proxy. It does not ask the manager.
func (b *Barrier) String() string { return b.describe(barKind) }

// MarshalBinary lets the barrier travel. See Manager.MarshalBinary.
func (b *Barrier) MarshalBinary() ([]byte, error) { return b.leave(barKind) }

// UnmarshalBinary makes b the barrier that has arrived.
func (b *Barrier) UnmarshalBinary(data []byte) error { return b.enter(barKind, data) }

// Wait waits until all parties have come, and returns how many had come before this one:
// each number from 0 to parties-1 once.
//
// If the error is not nil the index is -1. ErrBroken: not all came, or the barrier was
// broken before. When ctx ends first, the barrier is broken for all, and the error wraps
// ErrBroken and the context's error; but where everybody has come already, Wait returns
// nil. It is the manager that decides: one that is stopped keeps the wait longer than ctx.
func (b *Barrier) Wait(ctx context.Context) (index int, err error) { return b.wait(ctx, nil) }

// WaitAction is Wait, but if this party is the last one to come it runs action, in its
// goroutine, before anybody may go on. (The others' actions are not run. If the last one
// came with Wait, none is.)
//
// If action fails, or panics, or exits its goroutine, or its process ends, the barrier is
// broken; the error wraps ErrBroken and action's. ctx does not bound the action. If the
// barrier is broken or reset while it runs, also by another's context, WaitAction returns
// ErrBroken, and others may have begun the next round meanwhile. An action must not wait at
// the barrier.
func (b *Barrier) WaitAction(ctx context.Context, action func() error) (index int, err error) {
	return b.wait(ctx, action)
}

func (b *Barrier) wait(ctx context.Context, action func() error) (index int, err error) {
	defer runtime.KeepAlive(b)
	r, err := b.use()
	if err != nil {
		return -1, err
	}
	what, n, err := r.come(ctx, action != nil)
	switch {
	case isErr(err, ErrBroken) && ctx.Err() != nil && !isErr(err, ctx.Err()):
		return -1, fmt.Errorf("%w: %w", err, ctx.Err())
	case err != nil:
		return -1, err
	case what == barPassed:
		return int(n), nil
	case what == barLate:
		return -1, ctx.Err()
	}
	return b.act(ctx, r, n, action)
}

// come waits at the barrier and returns what the manager says.
func (r *ref) come(ctx context.Context, acts bool) (what, n uint64, err error) {
	t := r.c.begin(r.id, barWait)
	defer t.end()
	ticket := tickets.Add(1)
	_, deadline := ctx.Deadline()
	t.flag(acts)
	t.flag(deadline)
	t.number(ticket)
	err = r.interruptible(ctx, barInterrupt, ticket, func() error {
		reply, err := t.call(firm(ctx), true)
		what, n = reply.number(), reply.number()
		return err
	})
	return what, n, err
}

// act runs the action of a round, and says how that went.
func (b *Barrier) act(ctx context.Context, r *ref, round uint64, action func() error) (index int, err error) {
	fine := false
	defer func() {
		t := r.c.begin(r.id, barActed)
		defer t.end()
		t.number(round)
		t.flag(fine)
		reply, told := t.call(firm(ctx), false)
		if index = int(reply.number()); err == nil {
			err = told
		}
		if err != nil {
			index = -1
		}
	}()
	if err := action(); err != nil {
		return -1, fmt.Errorf("%w: %w", ErrBroken, err)
	}
	fine = true
	return 0, nil
}

// Reset makes the barrier as new. Those who wait get ErrBroken.
func (b *Barrier) Reset(ctx context.Context) error { return b.ask(ctx, barReset, false) }

// Abort breaks the barrier. Those who wait, and who come later, get ErrBroken.
func (b *Barrier) Abort(ctx context.Context) error { return b.ask(ctx, barAbort, false) }

// SetTimeout bounds those waits that begin from now on, in any process, whose context has no
// deadline; 0 does not. Their error wraps context.DeadlineExceeded. (The timeout of Python's
// Barrier.) ErrOption: d is negative.
func (b *Barrier) SetTimeout(ctx context.Context, d time.Duration) error {
	if d < 0 {
		return fmt.Errorf("%w: timeout %v", ErrOption, d)
	}
	t, err := b.begin(barTimeout)
	if err != nil {
		return err
	}
	defer t.end()
	t.number(uint64(d))
	_, err = t.call(ctx, false)
	runtime.KeepAlive(b)
	return err
}

// Parties returns how many it takes.
func (b *Barrier) Parties(ctx context.Context) (int, error) {
	parties, _, _, err := b.state(ctx)
	return parties, err
}

// Waiting returns how many wait.
func (b *Barrier) Waiting(ctx context.Context) (int, error) {
	_, waiting, _, err := b.state(ctx)
	return waiting, err
}

// Broken says whether the barrier is broken.
func (b *Barrier) Broken(ctx context.Context) (bool, error) {
	_, _, broken, err := b.state(ctx)
	return broken, err
}

func (b *Barrier) state(ctx context.Context) (parties, waiting int, broken bool, err error) {
	t, err := b.begin(barState)
	if err != nil {
		return 0, 0, false, err
	}
	defer t.end()
	r, err := t.call(ctx, false)
	if err != nil {
		return 0, 0, false, err
	}
	parties, waiting, broken = int(r.number()), int(r.number()), r.flag()
	runtime.KeepAlive(b)
	return parties, waiting, broken, nil
}
