package conformance

import (
	"context"
	"testing"
)

// Semaphore is a number of permits.
type Semaphore interface {
	Acquire(ctx context.Context) error
	TryAcquire(ctx context.Context) error
	Release(ctx context.Context) error
	Value(ctx context.Context) (int, error)
}

// Semaphores is the table of a Semaphore, and of one that is bounded.
type Semaphores struct {
	New, NewBounded func(t *testing.T, value int) Semaphore
	TooMany, Locked error
}

// Run runs the table.
func (s Semaphores) Run(t *testing.T) {
	down := func(ctx context.Context, t *testing.T, m Semaphore) {
		t.Helper()
		is(t, 2)(m.Value(ctx))
		ok(t, m.Acquire(ctx))
		is(t, 1)(m.Value(ctx))
		ok(t, m.TryAcquire(ctx))
		is(t, 0)(m.Value(ctx))
		fails(t, m.TryAcquire(ctx), s.Locked)
		ok(t, m.Release(ctx))
		is(t, 1)(m.Value(ctx))
		ok(t, m.Release(ctx))
		is(t, 2)(m.Value(ctx))
	}
	t.Run("S07 S11", func(t *testing.T) {
		ctx, m := bounded(t), s.New(t, 2)
		down(ctx, t, m)
		ok(t, m.Release(ctx))
		is(t, 3)(m.Value(ctx))
		ok(t, m.Release(ctx))
		is(t, 4)(m.Value(ctx))
	})
	t.Run("S08 S10", func(t *testing.T) {
		ctx, m := bounded(t), s.NewBounded(t, 2)
		down(ctx, t, m)
		fails(t, m.Release(ctx), s.TooMany)
		is(t, 2)(m.Value(ctx))
	})
	t.Run("S09 S15 S16", func(t *testing.T) {
		ctx, m := bounded(t), s.New(t, 0)
		briefly(ctx, t, m.Acquire)
		over, cancel := context.WithCancel(ctx)
		waits := together(1, func(int) error { return m.Acquire(over) })
		cancel()
		fails(t, <-waits, context.Canceled)
		is(t, 0)(m.Value(ctx))
		waits = together(3, func(int) error { return m.Acquire(ctx) })
		for range 3 {
			ok(t, m.Release(ctx))
		}
		all(t, waits, 3)
		is(t, 0)(m.Value(ctx))
	})
}
