//go:build !explore

package semaphore

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/stretchr/testify/require"
)

// semUncontended is every operation on a semaphore of 3 that nobody else uses.
func semUncontended(s anySem, ctx context.Context) error {
	for _, n := range []int{1, 2, 3} {
		if err := s.Acquire(ctx, n); err != nil {
			return err
		}
		if err := s.TryAcquire(3); err != ErrNoPermits {
			return fmt.Errorf("TryAcquire of 3: %w", err)
		}
		if s.Value() != 3-n {
			return errors.New("wrong value")
		}
		if err := s.Release(n); err != nil {
			return err
		}
		if err := s.TryAcquire(n); err != nil {
			return err
		}
		if err := s.Release(n); err != nil {
			return err
		}
	}
	if err := s.Release(1); !errors.Is(err, ErrOverflow) {
		return fmt.Errorf("Release of too many: %w", err)
	}
	return nil
}

func TestUncontendedSemaphoreAllocatesNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	check := func(t *testing.T, s anySem) {
		require.Zero(t, testing.AllocsPerRun(1000, func() {
			if err := semUncontended(s, ctx); err != nil {
				panic(err)
			}
		}))
	}
	eachPlace(t, func(t *testing.T, place string) {
		m, _ := newSem(t, place, 3, 3)
		check(t, &m.s)
	})
	t.Run("named", func(t *testing.T) { check(t, newNamed(t, 3, 3)) })
}

// sem.calls makes the system calls that the test looks for between two getppid.
// Args: place.
var _ = testproc.Helper("sem.calls", func(c *testproc.Child) {
	m, _, _ := semMap(c, c.Files[0], c.Args[0])
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	require.NoError(c, semUncontended(&m.s, ctx))
	c.Traced(tracedRounds, func() error { return semUncontended(&m.s, ctx) })
	require.NoError(c, m.s.Acquire(ctx, 3))
	for n := range 3 {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Millisecond)
		require.ErrorIs(c, m.s.Acquire(ctx, n+1), context.DeadlineExceeded)
		cancel()
	}
})

// An uncontended operation makes no system call; X14: a timed wait sleeps on the
// monotonic clock.
func TestX14SemaphoreSystemCalls(t *testing.T) {
	eachPlace(t, func(t *testing.T, place string) {
		_, f := newSem(t, place, 3, 3)
		timedOnMonotonicClock(t, noSystemCalls(t, "sem.calls", f, place))
	})
}

func BenchmarkSemaphore(b *testing.B) {
	m, _ := newSem(b, "near", 1, 1)
	benchmarkSemaphore(b, &m.s)
}

func BenchmarkNamed(b *testing.B) { benchmarkSemaphore(b, newNamed(b, 1, 1)) }

func benchmarkSemaphore[S anySem](b *testing.B, s S) {
	ctx := b.Context()
	for b.Loop() {
		if err := s.Acquire(ctx, 1); err != nil {
			b.Fatal(err)
		}
		if err := s.Release(1); err != nil {
			b.Fatal(err)
		}
	}
}

// Two goroutines want the only permit.
func BenchmarkSemaphoreContended(b *testing.B) {
	m, _ := newSem(b, "near", 1, 1)
	b.SetParallelism(1)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if m.s.Acquire(context.Background(), 1) != nil || m.s.Release(1) != nil {
				return
			}
		}
	})
}
