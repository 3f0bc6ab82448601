//go:build !explore

package semaphore

import (
	"context"
	"errors"
	"syscall"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/stretchr/testify/require"
)

// lock locks, and repairs if need be.
func (m *condMemory) lock(t require.TestingT) {
	err := m.mu.Lock()
	if errors.Is(err, ErrOwnerDied) {
		err = m.mu.LockRepair(context.Background(), func() error {
			m.pair[1] = m.pair[0]
			return nil
		})
	}
	require.NoError(t, err)
	require.Equal(t, m.pair[0], m.pair[1], "somebody else changes it")
}

// take takes a token, and waits for one until ctx or everything ends.
func (m *condMemory) take(t require.TestingT, ctx context.Context) {
	m.lock(t)
	defer m.mu.Unlock()
	for m.tokens.Load() == 0 && m.stop.Load() == 0 {
		err := m.c.WaitContext(ctx, &m.mu)
		switch {
		case errors.Is(err, ErrRelock) && errors.Is(err, ErrOwnerDied):
			m.lock(t)
		case errors.Is(err, context.DeadlineExceeded):
			return
		default:
			require.NoError(t, err)
		}
	}
	m.pair[0]++
	m.pair[1]++
	if n := m.tokens.Load(); n > 0 {
		m.tokens.Store(n - 1)
	}
}

// put puts a token there and tells one or all.
func (m *condMemory) put(t require.TestingT, tell func(), locked bool) {
	m.lock(t)
	m.tokens.Store(m.tokens.Load() + 1)
	if locked {
		tell()
	}
	m.mu.Unlock()
	if !locked {
		tell()
	}
}

func (m *condMemory) stopped() bool { return m.stop.Load() != 0 }

// cond.victim passes all points. Args: place.
var _ = testproc.Helper("cond.victim", func(c *testproc.Child) {
	m, b, _ := condMap(c, c.Files[0], c.Args[0])
	m.take(c, context.Background()) // the first seat is a dead one's
	for i := 0; i < 30 && !m.stopped(); i++ {
		for n := 0; n < 1000 && condWaiting(&m.c) == 0 && !m.stopped(); n++ {
			time.Sleep(10 * time.Microsecond) // sleep: somebody should wait, and perhaps sleep
		}
		m.put(c, m.c.Signal, i%2 == 0)
		for _, d := range []time.Duration{0, time.Millisecond} {
			ctx, cancel := context.WithTimeout(context.Background(), d)
			m.take(c, ctx)
			cancel()
		}
	}
	m.take(c, context.Background())
	require.NoError(c, Forget(b))
})

// cond.survivor takes tokens until everything ends.
var _ = testproc.Helper("cond.survivor", func(c *testproc.Child) {
	m, _, _ := condMap(c, c.Files[0], c.Args[0])
	for !m.stopped() {
		m.take(c, context.Background())
	}
})

// condWalk is the scene of both walks: a process has died with a signal, victims
// come to its seat, and contend with survivors for tokens.
type condWalk struct {
	*testing.T
	m                  *condMemory
	victims, survivors []*testproc.Proc
}

func newCondWalk(t *testing.T, v *testproc.Victim, place string, victims int) *condWalk {
	m, f := condNew(t, "near")
	w := &condWalk{T: t, m: m}
	dead := condPeer(t, f, "near")
	dead.WriteLine("wait 1")
	condAwaitWaiting(t, m, 1)
	condLock(t, m)
	m.c.Signal()
	dead.Kill()
	dead.Wait()
	m.mu.Unlock()
	for range victims {
		w.victims = append(w.victims, v.Start("cond.victim", testproc.Files(f), testproc.Args(place)))
	}
	await(t, func() bool { return v.Fired() || condWaiting(&m.c) >= victims })
	for i := range 3 {
		w.survivors = append(w.survivors, testproc.Start(t, "cond.survivor", testproc.Files(f), testproc.Args(places[i%2])))
	}
	return w
}

// drive puts n tokens there, one after the other. Each one is taken.
func (w *condWalk) drive(n int, tell func()) {
	for i := range n {
		w.m.put(w, tell, i%2 == 0)
		await(w, func() bool { return w.m.tokens.Load() == 0 })
	}
}

// end lets the survivors end. One Broadcast must do.
func (w *condWalk) end() {
	w.m.lock(w)
	w.m.stop.Store(1)
	w.m.c.Broadcast()
	w.m.mu.Unlock()
	for _, p := range w.survivors {
		p.Succeed()
	}
}

// condPoints are the crash points of the cond and of its seats.
var condPoints = []string{"cond.", "seat."}

// At whatever point a process dies, or two: each token is taken, though only one
// signal is sent for it.
func TestCondCrashWalk(t *testing.T) {
	var scenarios []func(*testing.T, *testproc.Victim)
	for _, place := range places {
		for _, victims := range []int{1, 2} {
			scenarios = append(scenarios, func(t *testing.T, v *testproc.Victim) {
				w := newCondWalk(t, v, place, victims)
				for w.drive(5, w.m.c.Signal); !exited(w.victims); {
					w.drive(1, w.m.c.Signal)
				}
				w.drive(5, w.m.c.Signal)
				w.end()
				for _, p := range w.victims {
					if s := p.Wait().Sys().(syscall.WaitStatus); !s.Signaled() {
						p.Succeed()
					}
				}
			})
		}
	}
	testproc.CrashWalk(t, &testproc.WalkOptions{Prefix: condPoints, Hits: 2}, scenarios...)
}

// At whatever point a process stops, it keeps the lock if it has it, and otherwise
// blocks nobody.
func TestCondStopWalk(t *testing.T) {
	var scenarios []func(*testing.T, *testproc.Victim)
	for _, place := range places {
		scenarios = append(scenarios, func(t *testing.T, v *testproc.Victim) {
			w := newCondWalk(t, v, place, 1)
			p := w.victims[0]
			for !v.Fired() && !exited(w.victims) {
				if pid, held := w.m.mu.Owner(); held && pid == p.PID {
					continue // it may have stopped there
				}
				w.tryDrive()
			}
			if p.WaitStopped() {
				if pid, held := w.m.mu.Owner(); held && pid == p.PID {
					require.ErrorIs(t, w.m.mu.TryLock(), ErrLocked)
				} else {
					w.drive(5, w.m.c.Broadcast) // Signal could be for the one who is stopped
				}
				p.Cont()
			}
			w.drive(5, w.m.c.Broadcast)
			w.end()
			p.Succeed()
		})
	}
	testproc.CrashWalk(t, &testproc.WalkOptions{Prefix: condPoints, Stop: true}, scenarios...)
}

// tryDrive puts a token there unless the lock is held, and does not wait for what
// becomes of it.
func (w *condWalk) tryDrive() {
	switch err := w.m.mu.TryLock(); {
	case err == nil:
		if w.m.tokens.Load() == 0 {
			w.m.tokens.Store(1)
			w.m.c.Broadcast()
		}
		w.m.mu.Unlock()
	default:
		require.ErrorIs(w, err, ErrLocked)
	}
	time.Sleep(100 * time.Microsecond) // sleep: the others want the lock, too
}
