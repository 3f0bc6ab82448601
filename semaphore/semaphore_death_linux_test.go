//go:build !explore

package semaphore

import (
	"context"
	"os"
	"testing"
	"time"
	"unsafe"

	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/mem"
	"github.com/shmkit/shmkit/internal/robust"
	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/stretchr/testify/require"
)

// The one who is woken is killed with the wake in its hands, whatever it is
// written in: a waiter in Go gets the permit.
func TestWokenWaiterIsKilled(t *testing.T) {
	for _, kind := range []string{"Go", "C"} {
		t.Run(kind, func(t *testing.T) {
			m, f := newSem(t, "near", 0, 0)
			for range 5 {
				victim := semPeer(t, f, "near")
				if kind == "C" {
					victim = semPeerC(t, f)
				}
				victim.WriteLine("acquire")
				await(t, func() bool { return semSleepers(&m.s) == 1 })
				waits := start(func() error { return m.s.Acquire(context.Background(), 1) })
				await(t, func() bool { return semSleepers(&m.s) == 2 })
				require.True(t, victim.Stop())
				require.NoError(t, m.s.Release(1)) // wakes the first
				victim.Kill()
				victim.Wait()
				// It had no time to take the permit.
				require.NoError(t, result(t, waits))
			}
			require.Equal(t, "Semaphore(0, 5 waiting)", m.s.String(), "the dead stay counted")
			require.NoError(t, m.s.Release(1))
			require.NoError(t, m.s.TryAcquire(1))
		})
	}
}

// A waiter that is stopped blocks nobody, even with the wake in its hands.
func TestStoppedSemaphoreWaiterBlocksNobody(t *testing.T) {
	m, f := newSem(t, "near", 0, 0)
	first, second := semPeer(t, f, "near"), semPeer(t, f, "foreign")
	first.WriteLine("acquire")
	await(t, func() bool { return semSleepers(&m.s) == 1 })
	second.WriteLine("acquire")
	await(t, func() bool { return semSleepers(&m.s) == 2 })
	require.True(t, first.Stop())
	require.NoError(t, m.s.Release(1)) // wakes the first
	second.Expect("OK")
	first.Cont()
	require.NoError(t, m.s.Release(1))
	first.Expect("OK")
	require.Equal(t, "Semaphore(0)", m.s.String())
}

// The permits of a dead process are lost: that is what a sem_t is. See Permits.
func TestPermitsOfTheDeadStayLost(t *testing.T) {
	m, f := newSem(t, "near", 2, 2)
	p := semPeer(t, f, "near")
	tell(p, "acquire", "OK")
	p.Kill()
	p.Wait()
	require.ErrorIs(t, m.s.Acquire(timeout(t, 120*time.Millisecond), 2), context.DeadlineExceeded)
	require.Equal(t, 1, m.s.Value())
	require.NoError(t, m.s.Release(1), "somebody who knows may give it back")
	require.NoError(t, m.s.Acquire(t.Context(), 2))
}

// The turn of one who was killed while it waited passes to the next.
func TestHolderOfTheTurnIsKilled(t *testing.T) {
	eachPlace(t, func(t *testing.T, place string) {
		m, f := newSem(t, place, 1, 0)
		holder := semPeer(t, f, place)
		holder.WriteLine("acquire 3")
		await(t, func() bool { return semSleepers(&m.s) == 1 })
		next := semPeer(t, f, place)
		next.WriteLine("acquire 2")
		await(t, func() bool { return futexSleepers(m.s.sem.turn.Word()) == 1 })
		holder.Kill()
		await(t, func() bool { return semSleepers(&m.s) == 1 && futexSleepers(m.s.sem.turn.Word()) == 0 })
		require.NoError(t, m.s.Release(1)) // wakes the new holder
		next.Expect("OK")
		require.Zero(t, m.s.Value())
	})
}

// Whoever has the turn and is stopped keeps it, but not the permits from those
// who wait for the turn.
func TestHolderOfTheTurnIsStopped(t *testing.T) {
	m, f := newSem(t, "near", 0, 0)
	holder := semPeer(t, f, "near")
	holder.WriteLine("acquire 2")
	await(t, func() bool { return semSleepers(&m.s) == 1 })
	require.True(t, holder.Stop())
	var others []<-chan error
	for range 3 {
		others = append(others, start(func() error { return m.s.Acquire(context.Background(), 2) }))
	}
	far := semPeer(t, f, "foreign")
	far.WriteLine("acquire 2")
	await(t, func() bool { return futexSleepers(m.s.sem.turn.Word()) == 2 })
	require.NoError(t, m.s.Release(8))
	for _, o := range others {
		require.NoError(t, result(t, o))
	}
	far.Expect("OK")
	require.Zero(t, m.s.Value())
	holder.Cont()
	require.NoError(t, m.s.Release(2))
	holder.Expect("OK")
	require.True(t, m.s.sem.turn.Free())
}

// Whoever waits for permits in a file that somebody truncates gets an error, not a
// fault, also if it has the turn or waits for it.
func TestSemaphoreTruncated(t *testing.T) {
	for _, takes := range [][]int{{1}, {2, 3}} {
		path := "/dev/shm/" + testproc.Name(t)
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		require.NoError(t, err)
		require.NoError(t, os.Remove(path))
		require.NoError(t, f.Truncate(int64(os.Getpagesize())))
		m, err := mem.Map(f, os.Getpagesize(), mem.Options{Truncatable: true})
		require.NoError(t, err)
		s := semaphoreAt(m.Bytes())
		require.NoError(t, s.Init(0, 0))
		var waits []<-chan error
		for _, n := range takes {
			waits = append(waits, start(orFault(func() error { return s.Acquire(context.Background(), n) })))
		}
		await(t, func() bool { return semSleepers(s)+futexSleepers(s.sem.turn.Word()) == len(takes) })
		require.NoError(t, f.Truncate(0))
		for _, w := range waits {
			require.ErrorIs(t, result(t, w), futex.ErrFault)
		}
		require.NoError(t, robust.Unmap(m))
		require.NoError(t, f.Close())
	}
}

// A process that closes the memory while its goroutines wait leaves no turn, and
// no count of waiters, behind; unless a goroutine is held up between its waking
// and its leaving for longer than Close waits, so there are several attempts.
func TestSemaphoreClosedWhileWaiting(t *testing.T) {
	closes := func() (clean bool) {
		m, f := newSem(t, "near", 0, 10)
		mapped, err := mem.Map(f, 4096, mem.Options{})
		require.NoError(t, err)
		mine := (*semMemory)(unsafe.Pointer(&mapped.Bytes()[0]))
		var all []<-chan error
		for _, n := range []int{1, 1, 2, 2} {
			all = append(all, start(func() error { return mine.s.Acquire(context.Background(), n) }))
		}
		await(t, func() bool { return m.s.sem.data.Load()>>semHalfBits == 3 && !m.s.sem.turn.Free() })
		require.NoError(t, robust.Unmap(mapped))
		for _, one := range all {
			require.ErrorIs(t, result(t, one), ErrClosed)
		}
		return m.s.sem.turn.Free() && m.s.sem.data.Load()>>semHalfBits == 0
	}
	for range 20 {
		if closes() {
			return
		}
	}
	t.Fatal("the turn or the waiters stay")
}
