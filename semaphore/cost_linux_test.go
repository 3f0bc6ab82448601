//go:build !explore

package semaphore

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/stretchr/testify/require"
)

// uncontended is every operation on a mutex that nobody else wants.
func uncontended(m *Mutex, ctx context.Context) error {
	if err := m.Lock(); err != nil {
		return err
	}
	m.Unlock()
	if err := m.TryLock(); err != nil {
		return err
	}
	if err := m.TryLock(); err != ErrLocked {
		return fmt.Errorf("TryLock of a locked mutex: %w", err)
	}
	m.Unlock()
	if err := m.LockContext(ctx); err != nil {
		return err
	}
	m.Unlock()
	if err := m.LockRepair(ctx, nil); err != nil {
		return err
	}
	_, _ = m.Owner()
	m.Unlock()
	return nil
}

func TestUncontendedAllocatesNothing(t *testing.T) {
	eachPlace(t, func(t *testing.T, place string) {
		m, _ := newMemory(t, place)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		require.NoError(t, uncontended(&m.mu[0], ctx))
		require.Zero(t, testing.AllocsPerRun(1000, func() {
			if err := uncontended(&m.mu[0], ctx); err != nil {
				panic(err)
			}
		}))
	})
}

// calls makes the system calls that the test looks for between two getppid.
var _ = testproc.Helper("calls", func(c *testproc.Child) {
	m, _, _ := mapMemory(c, c.Files[0], c.Args[0])
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	require.NoError(c, uncontended(&m.mu[0], ctx)) // starts the keeper
	c.Traced(tracedRounds, func() error { return uncontended(&m.mu[0], ctx) })
	require.NoError(c, m.mu[1].Lock())
	for range 3 {
		ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		require.ErrorIs(c, m.mu[1].LockContext(ctx), context.DeadlineExceeded)
		cancel()
	}
	m.mu[1].Unlock()
})

// An uncontended operation makes no system call; a timed wait sleeps on the
// monotonic clock (X14).
func TestSystemCalls(t *testing.T) {
	eachPlace(t, func(t *testing.T, place string) {
		_, f := newMemory(t, place)
		timedOnMonotonicClock(t, noSystemCalls(t, "calls", f, place))
	})
}

func BenchmarkMutex(b *testing.B)       { benchmark(b, "near") }
func BenchmarkMutexInCell(b *testing.B) { benchmark(b, "foreign") }

func benchmark(b *testing.B, place string) {
	m, _ := newMemory(b, place)
	mu := &m.mu[0]
	for b.Loop() {
		if err := mu.Lock(); err != nil {
			b.Fatal(err)
		}
		mu.Unlock()
	}
}

// Two goroutines on one mutex, and on one each.
func BenchmarkMutexContended(b *testing.B) {
	m, _ := newMemory(b, "near")
	b.SetParallelism(1)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if m.mu[0].Lock() != nil {
				return
			}
			m.mu[0].Unlock()
		}
	})
}

func BenchmarkMutexEach(b *testing.B) {
	next := make(chan *Mutex, 64)
	for range 64 {
		m, _ := newMemory(b, "near")
		next <- &m.mu[0]
	}
	b.RunParallel(func(pb *testing.PB) {
		mu := <-next
		for pb.Next() {
			if mu.Lock() != nil {
				return
			}
			mu.Unlock()
		}
	})
}

func BenchmarkSyncMutex(b *testing.B) {
	var mu sync.Mutex
	for b.Loop() {
		mu.Lock()
		//lint:ignore SA2001 it is the cost of the lock alone that counts
		mu.Unlock()
	}
}
