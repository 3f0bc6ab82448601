//go:build !explore

package semaphore

import (
	"context"
	"math"
	"runtime/debug"
	"sync"
	"testing"
	"time"
	"unsafe"

	"github.com/shmkit/shmkit/internal/race"
	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// S01: with a maximum of 1 it is a lock. S04: both processes see that it is
// taken. S12: another goroutine and another process may release it.
func TestS01S04S12SemaphoreAsLock(t *testing.T) {
	eachPlace(t, func(t *testing.T, place string) {
		m, f := newSem(t, place, 1, 1)
		s, other := &m.s, semPeer(t, f, place)
		require.NoError(t, s.Acquire(t.Context(), 1))
		require.ErrorIs(t, s.TryAcquire(1), ErrNoPermits)
		require.Zero(t, s.Value())
		tell(other, "value", "0")
		tell(other, "try", "EAGAIN")
		tell(other, "release", "OK")
		tell(other, "release", "EOVERFLOW")
		require.ErrorIs(t, s.Release(1), ErrOverflow)
		require.Equal(t, 1, s.Value())
		tell(other, "acquire", "OK")
		require.NoError(t, result(t, start(func() error { return s.Release(1) })))
		tell(other, "value", "1")
	})
}

// S07, S11: without a maximum there can be more permits than at the start.
func TestS07S11Semaphore(t *testing.T) {
	m, _ := newSem(t, "near", 2, 0)
	s := &m.s
	for _, want := range []int{1, 0} {
		require.NoError(t, s.Acquire(t.Context(), 1))
		require.Equal(t, want, s.Value())
	}
	require.ErrorIs(t, s.TryAcquire(1), ErrNoPermits)
	for want := 1; want <= 4; want++ {
		require.NoError(t, s.Release(1))
		require.Equal(t, want, s.Value())
	}
}

// S08, S10: with one there cannot, and a Release that would go beyond changes
// nothing.
func TestS08S10BoundedSemaphore(t *testing.T) {
	m, _ := newSem(t, "near", 2, 3)
	s := &m.s
	require.ErrorIs(t, s.Release(2), ErrOverflow)
	require.Equal(t, 2, s.Value())
	require.NoError(t, s.Release(1))
	require.ErrorIs(t, s.Release(1), ErrOverflow)
	require.ErrorIs(t, s.Release(math.MaxInt), ErrOverflow)
	require.NoError(t, s.TryAcquire(3))
	require.NoError(t, s.Release(3))
	require.Equal(t, 3, s.Value())

	m, _ = newSem(t, "near", semMax, 0)
	require.ErrorIs(t, m.s.Release(1), ErrOverflow)
	require.NoError(t, m.s.TryAcquire(semMax))
	require.Zero(t, m.s.Value())
	require.NoError(t, m.s.Release(semMax))
}

// S09, X14: a wait lasts as long as asked for, by the monotonic clock; a try
// does not wait. S15: an expired wait leaves everything as it was.
func TestS09S15X14SemaphoreTimeout(t *testing.T) {
	eachPlace(t, func(t *testing.T, place string) {
		m, f := newSem(t, place, 0, 3)
		s := &m.s
		for _, n := range []int{1, 2} {
			for _, d := range []time.Duration{0, time.Microsecond, 5 * time.Millisecond, 120 * time.Millisecond} {
				began := time.Now()
				require.ErrorIs(t, s.Acquire(timeout(t, d), n), context.DeadlineExceeded)
				require.GreaterOrEqual(t, time.Since(began), d)
			}
		}
		require.Equal(t, "Semaphore(0 of 3)", s.String())
		require.True(t, s.sem.turn.Free())
		require.NoError(t, s.Release(3))
		require.NoError(t, s.Acquire(timeout(t, -1), 1), "there is one, so nobody waits")
		require.NoError(t, s.Acquire(timeout(t, time.Hour), 2))
		other := semPeer(t, f, place)
		tell(other, "timed 3", "ETIMEDOUT")
	})
}

// X15: counts that cannot be are refused, and change nothing.
func TestX15ImpossibleCounts(t *testing.T) {
	m, _ := newSem(t, "near", 2, 3)
	s := &m.s
	for _, c := range [][2]int{{-1, 0}, {0, -1}, {2, 1}, {semMax + 1, 0}, {0, semMax + 1}, {math.MinInt, math.MaxInt}} {
		require.ErrorIs(t, s.Init(c[0], c[1]), ErrInvalid, "%v", c)
	}
	for _, n := range []int{0, -1, math.MinInt} {
		require.ErrorIs(t, s.Acquire(t.Context(), n), ErrInvalid, "%d", n)
		require.ErrorIs(t, s.TryAcquire(n), ErrInvalid, "%d", n)
		require.ErrorIs(t, s.Release(n), ErrInvalid, "%d", n)
	}
	for _, n := range []int{4, semMax, semMax + 1, math.MaxInt, 1<<32 + 1} {
		require.ErrorIs(t, s.Acquire(t.Context(), n), ErrInvalid, "%d can never be had", n)
		require.ErrorIs(t, s.TryAcquire(n), ErrInvalid, "%d", n)
		require.ErrorIs(t, s.Release(n), ErrOverflow, "%d", n)
	}
	require.Equal(t, 2, s.Value())
	require.NoError(t, s.Init(0, 0))
	require.NoError(t, s.Init(semMax, semMax))
}

func TestSemaphoreNeedsInit(t *testing.T) {
	var s Semaphore
	require.ErrorIs(t, s.Acquire(t.Context(), 1), ErrNotInitialized)
	require.ErrorIs(t, s.TryAcquire(2), ErrNotInitialized)
	require.ErrorIs(t, s.Release(1), ErrNotInitialized)
	require.Equal(t, "Semaphore(not initialized)", s.String())
	require.Zero(t, s.Value())
	require.NoError(t, s.Init(1, 1))
	require.NoError(t, s.Acquire(t.Context(), 1))
}

func TestSemaphoreMisaligned(t *testing.T) {
	if race.Enabled {
		t.Skip("under the race detector the compiler checks pointers and aborts before")
	}
	b := make([]byte, 128)
	at := func(off int) *Semaphore { return (*Semaphore)(unsafe.Add(unsafe.Pointer(&b[0]), off)) }
	for off := range 64 {
		if (uintptr(unsafe.Pointer(&b[0]))+uintptr(off))%8 == 0 {
			continue
		}
		require.ErrorIs(t, at(off).Init(1, 0), ErrInvalid)
	}
	off := -int(uintptr(unsafe.Pointer(&b[0])))&63 + 4 // within a line: atomics work
	b[off+8] = semShared
	require.ErrorIs(t, at(off).Acquire(t.Context(), 1), ErrInvalid, "it would have to sleep")
	require.ErrorIs(t, at(off).TryAcquire(1), ErrInvalid)
}

func TestSemaphoreReadOnly(t *testing.T) {
	_, f := newSem(t, "near", 2, 3)
	b, err := unix.Mmap(int(f.Fd()), 0, 4096, unix.PROT_READ, unix.MAP_SHARED)
	require.NoError(t, err)
	defer unix.Munmap(b)
	s := semaphoreAt(b)
	require.Equal(t, 2, s.Value())
	require.Equal(t, "Semaphore(2 of 3)", s.String())
	require.ErrorIs(t, s.TryAcquire(4), ErrInvalid)
	require.ErrorIs(t, s.Release(2), ErrOverflow)
	if race.Enabled {
		return // its atomics are C functions, in which a fault is the end
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	require.Panics(t, func() { _ = s.TryAcquire(1) })
	require.Panics(t, func() { _ = s.Release(1) })
}

// Whoever wants several gets all of them or none.
func TestSeveralPermits(t *testing.T) {
	eachPlace(t, func(t *testing.T, place string) {
		m, f := newSem(t, place, 4, 5)
		s := &m.s
		require.ErrorIs(t, s.TryAcquire(5), ErrNoPermits)
		waits := start(func() error { return s.Acquire(context.Background(), 5) })
		other := semPeer(t, f, place)
		await(t, func() bool { return semSleepers(s) == 1 })
		other.WriteLine("acquire 5")
		await(t, func() bool { return futexSleepers(s.sem.turn.Word()) == 1 })
		require.Equal(t, "Semaphore(4 of 5, 1 waiting)", s.String())
		tell(semPeer(t, f, place), "acquire 2", "OK") // nobody needs the turn for what is there
		require.NoError(t, s.Release(2))
		require.Empty(t, waits)
		require.NoError(t, s.Release(1))
		// One of the two takes all 5: the one without the turn may look just now.
		for range 5 {
			await(t, func() bool { return s.Release(1) == nil })
		}
		require.NoError(t, result(t, waits))
		other.Expect("OK")
		require.Equal(t, "Semaphore(0 of 5)", s.String())
	})
}

// A wake that reaches one who wants several is passed on to one who wants one.
func TestWakeIsPassedOn(t *testing.T) {
	m, f := newSem(t, "near", 0, 0)
	for range 20 {
		many, one := semPeer(t, f, "near"), semPeer(t, f, "foreign")
		many.WriteLine("acquire 3")
		await(t, func() bool { return semSleepers(&m.s) == 1 })
		one.WriteLine("acquire")
		await(t, func() bool { return semSleepers(&m.s) == 2 })
		require.NoError(t, m.s.Release(1)) // wakes the first
		one.Expect("OK")
		require.NoError(t, m.s.Release(2))
		require.NoError(t, m.s.Release(1))
		many.Expect("OK")
		many.CloseStdin()
		one.CloseStdin()
	}
}

func TestSemaphoreCancel(t *testing.T) {
	eachPlace(t, func(t *testing.T, place string) {
		for _, n := range []int{1, 2} {
			m, _ := newSem(t, place, 0, 0)
			s := &m.s
			ctx, cancel := context.WithCancel(t.Context())
			waits := start(func() error { return s.Acquire(ctx, n) })
			await(t, func() bool { return semSleepers(s) == 1 })
			stays := start(func() error { return s.Acquire(context.Background(), n) })
			cancel()
			require.ErrorIs(t, result(t, waits), context.Canceled)
			require.ErrorIs(t, s.Acquire(ctx, n), context.Canceled)
			require.Empty(t, stays)
			require.NoError(t, s.Release(n))
			require.NoError(t, result(t, stays))
			require.Equal(t, "Semaphore(0)", s.String())
		}
	})
}

// Whoever gives up at the moment of the wake passes it on.
func TestGivingUpLosesNoPermit(t *testing.T) {
	m, f := newSem(t, "near", 0, 0)
	other := semPeer(t, f, "near")
	for i := range 200 {
		ctx, cancel := context.WithCancel(t.Context())
		quits := start(func() error { return m.s.Acquire(ctx, 1) })
		other.WriteLine("acquire")
		await(t, func() bool { return semSleepers(&m.s) == 2 })
		if i%2 == 0 {
			go cancel()
			require.NoError(t, m.s.Release(1))
		} else {
			released := start(func() error { return m.s.Release(1) })
			cancel()
			require.NoError(t, result(t, released))
		}
		if err := result(t, quits); err == nil { // it was faster
			require.NoError(t, m.s.Release(1))
		}
		other.Expect("OK")
		cancel()
	}
	require.Equal(t, "Semaphore(0)", m.s.String())
}

// A thousand goroutines wait on one thread, and all get theirs.
func TestThousandWaiters(t *testing.T) {
	for _, n := range []int{1, 3} {
		m, _ := newSem(t, "near", 0, 0)
		const waiters = 1000
		var all sync.WaitGroup
		for range waiters {
			all.Go(func() {
				if err := m.s.Acquire(context.Background(), n); err != nil {
					t.Error(err)
				}
			})
		}
		await(t, func() bool { return semSleepers(&m.s) == 1 })
		for range waiters {
			require.NoError(t, m.s.Release(n))
		}
		testproc.Within(t, all.Wait)
		require.Zero(t, m.s.Value())
	}
}

// The goroutines of one process, on a semaphore of the heap, where the race
// detector looks: Release synchronizes before the Acquire that follows it.
func TestSemaphoreSynchronizes(t *testing.T) {
	var s Semaphore
	require.NoError(t, s.Init(2, 2))
	n := 0
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			for range 100 {
				if err := s.Acquire(context.Background(), 2); err != nil {
					t.Error(err)
					return
				}
				n++
				if err := s.Release(2); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	testproc.Within(t, all.Wait)
	require.Equal(t, 2000, n)
}

// Go, C and Python count with a plain variable: see also TestPython.
func TestSemaphoreExcludes(t *testing.T) {
	m, f := newSem(t, "near", 1, 1)
	ps := []*testproc.Proc{semPeer(t, f, "near"), semPeer(t, f, "foreign"), semPeerC(t, f), semPeerC(t, f)}
	const n = 5000
	for _, p := range ps {
		p.WriteLine("count %d", n)
	}
	for _, p := range ps {
		p.Expect("OK")
	}
	require.EqualValues(t, len(ps)*n, m.counter)
	require.Equal(t, "Semaphore(1 of 1)", m.s.String())
}
