//go:build !explore

package semaphore

import (
	"context"
	"testing"

	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/stretchr/testify/require"
)

// barUncontended is every operation on a barrier of one party.
func barUncontended(b *Barrier, ctx context.Context, action func() error) error {
	if _, err := b.Wait(ctx); err != nil {
		return err
	}
	if _, err := b.WaitAction(ctx, action); err != nil {
		return err
	}
	b.Abort()
	if _, err := b.Wait(ctx); err != ErrBroken {
		return err
	}
	return b.Reset(ctx)
}

func TestBarrierAllocatesNothing(t *testing.T) {
	eachPlace(t, func(t *testing.T, place string) {
		m, _ := newBar(t, place, 1)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		action := func() error { return nil }
		require.NoError(t, barUncontended(&m.b, ctx, action))
		require.Zero(t, testing.AllocsPerRun(1000, func() {
			if err := barUncontended(&m.b, ctx, action); err != nil {
				panic(err)
			}
		}))
	})
}

// Two processes meet, and nothing is allocated as long as they spin.
func TestBarrierSpinningAllocatesNothing(t *testing.T) {
	m, f := newBar(t, "near", 2)
	testproc.Start(t, "barrier.pong", testproc.Files(f))
	require.Less(t, testing.AllocsPerRun(2000, func() {
		if _, err := m.b.Wait(context.Background()); err != nil {
			panic(err)
		}
	}), 3.0, "a sleep may")
	m.b.Abort()
}

// Does everything that one party can do.
var _ = testproc.Helper("barrier.calls", func(c *testproc.Child) {
	m, _, _ := barMap(c, c.Files[0], c.Args[0])
	ctx, action := context.Background(), func() error { return nil }
	require.NoError(c, barUncontended(&m.b, ctx, action)) // starts the keeper
	c.Traced(tracedRounds, func() error { return barUncontended(&m.b, ctx, action) })
	require.Equal(c, "0", barWait(&m.b, 1))
})

// With one party there is no system call at all.
func TestBarrierSystemCalls(t *testing.T) {
	eachPlace(t, func(t *testing.T, place string) {
		_, f := newBar(t, place, 1)
		noSystemCalls(t, "barrier.calls", f, place)
	})
}

// barrier.pong meets until it is killed.
var _ = testproc.Helper("barrier.pong", func(c *testproc.Child) {
	m, _, _ := barMap(c, c.Files[0], "near")
	for {
		if _, err := m.b.Wait(context.Background()); err != nil {
			return
		}
	}
})

func BenchmarkBarrierOfOne(b *testing.B) {
	m, _ := newBar(b, "near", 1)
	ctx := context.Background()
	for b.Loop() {
		if _, err := m.b.Wait(ctx); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkBarrierOfTwo(b *testing.B) {
	m, f := newBar(b, "near", 2)
	testproc.Start(b, "barrier.pong", testproc.Files(f))
	ctx := context.Background()
	for b.Loop() {
		if _, err := m.b.Wait(ctx); err != nil {
			b.Fatal(err)
		}
	}
	m.b.Abort()
}
