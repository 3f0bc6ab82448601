//go:build !explore

package semaphore

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/stretchr/testify/require"
)

// A waiter that comes later does not get a signal that was sent before.
func TestCondNoStealing(t *testing.T) {
	eachPlace(t, func(t *testing.T, place string) {
		m, f := condNew(t, place)
		p := condPeer(t, f, "near")
		p.WriteLine("wait 1")
		condAwaitAsleep(t, m, 1)
		require.True(t, p.Stop())
		m.c.Signal()
		require.ErrorIs(t, m.wait(timeout(t, 120*time.Millisecond)), context.DeadlineExceeded, "looks included")
		p.Cont()
		p.Expect("OK")
	})

	// Within one process it is first come, first served.
	m, _ := condNew(t, "near")
	var done []<-chan error
	for i := range 10 {
		done = append(done, m.waits(t, 1)...)
		condAwaitWaiting(t, m, i+1)
	}
	for _, d := range done {
		m.c.Signal()
		require.NoError(t, result(t, d))
	}
}

// The processes take turns.
func TestCondTurns(t *testing.T) {
	m, f := condNew(t, "near")
	a, b := condPeer(t, f, "near"), condPeer(t, f, "near")
	for _, p := range []*testproc.Proc{a, b} {
		p.WriteLine("wait 2")
	}
	condAwaitWaiting(t, m, 4)
	seats := []*condSeat{condSeatOf(t, &m.c, a.PID), condSeatOf(t, &m.c, b.PID)}
	m.c.Signal()
	m.c.Signal()
	for _, s := range seats {
		require.Equal(t, 1, condOpen(s.word.Load()))
	}
	m.c.Broadcast()
	a.Expect("OK")
	b.Expect("OK")
}

// cond.hasty waits again and again, for times so short that signals and their
// ends come together. It reports how many waits ended with a signal.
var _ = testproc.Helper("cond.hasty", func(c *testproc.Child) {
	m, _, _ := condMap(c, c.Files[0], c.Args[0])
	c.WriteLine("%d", condHasty(c, m))
})

func condHasty(t require.TestingT, m *condMemory) uint32 {
	var won atomic.Uint32
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			for range 500 {
				ctx, cancel := context.WithTimeout(context.Background(), time.Duration(rand.IntN(200))*time.Microsecond)
				if err := m.wait(ctx); err == nil {
					won.Add(1)
				} else {
					require.ErrorIs(t, err, context.DeadlineExceeded)
				}
				cancel()
			}
		})
	}
	all.Wait()
	return won.Load()
}

// As many waits end with a signal as signals were given to somebody: none gets
// lost, and none comes from nowhere.
func TestCondSignalsAreConserved(t *testing.T) {
	eachPlace(t, func(t *testing.T, place string) {
		m, f := condNew(t, place)
		ps := []*testproc.Proc{
			testproc.Start(t, "cond.hasty", testproc.Files(f), testproc.Args("near")),
			testproc.Start(t, "cond.hasty", testproc.Files(f), testproc.Args("foreign")),
		}
		sent := 0
		var stop atomic.Bool
		signaller := start(func() error {
			for ; !stop.Load(); sent++ {
				if sent%2 == 0 {
					m.c.Signal()
				} else if m.mu.Lock() == nil {
					m.c.Signal()
					m.mu.Unlock()
				}
				time.Sleep(10 * time.Microsecond) // sleep: some waits should end by themselves
			}
			return nil
		})
		won := condHasty(t, m)
		for _, p := range ps {
			var n uint32
			_, err := fmt.Sscan(p.ReadLine(), &n)
			require.NoError(t, err)
			won += n
			p.Succeed()
		}
		stop.Store(true)
		require.NoError(t, result(t, signaller))
		given := uint32(0)
		for i := range m.c.count() {
			s := &m.c.cond.seats[i]
			given += condGrants(s.word.Load())
			require.Equal(t, condGrants(s.word.Load()), s.consumed.Load())
		}
		require.Equal(t, given, won)
		require.LessOrEqual(t, int(given), sent)
		require.Zero(t, condWaiting(&m.c))
		t.Logf("%d signals, %d of 4500 waits ended with one", sent, won)
	})
}

// A thousand goroutines of a process, and some of another.
func TestCondThousand(t *testing.T) {
	eachPlace(t, func(t *testing.T, place string) {
		m, f := condNew(t, place)
		p := condPeer(t, f, place)
		for _, signal := range []func(){m.c.Broadcast, func() {
			for range 1050 {
				m.c.Signal()
			}
		}} {
			m.woken.Store(0)
			p.WriteLine("wait 50")
			done := m.waits(t, 1000)
			condAwaitWaiting(t, m, 1050)
			signal()
			p.Expect("OK")
			for _, d := range done {
				require.NoError(t, result(t, d))
			}
			require.EqualValues(t, 1050, m.woken.Load())
		}
	})
}
