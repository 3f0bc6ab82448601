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

// change changes what mu[0] guards.
func (m *memory) change() {
	m.pair[0]++
	m.pair[1]++
}

// repair brings the pair into order from whatever the dead one left.
func (m *memory) repair() error {
	m.pair[1] = m.pair[0]
	return nil
}

// pass locks in one of the ways there are, repairs if need be, and unlocks.
func (m *memory) pass(t require.TestingT, way int) {
	mu := &m.mu[0]
	var err error
	switch way % 3 {
	case 0:
		err = mu.Lock()
	case 1:
		for err = mu.TryLock(); errors.Is(err, ErrLocked); err = mu.TryLock() {
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Microsecond)
			err = mu.LockContext(ctx)
			cancel()
			if !errors.Is(err, context.DeadlineExceeded) {
				break
			}
		}
	case 2:
		err = ErrOwnerDied
	}
	if errors.Is(err, ErrOwnerDied) {
		err = mu.LockRepair(context.Background(), m.repair)
	}
	require.NoError(t, err)
	require.Equal(t, m.pair[0], m.pair[1], "somebody else changes it")
	m.change()
	mu.Unlock()
}

// victim passes all points. mu[0] is a dead process's soon after it began.
var _ = testproc.Helper("victim", func(c *testproc.Child) {
	m, _, _ := mapMemory(c, c.Files[0], c.Args[0])
	if err := m.mu[1].Lock(); err == nil { // free, and used for the first time
		m.mu[1].Unlock()
	}
	cannot := errors.New("cannot")
	switch err := m.mu[0].LockRepair(context.Background(), func() error { return cannot }); {
	case err == nil: // another one has repaired
		m.mu[0].Unlock()
	default:
		require.ErrorIs(c, err, cannot)
	}
	for i := range 30 {
		m.pass(c, 2*i) // LockRepair, Lock and TryLock
	}
})

var _ = testproc.Helper("survivor", func(c *testproc.Child) {
	m, _, _ := mapMemory(c, c.Files[0], c.Args[0])
	for i := range 100 {
		m.pass(c, i)
	}
})

// walk is the scene of both walks: an owner dies, so that victims repair, and
// then they contend with survivors. See checks what has become of the victims.
func walk(t *testing.T, v *testproc.Victim, place string, victims int, see func(m *memory, victims, survivors []*testproc.Proc)) {
	m, f := newMemory(t, "near")
	owner := startPeer(t, f, "near")
	tell(owner, "lock", "OK")
	var ps, survivors []*testproc.Proc
	for range victims {
		ps = append(ps, v.Start("victim", testproc.Files(f), testproc.Args(place)))
	}
	await(t, func() bool { return v.Fired() || sleepers(&m.mu[0]) == victims })
	owner.Kill()
	for i := range 3 {
		survivors = append(survivors, testproc.Start(t, "survivor", testproc.Files(f), testproc.Args(places[i%2])))
	}
	see(m, ps, survivors)
	for i := range 3 {
		m.pass(t, i)
	}
	if err := m.mu[1].Lock(); err != nil {
		require.ErrorIs(t, err, ErrOwnerDied)
		require.NoError(t, m.mu[1].LockRepair(context.Background(), func() error { return nil }))
	}
	m.mu[1].Unlock()
}

// mutexPoints are the crash points of the mutex.
var mutexPoints = []string{"mutex.", "repair."}

// At whatever point a process dies, or two, the others go on.
func TestCrashWalk(t *testing.T) {
	var scenarios []func(*testing.T, *testproc.Victim)
	for _, place := range places {
		for _, victims := range []int{1, 2} {
			scenarios = append(scenarios, func(t *testing.T, v *testproc.Victim) {
				walk(t, v, place, victims, func(m *memory, victims, survivors []*testproc.Proc) {
					for _, p := range victims {
						if s := p.Wait().Sys().(syscall.WaitStatus); !s.Signaled() {
							p.Succeed()
						}
					}
					for _, p := range survivors {
						p.Succeed()
					}
				})
			})
		}
	}
	testproc.CrashWalk(t, &testproc.WalkOptions{Prefix: mutexPoints, Hits: 2}, scenarios...)
}

// At whatever point a process stops, it keeps the lock that it has, and without
// one blocks nobody.
func TestStopWalk(t *testing.T) {
	var scenarios []func(*testing.T, *testproc.Victim)
	for _, place := range places {
		scenarios = append(scenarios, func(t *testing.T, v *testproc.Victim) {
			walk(t, v, place, 1, func(m *memory, victims, survivors []*testproc.Proc) {
				p := victims[0]
				if p.WaitStopped() {
					holds := func() bool {
						pid, held := m.mu[0].Owner()
						return held && pid == p.PID
					}
					await(t, func() bool { return holds() || exited(survivors) })
					if holds() {
						require.ErrorIs(t, m.mu[0].TryLock(), ErrLocked)
						require.ErrorIs(t, m.mu[0].LockRepair(timeout(t, time.Millisecond), m.repair), context.DeadlineExceeded)
						require.True(t, holds())
					}
					p.Cont()
				}
				p.Succeed()
				for _, s := range survivors {
					s.Succeed()
				}
			})
		})
	}
	testproc.CrashWalk(t, &testproc.WalkOptions{Prefix: mutexPoints, Stop: true}, scenarios...)
}

func exited(ps []*testproc.Proc) bool {
	for _, p := range ps {
		select {
		case <-p.Exited():
		default:
			return false
		}
	}
	return true
}
