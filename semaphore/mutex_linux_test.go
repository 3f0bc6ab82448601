//go:build !explore

package semaphore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"
	"unsafe"

	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/stretchr/testify/require"
)

const notHeld = "semaphore: unlock of a mutex that this process does not hold"

// S01: lock, try to lock, unlock, unlock once too often.
func TestS01Lock(t *testing.T) {
	eachPlace(t, func(t *testing.T, place string) {
		m, f := newMemory(t, place)
		mu := &m.mu[0]
		other := startPeer(t, f, place)
		for range 3 {
			require.NoError(t, mu.Lock())
			require.ErrorIs(t, mu.TryLock(), ErrLocked)
			tell(other, "trylock", "EBUSY")
			mu.Unlock()
			require.PanicsWithValue(t, notHeld, mu.Unlock)
			require.NoError(t, mu.TryLock())
			require.ErrorIs(t, mu.TryLock(), ErrLocked)
			mu.Unlock()
			tell(other, "trylock", "OK")
			require.ErrorIs(t, mu.TryLock(), ErrLocked)
			require.PanicsWithValue(t, notHeld, mu.Unlock, "another process holds it")
			tell(other, "unlock", "OK")
		}
	})
}

func TestZeroMutexIsReady(t *testing.T) {
	var heap Mutex // a plain variable is a mutex, too
	require.NoError(t, heap.Lock())
	require.ErrorIs(t, heap.TryLock(), ErrLocked)
	heap.Unlock()
	require.EqualValues(t, 48, unsafe.Sizeof(heap))
	require.EqualValues(t, 8, unsafe.Alignof(heap))
}

// S12: what one goroutine has locked, another one may unlock; but no other
// process, which is what makes the death of the owner known.
func TestS12AnotherGoroutineUnlocks(t *testing.T) {
	eachPlace(t, func(t *testing.T, place string) {
		m, _ := newMemory(t, place)
		require.NoError(t, m.mu[0].Lock())
		require.NoError(t, result(t, start(func() error { m.mu[0].Unlock(); return nil })))
		require.NoError(t, m.mu[0].TryLock())
		m.mu[0].Unlock()
	})
}

// S15: an attempt whose time is over leaves the lock as usable as it was.
func TestS15ExpiredAttempt(t *testing.T) {
	eachPlace(t, func(t *testing.T, place string) {
		m, f := newMemory(t, place)
		mu := &m.mu[0]
		other := startPeer(t, f, place)
		tell(other, "lock", "OK")
		for range 3 {
			require.ErrorIs(t, mu.LockContext(timeout(t, time.Millisecond)), context.DeadlineExceeded)
			require.ErrorIs(t, mu.LockRepair(timeout(t, time.Millisecond), nil), context.DeadlineExceeded)
		}
		tell(other, "unlock", "OK")
		require.NoError(t, mu.LockContext(timeout(t, time.Hour)))
		tell(other, "trylock", "EBUSY")
		mu.Unlock()
		tell(other, "lock", "OK")
		tell(other, "unlock", "OK")
	})
}

// X14: time that a wait takes is monotonic time, and never less than asked for.
func TestX14Deadline(t *testing.T) {
	m, _ := newMemory(t, "near")
	require.NoError(t, m.mu[0].Lock())
	for _, d := range []time.Duration{time.Microsecond, 5 * time.Millisecond, 40 * time.Millisecond} {
		began := time.Now()
		require.ErrorIs(t, m.mu[0].LockContext(timeout(t, d)), context.DeadlineExceeded)
		require.GreaterOrEqual(t, time.Since(began), d)
	}
	m.mu[0].Unlock()
}

func TestCancel(t *testing.T) {
	eachPlace(t, func(t *testing.T, place string) {
		m, _ := newMemory(t, place)
		require.NoError(t, m.mu[0].Lock())
		ctx, cancel := context.WithCancel(t.Context())
		waits := start(func() error { return m.mu[0].LockContext(ctx) })
		stays := start(m.mu[0].Lock)
		awaitSleepers(t, &m.mu[0], 1)
		cancel()
		require.ErrorIs(t, result(t, waits), context.Canceled)
		require.ErrorIs(t, m.mu[0].LockContext(ctx), context.Canceled, "held, and cancelled before")
		require.Empty(t, stays)
		m.mu[0].Unlock()
		require.NoError(t, result(t, stays))
		m.mu[0].Unlock()
	})
}

