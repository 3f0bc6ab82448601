//go:build !explore

package semaphore

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/stretchr/testify/require"
)

// permitsUse takes k permits in one of the ways there are, and gives them back.
// me is where it says what it has, for the others to see, or -1. Whoever has k
// of three knows that no other living process has more than the rest.
func permitsUse(t require.TestingT, m *permitsMemory, me, k, way int) {
	var err error
	if way%2 == 0 {
		err = m.p.Acquire(context.Background(), k)
	} else if err = m.p.TryAcquire(k); errors.Is(err, ErrNoPermits) {
		return
	}
	require.NoError(t, err)
	if me >= 0 {
		m.has[me].Store(uint32(k))
	}
	for i := range m.has {
		if i != me {
			require.LessOrEqual(t, int(m.has[i].Load()), 3-k)
		}
	}
	if me >= 0 {
		m.has[me].Store(0)
	}
	require.NoError(t, m.p.Release(k))
}

// permits.victim passes all points. Args: place.
var _ = testproc.Helper("permits.victim", func(c *testproc.Child) {
	m, b, _ := permitsMap(c, c.Files[0], c.Args[0])
	for i := range 20 {
		m.p.m.bell.Store(m.p.m.bell.Load() | permitsSleepers) // somebody seems to sleep
		permitsUse(c, m, -1, 2, i)                            // the first is an Acquire
	}
	require.NoError(c, Forget(b))
})

// permits.survivor takes up to so many permits at a time. Args: place, which one
// it is, how many.
var _ = testproc.Helper("permits.survivor", func(c *testproc.Child) {
	m, _, _ := permitsMap(c, c.Files[0], c.Args[0])
	me, _ := strconv.Atoi(c.Args[1])
	most, _ := strconv.Atoi(c.Args[2])
	for i := range 60 {
		permitsUse(c, m, me, 1+i%most, i)
	}
})

// permitsDeadCommitter is a process that was killed between the commit of its
// Acquire(1) and the completion: a victim of its own.
func permitsDeadCommitter(t *testing.T, opts ...testproc.Option) {
	p := testproc.Start(t, "permits.peer", append(opts, testproc.Args("near"),
		testproc.Binary(testproc.VictimBinary(t)),
		testproc.Env("SHMKIT_CRASHPOINT=permits.committed:1", "SHMKIT_CRASHLOG="+filepath.Join(t.TempDir(), "log")))...)
	p.WriteLine("acquire 1")
	p.Wait()
}

// permitsWalk is the scene of both walks. Of three permits one process has two and
// another one the third, which died in the middle of acquiring it. The victims
// want two: they help and recover, and sleep, until the first dies as well. Then
// they contend with three survivors, which take up to most permits. see says what has become of
// them.
func permitsWalk(t *testing.T, v *testproc.Victim, place string, victims, most int, see func(m *permitsMemory, victims, survivors []*testproc.Proc)) {
	m, f := newPermits(t, "near", 3)
	owner := permitsPeer(t, f, "near")
	tell(owner, "acquire 2", "OK")
	permitsDeadCommitter(t, testproc.Files(f))
	var ps, survivors []*testproc.Proc
	for range victims {
		ps = append(ps, v.Start("permits.victim", testproc.Files(f), testproc.Args(place)))
	}
	await(t, func() bool { return v.Fired() || futexSleepers(&m.p.m.bell) == victims })
	owner.Kill()
	for i := range 3 {
		survivors = append(survivors, testproc.Start(t, "permits.survivor", testproc.Files(f),
			testproc.Args(places[i%2], fmt.Sprint(i), fmt.Sprint(most))))
	}
	see(m, ps, survivors)
	awaitFree(t, &m.p, 3)
	require.Empty(t, m.p.Holders())
	require.NoError(t, m.p.TryAcquire(3))
	require.Equal(t, ErrNoPermits, m.p.TryAcquire(1))
	require.NoError(t, m.p.Release(3))
}

// At whatever point a process dies, or two, the others go on, and all permits
// come back.
func TestPermitsCrashWalk(t *testing.T) {
	var scenarios []func(*testing.T, *testproc.Victim)
	for i, place := range places {
		scenarios = append(scenarios, func(t *testing.T, v *testproc.Victim) {
			permitsWalk(t, v, place, 1+i, 3, func(m *permitsMemory, victims, survivors []*testproc.Proc) {
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
	testproc.CrashWalk(t, &testproc.WalkOptions{Prefix: []string{"permits."}, Hits: 2}, scenarios...)
}

// At whatever point a process stops, it has what it has, and all others go on
// with the rest.
func TestPermitsStopWalk(t *testing.T) {
	testproc.CrashWalk(t, &testproc.WalkOptions{Prefix: []string{"permits."}, Stop: true}, func(t *testing.T, v *testproc.Victim) {
		permitsWalk(t, v, "near", 1, 1, func(m *permitsMemory, victims, survivors []*testproc.Proc) {
			for _, p := range survivors {
				p.Succeed()
			}
			p := victims[0]
			if p.WaitStopped() {
				free := m.p.Available()
				for _, h := range m.p.Holders() {
					require.Equal(t, p.PID, h.PID)
					free += h.Permits
				}
				require.Equal(t, 3, free)
				p.Cont()
			}
			p.Succeed()
		})
	})
}

// A process that was stopped in the middle of a recovery goes on when everything
// is long another's: its steps do not count any more.
func TestPermitsLateRecovery(t *testing.T) {
	for _, point := range []string{"permits.recovering", "permits.recovered", "permits.committed", "permits.helped"} {
		t.Run(point, func(t *testing.T) {
			m, f := newPermits(t, "near", 3)
			owner := permitsPeer(t, f, "near")
			tell(owner, "acquire 2", "OK")
			permitsDeadCommitter(t, testproc.Files(f))
			owner.Kill()
			owner.Wait()
			late := testproc.Start(t, "permits.victim", testproc.Files(f), testproc.Args("near"),
				testproc.Binary(testproc.VictimBinary(t)),
				testproc.Env("SHMKIT_CRASHPOINT="+point+":1:stop", "SHMKIT_CRASHLOG="+filepath.Join(t.TempDir(), "log")))
			require.True(t, late.WaitStopped())
			has := 0
			if point == "permits.committed" {
				has = 2
			}
			awaitFree(t, &m.p, 3-has)
			// The seats of the dead have new holders, who have operations under way.
			a, b := permitsPeer(t, f, "near"), permitsPeer(t, f, "foreign")
			tell(a, "acquire 1", "OK")
			if has == 0 {
				tell(b, "acquire 2", "OK")
			}
			late.Cont()
			if has == 0 {
				tell(b, "release 2", "OK")
			}
			late.Succeed()
			require.Equal(t, []PermitHolder{{a.PID, 1}}, m.p.Holders())
			require.Equal(t, 2, m.p.Available())
		})
	}
}
