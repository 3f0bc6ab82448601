//go:build !explore

package semaphore

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/stretchr/testify/require"
)

// semPoints are the crash points of the semaphore.
var semPoints = []string{"semaphore."}

// semTaken are those where a process has permits.
var semTaken = []string{"semaphore.acquired", "semaphore.tried", "semaphore.taken"}

// The semaphore of the walks has so many permits.
const semWalkTotal = 4

// pass takes n permits in one of the ways there are, as process id, and gives
// them back. What it wants and has it writes down, so that the test can tell
// what went with it.
func (m *semMemory) pass(t require.TestingT, id, way int) {
	n := 1 + way%3
	m.wants[id].Store(uint32(n))
	var err error
	switch way % 4 {
	case 0:
		err = m.s.Acquire(context.Background(), n)
	default:
		for err = m.s.TryAcquire(n); errors.Is(err, ErrNoPermits); err = m.s.TryAcquire(n) {
			ctx, cancel := context.WithTimeout(context.Background(), time.Duration(way%7)*50*time.Microsecond)
			err = m.s.Acquire(ctx, n)
			cancel()
			if !errors.Is(err, context.DeadlineExceeded) {
				break
			}
		}
	}
	require.NoError(t, err)
	m.holds[id].Store(uint32(n))
	in := m.inside.Add(uint32(n))
	require.LessOrEqual(t, in, uint32(semWalkTotal))
	m.inside.Add(-uint32(n))
	m.holds[id].Store(0)
	require.NoError(t, m.s.Release(n))
	m.wants[id].Store(0)
}

// sem.victim passes all points. Args: place, id.
var _ = testproc.Helper("sem.victim", func(c *testproc.Child) {
	m, _, _ := semMap(c, c.Files[0], c.Args[0])
	id, err := strconv.Atoi(c.Args[1])
	require.NoError(c, err)
	// There are none yet. One waits, and the other one for the turn.
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Millisecond)
			defer cancel()
			err := m.s.Acquire(ctx, 3)
			if err == nil { // there are some by now: this process was stopped
				err = m.s.Release(3)
			} else if errors.Is(err, context.DeadlineExceeded) {
				err = nil
			}
			if err != nil {
				c.Errorf("acquire: %v", err)
			}
		})
	}
	both.Wait()
	m.pass(c, id, 8) // waits for 3
	for way := range 300 {
		m.pass(c, id, way)
	}
})

// sem.survivor passes, too, until it is told to stop. Args: place, id.
var _ = testproc.Helper("sem.survivor", func(c *testproc.Child) {
	m, _, _ := semMap(c, c.Files[0], c.Args[0])
	id, err := strconv.Atoi(c.Args[1])
	require.NoError(c, err)
	for way := range 150 {
		m.pass(c, id, way+id)
	}
	c.WriteLine("passed")
	c.Park()
})

// semWalk is the scene of both walks. Victims wait for several permits; one comes,
// which they pass on to the test; survivors come; then all contend.
func semWalk(t *testing.T, v *testproc.Victim, place string, victims int, stop bool, see func(m *semMemory, victims, survivors []*testproc.Proc)) {
	m, f := newSem(t, "near", 0, semWalkTotal)
	var ps, survivors []*testproc.Proc
	for id := range victims {
		ps = append(ps, v.Start("sem.victim", testproc.Files(f), testproc.Args(place, strconv.Itoa(id))))
	}
	// No victim gets permits before all wait, or have met their end.
	await(t, func() bool {
		for id := range ps {
			if m.wants[id].Load() == 0 && !exited(ps[id:id+1]) {
				return stop && v.Fired()
			}
		}
		return v.Fired() || semSleepers(&m.s) == 1
	})
	if !v.Fired() {
		one := start(func() error { return m.s.Acquire(context.Background(), 1) })
		await(t, func() bool { return v.Fired() || semSleepers(&m.s) == 2 })
		require.NoError(t, m.s.Release(1))
		require.NoError(t, result(t, one))
	}
	for i := range 3 {
		survivors = append(survivors, testproc.Start(t, "sem.survivor", testproc.Files(f),
			testproc.Args(places[i%2], strconv.Itoa(victims+i))))
	}
	require.NoError(t, m.s.Release(semWalkTotal))
	see(m, ps, survivors)
	require.Equal(t, semWalkTotal, m.s.Value())
	require.NoError(t, m.s.Acquire(timeout(t, testproc.Watchdog), semWalkTotal))
	require.NoError(t, m.s.Release(semWalkTotal))
	require.True(t, m.s.sem.turn.Free())
}

// bury gives back what a victim had. Only the test can tell what that was.
func (m *semMemory) bury(t *testing.T, id int, p *testproc.Proc, point string) {
	switch s := p.Wait().Sys().(syscall.WaitStatus); {
	case !s.Signaled():
		p.Succeed()
	case slices.Contains(semTaken, point):
		require.Positive(t, m.wants[id].Load())
		require.NoError(t, m.s.Release(int(m.wants[id].Load())))
	default:
		require.Zero(t, m.holds[id].Load())
	}
}

// At whatever point processes die, the others go on, and what the dead did not
// hold is there.
func TestSemaphoreCrashWalk(t *testing.T) {
	var scenarios []func(*testing.T, *testproc.Victim)
	for _, place := range places {
		for _, victims := range []int{1, 2} {
			scenarios = append(scenarios, func(t *testing.T, v *testproc.Victim) {
				semWalk(t, v, place, victims, false, func(m *semMemory, victims, survivors []*testproc.Proc) {
					// One may wait for what the other one had.
					ended := make([]bool, len(victims))
					await(t, func() bool {
						for id, p := range victims {
							if !ended[id] && exited(victims[id:id+1]) {
								ended[id] = true
								m.bury(t, id, p, v.Point)
							}
						}
						return !slices.Contains(ended, false)
					})
					for _, p := range survivors {
						p.Expect("passed")
						p.CloseStdin()
						p.Succeed()
					}
				})
			})
		}
	}
	testproc.CrashWalk(t, &testproc.WalkOptions{Prefix: semPoints, Hits: 2}, scenarios...)
}

// At whatever point a process stops, it keeps what it has, and the others go on
// with the rest.
func TestSemaphoreStopWalk(t *testing.T) {
	var scenarios []func(*testing.T, *testproc.Victim)
	for _, place := range places {
		scenarios = append(scenarios, func(t *testing.T, v *testproc.Victim) {
			semWalk(t, v, place, 1, true, func(m *semMemory, victims, survivors []*testproc.Proc) {
				p := victims[0]
				stopped := p.WaitStopped()
				has := uint32(0)
				if stopped && slices.Contains(semTaken, v.Point) {
					has = m.wants[0].Load()
					require.Positive(t, has)
				}
				if has > 1 { // the others need some of those
					require.ErrorIs(t, m.s.Acquire(timeout(t, time.Millisecond), semWalkTotal), context.DeadlineExceeded)
					p.Cont()
					stopped = false
				}
				for _, s := range survivors {
					s.Expect("passed")
				}
				if stopped {
					p.Cont()
				}
				p.Succeed()
				for _, s := range survivors {
					s.CloseStdin()
					s.Succeed()
				}
			})
		})
	}
	testproc.CrashWalk(t, &testproc.WalkOptions{Prefix: semPoints, Stop: true}, scenarios...)
}