// Whoever gives up at the moment of the wake passes it on.
func TestGivingUpLosesNoWake(t *testing.T) {
	m, f := newMemory(t, "near")
	other := startPeer(t, f, "near")
	for i := range 200 {
		require.NoError(t, m.mu[0].Lock())
		ctx, cancel := context.WithCancel(t.Context())
		quits := start(func() error {
			err := m.mu[0].LockContext(ctx)
			if err == nil {
				m.mu[0].Unlock()
			}
			return err
		})
		other.WriteLine("lock")
		await(t, func() bool { return sleepers(&m.mu[0]) >= 1 })
		if i%2 == 0 {
			go cancel()
			m.mu[0].Unlock()
		} else {
			go m.mu[0].Unlock()
			cancel()
		}
		if err := result(t, quits); err != nil {
			require.ErrorIs(t, err, context.Canceled)
		}
		other.Expect("OK")
		tell(other, "unlock", "OK")
		cancel()
	}
}

func TestOwnerAndString(t *testing.T) {
	eachPlace(t, func(t *testing.T, place string) {
		m, f := newMemory(t, place)
		mu := &m.mu[0]
		_, held := mu.Owner()
		require.False(t, held)
		require.Equal(t, "Mutex(free)", mu.String())
		require.NoError(t, mu.Lock())
		pid, held := mu.Owner()
		require.True(t, held)
		require.Equal(t, os.Getpid(), pid)
		mu.Unlock()
		other := startPeer(t, f, place)
		tell(other, "lock", "OK")
		pid, held = mu.Owner()
		require.True(t, held)
		require.Equal(t, other.PID, pid)
		require.Equal(t, fmt.Sprintf("Mutex(held by pid %d)", other.PID), fmt.Sprint(mu))
		other.Kill()
		await(t, func() bool { _, held := mu.Owner(); return !held })
		require.Equal(t, "Mutex(owner died)", mu.String())
	})
}

// Four processes count with a plain variable.
func TestMutualExclusion(t *testing.T) {
	m, f := newMemory(t, "near")
	const n = 3000
	var ps []*testproc.Proc
	for i := range 4 {
		p := startPeer(t, f, places[i%2])
		p.WriteLine("count %d", n)
		ps = append(ps, p)
	}
	for _, p := range ps {
		p.Expect("OK")
	}
	require.EqualValues(t, len(ps)*n, m.counter)
}

// The goroutines of one process, on a mutex of the heap, where the race
// detector looks: the n'th Unlock synchronizes before the m'th Lock.
func TestGoroutinesOfOneProcess(t *testing.T) {
	var mu Mutex
	n := 0
	var all sync.WaitGroup
	for i := range 50 {
		all.Go(func() {
			for range 100 {
				err := mu.Lock()
				if i%2 == 0 {
					for err != nil {
						err = mu.LockContext(t.Context())
					}
				}
				if err != nil {
					t.Error(err)
					return
				}
				n++
				mu.Unlock()
			}
		})
	}
	testproc.Within(t, all.Wait)
	require.Equal(t, 5000, n)
}

// While it is stopped, the owner has the lock, and everybody else can give up.
func TestStoppedOwnerKeepsTheLock(t *testing.T) {
	eachPlace(t, func(t *testing.T, place string) {
		m, f := newMemory(t, place)
		mu := &m.mu[0]
		p := startPeer(t, f, place)
		tell(p, "lock", "OK")
		require.True(t, p.Stop())
		waits := start(mu.Lock)
		require.ErrorIs(t, mu.TryLock(), ErrLocked)
		require.ErrorIs(t, mu.LockContext(timeout(t, 120*time.Millisecond)), context.DeadlineExceeded) // two looks
		require.ErrorIs(t, mu.LockRepair(timeout(t, time.Millisecond), func() error {
			return errors.New("repair of a living owner's data")
		}), context.DeadlineExceeded)
		require.Empty(t, waits)
		p.Cont()
		tell(p, "unlock", "OK")
		require.NoError(t, result(t, waits))
		mu.Unlock()
	})
}

// A waiter that is stopped blocks nobody, even with the wake in its hands.
func TestStoppedWaiterBlocksNobody(t *testing.T) {
	for range 5 {
		m, f := newMemory(t, "near")
		require.NoError(t, m.mu[0].Lock())
		first := startPeer(t, f, "near")
		first.WriteLine("lock")
		awaitSleepers(t, &m.mu[0], 1)
		second := startPeer(t, f, "near")
		second.WriteLine("lock")
		awaitSleepers(t, &m.mu[0], 2)
		require.True(t, first.Stop())
		m.mu[0].Unlock() // wakes the first
		second.Expect("OK")
		tell(second, "unlock", "OK")
		first.Cont()
		first.Expect("OK")
	}
}

func TestForget(t *testing.T) {
	eachPlace(t, func(t *testing.T, place string) {
		m, _ := newMemory(t, place)
		b := unsafe.Slice((*byte)(unsafe.Pointer(m)), unsafe.Sizeof(*m))
		require.NoError(t, m.mu[1].Lock())
		require.ErrorIs(t, Forget(b), ErrBusy)
		require.NoError(t, Forget(b[:48]))
		m.mu[1].Unlock()
		require.NoError(t, Forget(b))
		require.NoError(t, m.mu[1].Lock())
		m.mu[1].Unlock()
	})
}
