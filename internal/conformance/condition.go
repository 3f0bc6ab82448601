package conformance

import (
	"context"
	"sync/atomic"
	"testing"
)

// Condition is a condition variable over a recursive lock.
type Condition interface {
	Holder() Holder
	Wait(ctx context.Context, h Holder) error
	WaitFor(ctx context.Context, h Holder, pred func() bool) error
	Notify(ctx context.Context, n int) error
	NotifyAll(ctx context.Context) error
}

// Conditions is the table of a Condition.
type Conditions struct {
	New     func(t *testing.T) Condition
	NotHeld error
	// FreeNotify says that Notify needs no lock.
	FreeNotify bool
}

// scene is a condition with goroutines that wait.
type scene struct {
	t    *testing.T
	ctx  context.Context
	c    Condition
	h    Holder       // the test's
	here atomic.Int32 // who wait; changed with the lock held, which the race detector may not see
	gone chan error
}

func (s Conditions) scene(t *testing.T) *scene {
	c := s.New(t)
	return &scene{t: t, ctx: bounded(t), c: c, h: c.Holder(), gone: make(chan error, 16)}
}

// wait has n goroutines wait, and returns when they do.
func (s *scene) wait(ctx context.Context, n int) {
	s.t.Helper()
	s.begin(ctx, n)
	s.until(n)
}

func (s *scene) begin(ctx context.Context, n int) {
	for range n {
		go func() {
			h := s.c.Holder()
			err := h.Acquire(s.ctx)
			if err == nil {
				s.here.Add(1)
				err = s.c.Wait(ctx, h)
				s.here.Add(-1)
				if left := h.Release(s.ctx); left != nil {
					err = left
				}
			}
			s.gone <- err
		}()
	}
}

// until waits until n wait.
func (s *scene) until(n int) {
	s.t.Helper()
	eventually(s.ctx, s.t, func() bool {
		ok(s.t, s.h.Acquire(s.ctx))
		defer func() { ok(s.t, s.h.Release(s.ctx)) }()
		return int(s.here.Load()) == n
	})
}

// held does something with the lock held.
func (s *scene) held(fn func(ctx context.Context) error) {
	s.t.Helper()
	ok(s.t, s.h.Acquire(s.ctx))
	ok(s.t, fn(s.ctx))
	ok(s.t, s.h.Release(s.ctx))
}

func (s *scene) notify(n int) {
	s.t.Helper()
	s.held(func(ctx context.Context) error { return s.c.Notify(ctx, n) })
}

// Run runs the table.
func (s Conditions) Run(t *testing.T) {
	t.Run("V01", func(t *testing.T) {
		c := s.scene(t)
		c.wait(c.ctx, 2)
		for n := range 2 {
			c.notify(1)
			ok(t, <-c.gone)
			c.until(1 - n)
			none(t, c.gone)
		}
	})
	t.Run("V02 V03", func(t *testing.T) {
		c := s.scene(t)
		brief, cancel := context.WithTimeout(c.ctx, soon)
		defer cancel()
		c.begin(brief, 6)
		for range 6 {
			fails(t, <-c.gone, context.DeadlineExceeded)
		}
		c.wait(c.ctx, 6)
		none(t, c.gone)
		c.held(c.c.NotifyAll)
		all(t, c.gone, 6)
	})
	t.Run("V04", func(t *testing.T) {
		c := s.scene(t)
		c.notify(3) // is forgotten
		c.wait(c.ctx, 6)
		none(t, c.gone)
		c.notify(2)
		all(t, c.gone, 2)
		c.until(4)
		none(t, c.gone)
		c.notify(4)
		all(t, c.gone, 4)
	})
	t.Run("V05 V08", func(t *testing.T) {
		c := s.scene(t)
		ok(t, c.h.Acquire(c.ctx))
		over, cancel := context.WithCancel(c.ctx)
		cancel()
		fails(t, c.c.Wait(over, c.h), context.Canceled)
		briefly(c.ctx, t, func(ctx context.Context) error { return c.c.Wait(ctx, c.h) })
		is(t, 1)(c.h.Count(c.ctx))
		ok(t, c.h.Release(c.ctx))
		c.wait(c.ctx, 1)
		c.notify(1)
		ok(t, <-c.gone)
	})
	t.Run("S16", func(t *testing.T) {
		c := s.scene(t)
		over, cancel := context.WithCancel(c.ctx)
		c.wait(over, 1)
		cancel()
		fails(t, <-c.gone, context.Canceled)
		c.wait(c.ctx, 1)
		c.notify(1)
		ok(t, <-c.gone)
	})
	t.Run("V06", func(t *testing.T) {
		c := s.scene(t)
		var n atomic.Int32
		done := together(1, func(int) error {
			h := c.c.Holder()
			if err := h.Acquire(c.ctx); err != nil {
				return err
			}
			defer h.Release(c.ctx)
			return c.c.WaitFor(c.ctx, h, func() bool { return n.Load() == 4 })
		})
		for range 4 {
			none(t, done)
			c.held(func(ctx context.Context) error { n.Add(1); return c.c.Notify(ctx, 1) })
		}
		ok(t, <-done)
	})
	t.Run("V07", func(t *testing.T) {
		c := s.scene(t)
		var asked atomic.Int32
		over, cancel := context.WithCancel(c.ctx)
		done := together(1, func(int) error {
			h := c.c.Holder()
			if err := h.Acquire(c.ctx); err != nil {
				return err
			}
			defer h.Release(c.ctx)
			return c.c.WaitFor(over, h, func() bool { asked.Add(1); return false })
		})
		for i := range 4 {
			eventually(c.ctx, t, func() (here bool) {
				c.held(func(context.Context) error { here = int(asked.Load()) == i+1; return nil })
				return here
			})
			none(t, done)
			if i < 3 {
				c.notify(1)
			}
		}
		cancel()
		fails(t, <-done, context.Canceled)
	})
	t.Run("V09", func(t *testing.T) {
		c := s.scene(t)
		fails(t, c.c.Wait(c.ctx, c.h), s.NotHeld)
		if !s.FreeNotify {
			fails(t, c.c.Notify(c.ctx, 1), s.NotHeld)
			fails(t, c.c.NotifyAll(c.ctx), s.NotHeld)
		}
	})
	t.Run("V10 V11", func(t *testing.T) {
		c := s.scene(t)
		h := c.c.Holder()
		for range 3 {
			ok(t, h.Acquire(c.ctx))
		}
		done := together(1, func(int) error { return c.c.Wait(c.ctx, h) })
		c.notify(1) // it gets the lock only when the wait has released all levels
		ok(t, <-done)
		is(t, 3)(h.Count(c.ctx))
		for range 3 {
			ok(t, h.Release(c.ctx))
		}
		fails(t, h.Release(c.ctx), s.NotHeld)
	})
}
