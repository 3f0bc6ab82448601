//go:build !explore

package semaphore

import (
	"context"
	"testing"

	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/stretchr/testify/require"
)

// cheap are the operations that nobody else is in the way of, of a recursive
// mutex, a Once and an Event. They neither allocate nor make system calls.
var cheap = map[string]func(m *memory, ctx context.Context) func() error{
	"recursive": func(m *memory, ctx context.Context) func() error {
		h, other := m.recursive().Holder(), m.recursive().Holder()
		return func() error {
			if err := h.Lock(); err != nil {
				return err
			}
			for _, again := range []func() error{h.Lock, h.TryLock} {
				if err := again(); err != nil {
					return err
				}
				h.Unlock()
			}
			if err := other.TryLock(); err != ErrLocked {
				return err
			}
			h.Unlock()
			if err := h.LockContext(ctx); err != nil {
				return err
			}
			levels, err := h.release()
			if err != nil {
				return err
			}
			if err := h.restore(levels); err != nil {
				return err
			}
			h.Unlock()
			err = h.LockRepair(ctx, nil)
			h.Unlock()
			return err
		}
	},
	"once": func(m *memory, ctx context.Context) func() error {
		o := onceIn(m)
		n := 0
		return func() error {
			o.done.Store(0)
			if err := o.Do(ctx, func() error { n++; return nil }); err != nil {
				return err
			}
			return o.Do(ctx, nil)
		}
	},
	"event": func(m *memory, ctx context.Context) func() error {
		e := eventIn(m)
		return func() error {
			e.Set()
			e.Set()
			err := e.Wait(ctx)
			e.Clear()
			e.Clear()
			return err
		}
	},
}

func TestCheapAllocatesNothing(t *testing.T) {
	for name, of := range cheap {
		t.Run(name, func(t *testing.T) {
			eachPlace(t, func(t *testing.T, place string) {
				m, _ := newMemory(t, place)
				m.clear()
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				op := of(m, ctx)
				require.NoError(t, op())
				require.Zero(t, testing.AllocsPerRun(1000, func() {
					if err := op(); err != nil {
						panic(err)
					}
				}))
			})
		})
	}
}

// clear makes everything zero, for other structs than mutexes.
func (m *memory) clear() { *m = memory{} }

// Does what a test asks for. Args: which, place.
var _ = testproc.Helper("cheap.calls", func(c *testproc.Child) {
	m, _, _ := mapMemory(c, c.Files[0], c.Args[1])
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	op := cheap[c.Args[0]](m, ctx)
	require.NoError(c, op()) // starts the keeper
	c.Traced(tracedRounds, op)
})

func TestCheapMakesNoSystemCalls(t *testing.T) {
	for name := range cheap {
		for _, place := range places {
			t.Run(name+"/"+place, func(t *testing.T) {
				m, f := newMemory(t, place)
				m.clear()
				noSystemCalls(t, "cheap.calls", f, name, place)
			})
		}
	}
}

func BenchmarkRecursive(b *testing.B) {
	m, _, _ := newRecursive(b, "near")
	h := m.Holder()
	for b.Loop() {
		if err := h.Lock(); err != nil {
			b.Fatal(err)
		}
		h.Unlock()
	}
}

func BenchmarkRecursiveAgain(b *testing.B) {
	m, _, _ := newRecursive(b, "near")
	h := m.Holder()
	require.NoError(b, h.Lock())
	for b.Loop() {
		if err := h.Lock(); err != nil {
			b.Fatal(err)
		}
		h.Unlock()
	}
	h.Unlock()
}

func BenchmarkOnceDone(b *testing.B) {
	m, _ := newMemory(b, "near")
	m.clear()
	o := onceIn(m)
	require.NoError(b, o.Do(b.Context(), func() error { return nil }))
	for b.Loop() {
		if err := o.Do(b.Context(), nil); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEventSetClear(b *testing.B) {
	m, _ := newMemory(b, "near")
	m.clear()
	e := eventIn(m)
	for b.Loop() {
		e.Set()
		e.Clear()
	}
}

// There and back between two processes, as bench/baseline/futex.c does it.
func BenchmarkEventRoundTrip(b *testing.B) {
	m, f := newMemory(b, "near")
	m.clear()
	e := eventsIn(m)
	eventPeer(b, f, "near").WriteLine("pong")
	for b.Loop() {
		e.there.Set()
		if err := e.back.Wait(context.Background()); err != nil {
			b.Fatal(err)
		}
		e.back.Clear()
	}
}
