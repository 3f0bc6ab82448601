//go:build !explore

package semaphore

import (
	"context"
	"errors"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/robust"
	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/stretchr/testify/require"
)

// look reads what no writer may change meanwhile.
func (m *rwMemory) look(t require.TestingT) {
	before := m.pair
	runtime.Gosched()
	require.Equal(t, before, m.pair, "a writer is inside")
	require.Equal(t, before[0], before[1], "somebody has left it half changed")
}

// change changes it.
func (m *rwMemory) change(t require.TestingT) {
	m.look(t)
	m.pair[0]++
	runtime.Gosched()
	m.pair[1]++
}

// repair brings it into order from whatever a dead one has left.
func (m *rwMemory) repair() error {
	m.pair[1] = m.pair[0]
	return nil
}

// again locks in vain for a short time, many times, until it is not in vain.
func again(try func() error, lock func(context.Context) error) error {
	for {
		err := try()
		if !errors.Is(err, ErrLocked) {
			return err
		}
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Microsecond)
		err = lock(ctx)
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			return err
		}
	}
}

// pass locks in one of the ways there are, repairs if need be, and unlocks.
func (m *rwMemory) pass(t require.TestingT, way int) {
	rw := &m.rw
	var err error
	reads := way%4 < 2
	switch way % 4 {
	case 0:
		err = rw.RLock()
	case 1:
		err = again(rw.TryRLock, rw.RLockContext)
	case 2:
		err = rw.Lock()
	case 3:
		err = again(rw.TryLock, rw.LockContext)
	}
	if errors.Is(err, ErrOwnerDied) {
		reads = false
		err = rw.LockRepair(context.Background(), m.repair)
	}
	require.NoError(t, err)
	if reads {
		m.look(t)
		rw.RUnlock()
	} else {
		m.change(t)
		rw.Unlock()
	}
}

// rw.victim passes all points. It waits at first, because a writer waits, which
// dies soon.
var _ = testproc.Helper("rw.victim", func(c *testproc.Child) {
	m, b, _ := rwMap(c, c.Files[0], c.Args[0])
	rw := &m.rw
	other := make(chan bool)
	go func() { // the same, with others of its process
		for i := range 20 {
			m.pass(c, i)
		}
		close(other)
	}()
	m.pass(c, 0)

	// A reader for which a writer waits.
	for rw.RLock() != nil {
		m.pass(c, 0)
	}
	writer := make(chan bool)
	go func() {
		m.pass(c, 2)
		close(writer)
	}()
	seat := robust.LocalOf[rwLocal](&rw.local).at
	for seat.cell.Word.Load()&robust.Waiters == 0 {
		runtime.Gosched()
	}
	rw.RUnlock()
	<-writer

	// A reader that gives up.
	require.NoError(c, rw.LockRepair(context.Background(), m.repair))
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	require.ErrorIs(c, rw.RLockContext(ctx), context.DeadlineExceeded)
	cancel()
	rw.Unlock()

	for i := range 40 {
		m.pass(c, i)
	}
	<-other
	require.NoError(c, Forget(b))
})

// rw.survivor passes n times. Args: place, n.
var _ = testproc.Helper("rw.survivor", func(c *testproc.Child) {
	m, _, _ := rwMap(c, c.Files[0], c.Args[0])
	n, err := strconv.Atoi(c.Args[1])
	require.NoError(c, err)
	for i := range n {
		m.pass(c, i)
	}
})

// rwWalk is the scene of both walks. This process reads, so that a writer waits.
// That one dies when the victims wait for it in their turn, so that they heal, and
// then they contend with survivors. A phantom is registered as well, which never
// comes when it is let in. See checks what has become of the victims.
func rwWalk(t *testing.T, v *testproc.Victim, place string, victims int, see func(m *rwMemory, victims, survivors []*testproc.Proc)) {
	m, f := rwNew(t, place)
	rw := &m.rw
	require.NoError(t, rw.RLock())
	owner := rwPeer(t, f, place)
	owner.WriteLine("lock")
	rwAwaitWriter(t, m)
	word := &rw.seat(0).word
	word.Add(uint64(rwWaiting))
	defer func() { // the phantom goes
		w := rwWord(word.Load())
		require.EqualValues(t, 1, w.waiting()+w.granted())
		word.Store(uint64(w &^ rwCounts))
	}()
	var ps, survivors []*testproc.Proc
	for range victims {
		ps = append(ps, v.Start("rw.victim", testproc.Files(f), testproc.Args(place)))
	}
	await(t, func() bool { return v.Fired() || rwSleepers(&rw.bell) == 2*victims })
	owner.Kill()
	rw.RUnlock()
	await(t, func() bool { return v.Fired() || robust.StateOf(rw.gate.Word.Load()) == robust.Vacant })
	for i := range 3 {
		survivors = append(survivors, testproc.Start(t, "rw.survivor", testproc.Files(f), testproc.Args(places[i%2], "40")))
	}
	see(m, ps, survivors)
	for i := range 4 {
		m.pass(t, i)
	}
}

var rwPoints = []string{"rwmutex.", "seat."}

// At whatever point a process dies, or two, the others go on.
func TestRWMutexCrashWalk(t *testing.T) {
	var scenarios []func(*testing.T, *testproc.Victim)
	for i, place := range places {
		victims := i + 1
		scenarios = append(scenarios, func(t *testing.T, v *testproc.Victim) {
			rwWalk(t, v, place, victims, func(m *rwMemory, victims, survivors []*testproc.Proc) {
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
	testproc.CrashWalk(t, &testproc.WalkOptions{Prefix: rwPoints, Hits: 2}, scenarios...)
}

// At whatever point a process stops, it keeps what it has, and without anything
// blocks nobody.
func TestRWMutexStopWalk(t *testing.T) {
	testproc.CrashWalk(t, &testproc.WalkOptions{Prefix: rwPoints, Stop: true}, func(t *testing.T, v *testproc.Victim) {
		rwWalk(t, v, "near", 1, func(m *rwMemory, victims, survivors []*testproc.Proc) {
			p := victims[0]
			if p.WaitStopped() {
				var holds bool
				await(t, func() bool {
					holds = m.holds(p.PID)
					return holds || exited(survivors)
				})
				if holds {
					require.ErrorIs(t, m.rw.LockContext(timeout(t, time.Millisecond)), context.DeadlineExceeded)
					require.True(t, m.holds(p.PID))
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

// holds says whether a process holds anything that others need: it reads, or is a
// writer, or heals.
func (m *rwMemory) holds(pid int) bool {
	by := func(c *robust.Cell) bool {
		p, held := c.OwnerPID()
		return held && p == pid
	}
	for i := range m.rw.count() {
		if s := m.rw.seat(i); rwWord(s.word.Load()).active() > 0 && by(&s.cell) {
			return true
		}
	}
	return by(&m.rw.queue.cell) || by(&m.rw.gate)
}
