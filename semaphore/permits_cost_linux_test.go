//go:build !explore

package semaphore

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/stretchr/testify/require"
)

// permitsUncontended is every operation on permits that nobody else wants.
func permitsUncontended(p *Permits, ctx context.Context) error {
	if err := errors.Join(p.Acquire(ctx, 2), p.TryAcquire(1)); err != nil {
		return err
	}
	if err := p.TryAcquire(1); err != ErrNoPermits {
		return fmt.Errorf("TryAcquire of none: %w", err)
	}
	return errors.Join(p.Release(2), p.Release(1))
}

func TestPermitsAllocateNothing(t *testing.T) {
	eachPlace(t, func(t *testing.T, place string) {
		m, _ := newPermits(t, place, 3)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		require.NoError(t, permitsUncontended(&m.p, ctx))
		require.Zero(t, testing.AllocsPerRun(1000, func() {
			if err := permitsUncontended(&m.p, ctx); err != nil {
				panic(err)
			}
		}))
	})
}

// Does everything that needs nobody else.
var _ = testproc.Helper("permits.calls", func(c *testproc.Child) {
	m, _, _ := permitsMap(c, c.Files[0], c.Args[0])
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	require.NoError(c, permitsUncontended(&m.p, ctx)) // starts the keeper
	c.Traced(tracedRounds, func() error { return permitsUncontended(&m.p, ctx) })
})

// An uncontended operation makes no system call.
func TestPermitsSystemCalls(t *testing.T) {
	eachPlace(t, func(t *testing.T, place string) {
		_, f := newPermits(t, place, 3)
		noSystemCalls(t, "permits.calls", f, place)
	})
}

func BenchmarkPermits(b *testing.B)        { benchmarkPermits(b, "near") }
func BenchmarkPermitsForeign(b *testing.B) { benchmarkPermits(b, "foreign") }

func benchmarkPermits(b *testing.B, place string) {
	m, _ := newPermits(b, place, 1)
	p, ctx := &m.p, b.Context()
	for b.Loop() {
		if p.Acquire(ctx, 1) != nil || p.Release(1) != nil {
			b.Fatal(p)
		}
	}
}

func BenchmarkPermitsContended(b *testing.B) {
	m, _ := newPermits(b, "near", 1)
	b.SetParallelism(1)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if m.p.Acquire(context.Background(), 1) != nil || m.p.Release(1) != nil {
				return
			}
		}
	})
}
