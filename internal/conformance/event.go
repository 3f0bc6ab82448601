package conformance

import (
	"context"
	"testing"
)

// Event is a flag that is waited for.
type Event interface {
	Set(ctx context.Context) error
	Clear(ctx context.Context) error
	IsSet(ctx context.Context) (bool, error)
	Wait(ctx context.Context) error
}

// Events is the table of an Event.
type Events struct {
	New func(t *testing.T) Event
	// Asleep waits until so many goroutines wait for the event, up to Most.
	Asleep func(t *testing.T, e Event, n int)
	Most   int
}

// Run runs the table.
func (s Events) Run(t *testing.T) {
	t.Run("V12", func(t *testing.T) {
		ctx, e := bounded(t), s.New(t)
		is(t, false)(e.IsSet(ctx))
		over, cancel := context.WithCancel(ctx)
		cancel()
		fails(t, e.Wait(over), context.Canceled)
		briefly(ctx, t, e.Wait)
		ok(t, e.Set(ctx))
		is(t, true)(e.IsSet(ctx))
		ok(t, e.Wait(ctx))
		ok(t, e.Wait(ctx))
		ok(t, e.Clear(ctx))
		is(t, false)(e.IsSet(ctx))
		waits := together(3, func(int) error { return e.Wait(ctx) })
		ok(t, e.Set(ctx))
		all(t, waits, 3)
	})
	t.Run("V14", func(t *testing.T) {
		ctx, e := bounded(t), s.New(t)
		ok(t, e.Clear(ctx))
		ok(t, e.Set(ctx))
		ok(t, e.Set(ctx))
		is(t, true)(e.IsSet(ctx))
		ok(t, e.Clear(ctx))
		ok(t, e.Clear(ctx))
		is(t, false)(e.IsSet(ctx))
	})
	t.Run("V15", func(t *testing.T) {
		ctx, e := bounded(t), s.New(t)
		for range 10 {
			waits := together(s.Most, func(int) error { return e.Wait(ctx) })
			s.Asleep(t, e, s.Most)
			ok(t, e.Set(ctx))
			ok(t, e.Clear(ctx))
			all(t, waits, s.Most)
		}
	})
	t.Run("S16", func(t *testing.T) {
		ctx, e := bounded(t), s.New(t)
		over, cancel := context.WithCancel(ctx)
		waits := together(1, func(int) error { return e.Wait(over) })
		s.Asleep(t, e, 1)
		cancel()
		fails(t, <-waits, context.Canceled)
	})
}
