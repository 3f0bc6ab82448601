//go:build !explore

package semaphore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/stretchr/testify/require"
)

// recursiveDie leaves a lock as that of a process that died three levels deep.
func recursiveDie(t *testing.T) (*RecursiveMutex, *memory, *os.File) {
	m, mem, f := newRecursive(t, "near")
	p := recursivePeer(t, f, "near")
	for range 3 {
		tell(p, "lock", "OK")
	}
	p.Kill()
	await(t, func() bool { return errors.Is(m.Holder().TryLock(), ErrOwnerDied) })
	return m, mem, f
}

// X01: the owner dies three levels deep; whoever repairs has the lock once.
func TestX01RecursiveOwnerDied(t *testing.T) {
	m, _, f := recursiveDie(t)
	other, h := recursivePeer(t, f, "near"), m.Holder()
	for range 2 { // it stays
		require.ErrorIs(t, h.Lock(), ErrOwnerDied)
		require.ErrorIs(t, h.TryLock(), ErrOwnerDied)
		require.Zero(t, h.Depth())
		tell(other, "lock", "EOWNERDEAD")
	}
	require.NoError(t, h.LockRepair(t.Context(), func() error {
		require.Equal(t, 1, h.Depth())
		require.NoError(t, h.Lock(), "a repair may use what locks")
		tell(other, "trylock", "EBUSY")
		h.Unlock()
		return nil
	}))
	require.Equal(t, 1, h.Depth())
	require.Equal(t, fmt.Sprintf("RecursiveMutex(held by pid %d, once)", os.Getpid()), m.String())
	require.NoError(t, h.Lock())
	h.Unlock()
	tell(other, "trylock", "EBUSY")
	h.Unlock()
	tell(other, "lock", "OK")
	tell(other, "unlock", "OK")
}

func TestRecursiveFailingRepair(t *testing.T) {
	m, _, f := recursiveDie(t)
	other, h := recursivePeer(t, f, "near"), m.Holder()
	cannot := errors.New("cannot")
	for _, repair := range []func() error{
		func() error { return cannot },
		func() error { panic("broken") },
		func() error { return h.Lock() },
		func() error { h.Unlock(); return nil },
	} {
		func() {
			defer func() { _ = recover() }()
			require.ErrorIs(t, h.LockRepair(t.Context(), repair), cannot)
		}()
		require.Zero(t, h.Depth())
		require.PanicsWithValue(t, recursiveNotHeld, h.Unlock)
		if err := h.TryLock(); err == nil { // the last one has unlocked it
			h.Unlock()
			tell(other, "lock", "OK")
			tell(other, "unlock", "OK")
			return
		}
		require.ErrorIs(t, h.TryLock(), ErrOwnerDied)
		tell(other, "lock", "EOWNERDEAD")
	}
	t.Fatal("the last repair has unlocked")
}

// recursivePass locks in one of the ways there are, some levels deep, repairs if
// need be, and unlocks.
func (m *memory) recursivePass(t require.TestingT, way int) {
	h := m.recursive().Holder()
	lock := []func() error{h.Lock, func() error { return h.LockContext(context.Background()) },
		func() error { return h.LockRepair(context.Background(), m.repair) }}
	levels := way%4 + 1
	for i := range levels {
		err := lock[(way+i)%len(lock)]()
		if errors.Is(err, ErrOwnerDied) {
			err = h.LockRepair(context.Background(), m.repair)
		}
		require.NoError(t, err)
	}
	require.Equal(t, m.pair[0], m.pair[1], "somebody else changes it")
	m.change()
	for range levels {
		h.Unlock()
	}
}

var _ = testproc.Helper("recursive.passer", func(c *testproc.Child) {
	m, _, _ := mapMemory(c, c.Files[0], c.Args[0])
	for i := range 200 {
		m.recursivePass(c, i)
	}
})

func recursiveWalk(t *testing.T, v *testproc.Victim, place string, victims int, see func(m *memory, victims, survivors []*testproc.Proc)) {
	_, m, f := newRecursive(t, "near")
	var ps, survivors []*testproc.Proc
	for range victims {
		ps = append(ps, v.Start("recursive.passer", testproc.Files(f), testproc.Args(place)))
	}
	for i := range 3 {
		survivors = append(survivors, testproc.Start(t, "recursive.passer", testproc.Files(f), testproc.Args(places[i%2])))
	}
	see(m, ps, survivors)
	for i := range 4 {
		m.recursivePass(t, i)
	}
}

var recursivePoints = []string{"recursive."}

// At whatever depth a process dies, or two, the others go on.
func TestRecursiveCrashWalk(t *testing.T) {
	var scenarios []func(*testing.T, *testproc.Victim)
	for _, place := range places {
		for _, victims := range []int{1, 2} {
			scenarios = append(scenarios, func(t *testing.T, v *testproc.Victim) {
				recursiveWalk(t, v, place, victims, func(_ *memory, victims, survivors []*testproc.Proc) {
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
	testproc.CrashWalk(t, &testproc.WalkOptions{Prefix: recursivePoints, Hits: 4}, scenarios...)
}

// At whatever depth a process stops, it keeps the lock if it has it, and nobody
// else gets in.
func TestRecursiveStopWalk(t *testing.T) {
	scenario := func(t *testing.T, v *testproc.Victim) {
		recursiveWalk(t, v, "near", 1, func(m *memory, victims, survivors []*testproc.Proc) {
			p := victims[0]
			if p.WaitStopped() {
				holds := func() bool {
					pid, held := m.recursive().Owner()
					return held && pid == p.PID
				}
				await(t, func() bool { return holds() || exited(survivors) })
				if holds() {
					h := m.recursive().Holder()
					require.ErrorIs(t, h.TryLock(), ErrLocked)
					require.ErrorIs(t, h.LockRepair(timeout(t, time.Millisecond), m.repair), context.DeadlineExceeded)
					require.True(t, holds())
				}
				p.Cont()
			}
			p.Succeed()
			for _, s := range survivors {
				s.Succeed()
			}
		})
	}
	testproc.CrashWalk(t, &testproc.WalkOptions{Prefix: recursivePoints, Hits: 3, Stop: true}, scenario)
}
