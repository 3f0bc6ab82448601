package manager

import (
	"context"
	"fmt"
	"math"
	"runtime"
)

// Condition is a condition variable in a manager: Python's manager.Condition. It is a place
// where goroutines of any processes wait, with a lock that they give up meanwhile, until
// somebody who holds the lock notifies them that what it protects has changed.
//
//	h := c.Holder()
//	if err := h.Acquire(ctx); err != nil {
//		return err
//	}
//	defer h.Release(ctx)
//	err := c.WaitFor(ctx, h, func() (bool, error) { return jobs.Contains(ctx, "next") })
//
// Each notification ends exactly one wait, of whoever has waited longest. That one gets the
// lock behind those who wait for it already. A notification for which nobody waits is
// forgotten.
//
// Waiters that are killed are forgotten, and what they held is released. If one was
// notified, and is killed before it has released the lock, another one is notified in its
// place: so a wait may end once without a notification of its own, and what is waited for
// is always to be checked, as WaitFor does. A waiter that is stopped keeps the lock, once it
// has got it, and blocks nobody before.
//
// All methods return ErrManagerGone at once if the manager has ended, ErrClosed after Close,
// and the context's error.
type Condition struct{ proxy }

// Locker is what a Condition is waited for with: a Holder, or the Lock of one that was made
// over a Lock.
type Locker interface {
	Acquire(ctx context.Context) error
	TryAcquire(ctx context.Context) error
	Release(ctx context.Context) error

	locker() (p *proxy, holder uint64)
}

// Lockable is what a Condition can be made over: a *Lock or an *RLock.
type Lockable interface {
	Locked(ctx context.Context) (bool, error)
	lockable() *proxy
}

func (l *Lock) lockable() *proxy  { return &l.proxy }
func (l *RLock) lockable() *proxy { return &l.proxy }

// NewCondition makes a condition over a lock, nil for an RLock that only it has. The process
// has it until Close, or until it cannot be reached any more. Errors are also
// ErrTooManyObjects, and ErrArgument for a lock of another manager.
func NewCondition(ctx context.Context, m *Manager, l Lockable) (*Condition, error) {
	c := new(Condition)
	err := m.create(ctx, &c.proxy, condKind, func(t *trip) (func(), error) {
		if l == nil {
			t.number(0)
			return nothing, nil
		}
		r, err := l.lockable().use()
		if err != nil {
			return nil, err
		}
		if r.c != t.c {
			return nil, fmt.Errorf("%w: a lock of another manager", ErrArgument)
		}
		t.number(r.id)
		return func() { runtime.KeepAlive(l) }, nil
	})
	if err != nil {
		return nil, err
	}
	return c, nil
}

// String describes the proxy. It does not ask the manager.
func (c *Condition) String() string { return c.describe(condKind) }

// MarshalBinary lets the condition travel, with its lock. See Manager.MarshalBinary.
func (c *Condition) MarshalBinary() ([]byte, error) { return c.leave(condKind) }

// UnmarshalBinary makes c the condition that has arrived.
func (c *Condition) UnmarshalBinary(data []byte) error { return c.enter(condKind, data) }

// Holder returns a new holder of the condition's lock, which does not hold it yet. Over a
// Lock it holds it once at most, and others may release it.
func (c *Condition) Holder() *Holder { return newHolder(&c.proxy) }

// Wait releases the lock, waits for a notification, and acquires the lock again. l must hold
// the lock: a Holder that this condition, or its RLock, has made, or its Lock, which this
// process must have acquired. All levels are released and come back.
//
// When ctx ends, Wait returns its error, and holds the lock: it has the manager, which knows
// who is notified, end the wait, and waits for the lock as long as that takes. So ctx
// bounds the wait for the notification and not for the lock, nor for a manager that is
// stopped. Whoever returns the context's error has taken no notification.
//
// ErrNotHeld: l does not hold it, or is for another lock; nothing has changed then. After
// ErrManagerGone, and ErrGone, which is the error when the condition is closed while it is
// waited for, the lock is not held.
func (c *Condition) Wait(ctx context.Context, l Locker) error {
	p, holder := l.locker()
	over, err := p.use()
	if err != nil {
		return err
	}
	r, err := c.use()
	if err != nil {
		return err
	}
	t := r.c.begin(r.id, condWait)
	defer t.end()
	if over.c != r.c {
		return fmt.Errorf("%w: it is a lock of another manager", ErrNotHeld)
	}
	ticket := tickets.Add(1)
	t.number(over.id)
	t.number(holder)
	t.number(ticket)
	interrupted := false
	err = r.interruptible(ctx, condInterrupt, ticket, func() error {
		reply, err := t.call(firm(ctx), true)
		interrupted = err == nil && reply.flag()
		return err
	})
	runtime.KeepAlive(l)
	runtime.KeepAlive(c)
	if err == nil && interrupted {
		return ctx.Err()
	}
	return err
}

// WaitFor waits until pred, which is called with the lock held, returns true. When ctx ends
// it asks pred once more, and returns the context's error if that is false. The errors of
// pred are WaitFor's, with the lock held. Other errors, and whether the lock is held after
// them, are those of Wait.
func (c *Condition) WaitFor(ctx context.Context, l Locker, pred func() (bool, error)) error {
	for {
		if yes, err := pred(); yes || err != nil {
			return err
		}
		err := c.Wait(ctx, l)
		if err != nil && ctx.Err() != nil && isErr(err, ctx.Err()) {
			yes, failed := pred()
			if yes || failed != nil {
				return failed
			}
		}
		if err != nil {
			return err
		}
	}
}

// Notify ends the waits of n who wait, or of all if there are fewer; those who come later
// have no part in it. This process must hold the lock (ErrNotHeld). ErrOption: n is
// negative.
func (c *Condition) Notify(ctx context.Context, n int) error {
	if n < 0 {
		return fmt.Errorf("%w: notify %d", ErrOption, n)
	}
	return c.notify(ctx, uint64(n))
}

// NotifyAll is Notify for all who wait.
func (c *Condition) NotifyAll(ctx context.Context) error { return c.notify(ctx, math.MaxInt) }

func (c *Condition) notify(ctx context.Context, n uint64) error {
	t, err := c.begin(condNotify)
	if err != nil {
		return err
	}
	defer t.end()
	t.number(n)
	_, err = t.call(ctx, false)
	runtime.KeepAlive(c)
	return err
}
