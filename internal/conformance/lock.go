package conformance

import (
	"context"
	"sync/atomic"
	"testing"
)

// Lock is a lock: what one goroutine has acquired, another one may release.
type Lock interface {
	Acquire(ctx context.Context) error
	TryAcquire(ctx context.Context) error
	Release(ctx context.Context) error
	Locked(ctx context.Context) (bool, error)
}

// Locks is the table of a Lock.
type Locks struct {
	New             func(t *testing.T) Lock
	NotHeld, Locked error
}

// Run runs the table.
func (s Locks) Run(t *testing.T) {
	t.Run("S01", func(t *testing.T) {
		ctx, l := bounded(t), s.New(t)
		is(t, false)(l.Locked(ctx))
		for range 3 {
			ok(t, l.Acquire(ctx))
			is(t, true)(l.Locked(ctx))
			fails(t, l.TryAcquire(ctx), s.Locked)
			ok(t, l.Release(ctx))
			is(t, false)(l.Locked(ctx))
			fails(t, l.Release(ctx), s.NotHeld)
			ok(t, l.TryAcquire(ctx))
			ok(t, l.Release(ctx))
		}
	})
	t.Run("S12", func(t *testing.T) {
		ctx, l := bounded(t), s.New(t)
		ok(t, l.Acquire(ctx))
		ok(t, <-together(1, func(int) error { return l.Release(ctx) }))
		ok(t, l.TryAcquire(ctx))
		ok(t, l.Release(ctx))
	})
	t.Run("S09 S15 S16", func(t *testing.T) {
		ctx, l := bounded(t), s.New(t)
		ok(t, l.Acquire(ctx))
		briefly(ctx, t, l.Acquire)
		over, cancel := context.WithCancel(ctx)
		waits := together(1, func(int) error { return l.Acquire(over) })
		cancel()
		fails(t, <-waits, context.Canceled)
		ok(t, l.Release(ctx))
		ok(t, l.TryAcquire(ctx))
		ok(t, l.Release(ctx))
	})
	t.Run("exclusion", func(t *testing.T) {
		ctx, l := bounded(t), s.New(t)
		var inside atomic.Int32
		n := 0
		all(t, together(8, func(int) error {
			for range 50 {
				if err := l.Acquire(ctx); err != nil {
					return err
				}
				if inside.Add(1) != 1 {
					t.Error("two hold it")
				}
				n++
				inside.Add(-1)
				if err := l.Release(ctx); err != nil {
					return err
				}
			}
			return nil
		}), 8)
		if n != 400 {
			t.Fatalf("counted to %d", n)
		}
	})
}

// Holder is who may hold an RLock.
type Holder interface {
	Acquire(ctx context.Context) error
	TryAcquire(ctx context.Context) error
	Release(ctx context.Context) error
	Count(ctx context.Context) (int, error)
}

// RLock is a lock that its holder may acquire again.
type RLock interface {
	Holder() Holder
	Locked(ctx context.Context) (bool, error)
}

// RLocks is the table of an RLock.
type RLocks struct {
	New             func(t *testing.T) RLock
	NotHeld, Locked error
}

// Run runs the table.
func (s RLocks) Run(t *testing.T) {
	t.Run("S02 S14", func(t *testing.T) {
		ctx, l := bounded(t), s.New(t)
		h := l.Holder()
		fails(t, h.Release(ctx), s.NotHeld)
		for i := range 3 {
			ok(t, h.Acquire(ctx))
			is(t, i+1)(h.Count(ctx))
		}
		for i := range 3 {
			is(t, true)(l.Locked(ctx))
			ok(t, h.Release(ctx))
			is(t, 2-i)(h.Count(ctx))
		}
		is(t, false)(l.Locked(ctx))
		fails(t, h.Release(ctx), s.NotHeld)
	})
	t.Run("S13", func(t *testing.T) {
		ctx, l := bounded(t), s.New(t)
		h, other := l.Holder(), l.Holder()
		ok(t, h.Acquire(ctx))
		ok(t, h.TryAcquire(ctx))
		fails(t, other.TryAcquire(ctx), s.Locked)
		fails(t, other.Release(ctx), s.NotHeld)
		briefly(ctx, t, other.Acquire)
		waits := together(1, func(int) error { return other.Acquire(ctx) })
		ok(t, h.Release(ctx))
		none(t, waits)
		ok(t, h.Release(ctx))
		ok(t, <-waits)
		is(t, 0)(h.Count(ctx))
		ok(t, other.Release(ctx))
	})
}
