//go:build !explore

package semaphore

import (
	"context"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/stretchr/testify/require"
)

// Signals for which nobody waits, and waits that end at once.
func TestCondAllocatesNothing(t *testing.T) {
	eachPlace(t, func(t *testing.T, place string) {
		m, _ := condNew(t, place)
		h := m.rec.Holder()
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		for _, l := range []interface {
			CondLocker
			Lock() error
			Unlock()
		}{&m.mu, h} {
			once := func() {
				err := l.Lock()
				m.c.Signal()
				if err == nil {
					err = m.c.WaitContext(ended, l)
				}
				if err != context.Canceled {
					panic(err)
				}
				m.c.Broadcast()
				l.Unlock()
			}
			once()
			require.Zero(t, testing.AllocsPerRun(1000, once))
		}
	})
}

// Signals nobody, and waits for a time afterwards. Args:
// place.
var _ = testproc.Helper("cond.calls", func(c *testproc.Child) {
	m, _, _ := condMap(c, c.Files[0], c.Args[0])
	require.ErrorIs(c, condTimed(m), context.DeadlineExceeded) // takes a seat
	c.Traced(tracedRounds, func() error {
		if err := m.mu.Lock(); err != nil {
			return err
		}
		m.c.Signal()
		m.c.Broadcast()
		m.mu.Unlock()
		m.c.Signal()
		return nil
	})
	for range 3 {
		require.ErrorIs(c, condTimed(m), context.DeadlineExceeded)
	}
})

func condTimed(m *condMemory) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	return m.wait(ctx)
}

// A signal for which nobody waits makes no system call; a timed wait sleeps on the
// monotonic clock (X14).
func TestCondSystemCalls(t *testing.T) {
	eachPlace(t, func(t *testing.T, place string) {
		_, f := condNew(t, place)
		timedOnMonotonicClock(t, noSystemCalls(t, "cond.calls", f, place))
	})
}

func BenchmarkCondSignalNobody(b *testing.B) {
	m, _ := condNew(b, "near")
	require.ErrorIs(b, condTimed(m), context.DeadlineExceeded)
	for b.Loop() {
		m.c.Signal()
	}
}

// A wait that ends at once, with the lock and the unlock that it needs.
func BenchmarkCondWaitEnded(b *testing.B) {
	m, _ := condNew(b, "near")
	ctx, cancel := context.WithCancel(b.Context())
	cancel()
	condLock(b, m)
	for b.Loop() {
		_ = m.c.WaitContext(ctx, &m.mu)
	}
	m.mu.Unlock()
}
