//go:build !explore

package semaphore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"

	"github.com/shmkit/shmkit/internal/robust"
	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/stretchr/testify/require"
)

const recursiveNotHeld = "semaphore: unlock of a recursive mutex that this holder does not hold"

// recursive is the lock that lies where the memory of the other tests has mu[0].
func (m *memory) recursive() *RecursiveMutex { return (*RecursiveMutex)(unsafe.Pointer(&m.mu[0])) }

func newRecursive(t testing.TB, place string) (*RecursiveMutex, *memory, *os.File) {
	m, f := newMemory(t, place)
	m.recursive().Init()
	return m.recursive(), m, f
}

// recursive.peer is "peer" with a holder. Args: place.
var _ = testproc.Helper("recursive.peer", func(c *testproc.Child) {
	m, _, _ := mapMemory(c, c.Files[0], c.Args[0])
	h := m.recursive().Holder()
	for {
		var err error
		cmd, arg, _ := strings.Cut(c.ReadLine(), " ")
		switch cmd {
		case "lock":
			err = h.Lock()
		case "trylock":
			err = h.TryLock()
		case "unlock":
			h.Unlock()
		case "repair":
			err = h.LockRepair(context.Background(), func() error { return nil })
		case "count":
			n, _ := strconv.Atoi(arg)
			for i := range n {
				if err = recursiveCount(m, h, i%4); err != nil {
					break
				}
			}
		}
		c.WriteLine("%s", nameOf(err))
	}
})

// recursiveCount counts once, that many levels deep in the lock.
func recursiveCount(m *memory, h *Holder, levels int) error {
	if err := h.Lock(); err != nil {
		return err
	}
	defer h.Unlock()
	if levels > 0 {
		return recursiveCount(m, h, levels-1)
	}
	m.counter++
	return nil
}

func recursivePeer(t *testing.T, f *os.File, place string) *testproc.Proc {
	return testproc.Start(t, "recursive.peer", testproc.Files(f), testproc.Args(place))
}

// S02: three times locked, three times unlocked, and a fourth time is once too
// often. S04: until the last, everybody sees that it is locked.
func TestS02RecursiveLock(t *testing.T) {
	eachPlace(t, func(t *testing.T, place string) {
		m, _, f := newRecursive(t, place)
		other := recursivePeer(t, f, place)
		h := m.Holder()
		ways := []func() error{h.Lock, h.TryLock, func() error { return h.LockContext(t.Context()) },
			func() error { return h.LockRepair(t.Context(), nil) }}
		for _, first := range ways {
			require.NoError(t, first())
			for i, again := range ways {
				require.Equal(t, i+1, h.Depth())
				require.NoError(t, again())
			}
			for depth := len(ways) + 1; depth > 0; depth-- {
				require.Equal(t, depth, h.Depth())
				_, held := m.Owner()
				require.True(t, held)
				tell(other, "trylock", "EBUSY")
				h.Unlock()
			}
			_, held := m.Owner()
			require.False(t, held)
			require.Zero(t, h.Depth())
			require.PanicsWithValue(t, recursiveNotHeld, h.Unlock)
			tell(other, "trylock", "OK")
			tell(other, "unlock", "OK")
		}
	})
}

// S03: a section that locks again what its caller has locked.
func TestS03RecursiveSection(t *testing.T) {
	m, _, _ := newRecursive(t, "near")
	with := func(h *Holder, f func()) error {
		if err := h.Lock(); err != nil {
			return err
		}
		defer h.Unlock()
		f()
		return nil
	}
	h := m.Holder()
	require.NoError(t, with(h, func() {
		require.NoError(t, with(h, func() { require.Equal(t, 2, h.Depth()) }))
		require.Equal(t, 1, h.Depth())
	}))
	require.Panics(t, func() { _ = with(h, func() { panic("in the section") }) })
	require.Zero(t, h.Depth())
	require.Equal(t, "RecursiveMutex(free)", m.String())
}

// S13: what one holder has, no other one gets, be it in the same goroutine.
func TestS13RecursiveOtherHolder(t *testing.T) {
	eachPlace(t, func(t *testing.T, place string) {
		m, _, _ := newRecursive(t, place)
		h, other := m.Holder(), m.Holder()
		require.NoError(t, h.Lock())
		require.NoError(t, h.Lock())
		require.ErrorIs(t, other.TryLock(), ErrLocked)
		require.ErrorIs(t, other.LockContext(timeout(t, time.Millisecond)), context.DeadlineExceeded)
		require.ErrorIs(t, other.LockRepair(timeout(t, time.Millisecond), nil), context.DeadlineExceeded)
		require.PanicsWithValue(t, recursiveNotHeld, other.Unlock)
		require.Zero(t, other.Depth())
		waits := start(other.Lock)
		awaitSleepers(t, &m.mutex, 1)
		h.Unlock()
		require.Empty(t, waits)
		h.Unlock()
		require.NoError(t, result(t, waits))
		require.ErrorIs(t, h.TryLock(), ErrLocked)
		other.Unlock()
	})
}

// S14: unlocking what is not held is misuse, before and after balanced use.
func TestS14RecursiveUnlock(t *testing.T) {
	m, _, f := newRecursive(t, "near")
	h := m.Holder()
	require.PanicsWithValue(t, recursiveNotHeld, h.Unlock)
	for range 2 {
		require.NoError(t, h.Lock())
	}
	for range 2 {
		h.Unlock()
	}
	require.PanicsWithValue(t, recursiveNotHeld, h.Unlock)
	other := recursivePeer(t, f, "near")
	tell(other, "lock", "OK")
	require.PanicsWithValue(t, recursiveNotHeld, h.Unlock)
	tell(other, "unlock", "OK")
}

// S05, S06: String names the process and the number of times.
func TestS06RecursiveString(t *testing.T) {
	eachPlace(t, func(t *testing.T, place string) {
		m, _, f := newRecursive(t, place)
		require.Equal(t, "RecursiveMutex(free)", m.String())
		h := m.Holder()
		require.NoError(t, h.Lock())
		require.Equal(t, fmt.Sprintf("RecursiveMutex(held by pid %d, once)", os.Getpid()), m.String())
		require.NoError(t, h.Lock())
		require.Equal(t, fmt.Sprintf("RecursiveMutex(held by pid %d, 2 times)", os.Getpid()), m.String())
		h.Unlock()
		h.Unlock()
		other := recursivePeer(t, f, place)
		for range 3 {
			tell(other, "lock", "OK")
		}
		pid, held := m.Owner()
		require.True(t, held)
		require.Equal(t, other.PID, pid)
		require.Equal(t, fmt.Sprintf("RecursiveMutex(held by pid %d, 3 times)", other.PID), fmt.Sprint(m))
		other.Kill()
		await(t, func() bool { return m.String() == "RecursiveMutex(owner died)" })
	})
}

// S16, X14: whoever waits can be called back, and leaves the lock usable (S15).
func TestS16RecursiveCancel(t *testing.T) {
	m, _, f := newRecursive(t, "near")
	other, h := recursivePeer(t, f, "near"), m.Holder()
	tell(other, "lock", "OK")
	ctx, cancel := context.WithCancel(t.Context())
	waits := start(func() error { return h.LockContext(ctx) })
	awaitSleepers(t, &m.mutex, 1)
	cancel()
	require.ErrorIs(t, result(t, waits), context.Canceled)
	require.Zero(t, h.Depth())
	began := time.Now()
	require.ErrorIs(t, h.LockContext(timeout(t, 5*time.Millisecond)), context.DeadlineExceeded)
	require.GreaterOrEqual(t, time.Since(began), 5*time.Millisecond)
	tell(other, "unlock", "OK")
	require.NoError(t, h.Lock())
	require.NoError(t, h.LockContext(ctx), "no wait, nothing to cancel")
	h.Unlock()
	h.Unlock()
}

func TestRecursiveZeroIsReady(t *testing.T) {
	var m RecursiveMutex
	h := m.Holder()
	for range 2 {
		require.NoError(t, h.Lock())
		require.NoError(t, h.Lock())
		h.Unlock()
		h.Unlock()
	}
	require.EqualValues(t, 48, unsafe.Sizeof(m))
}

// One level too many is an error, and changes nothing.
func TestRecursiveDepthOverflow(t *testing.T) {
	m, _, _ := newRecursive(t, "near")
	h := m.Holder()
	require.NoError(t, h.Lock())
	h.depth = maxDepth - 1
	require.NoError(t, h.Lock())
	for _, lock := range []func() error{h.Lock, h.TryLock, func() error { return h.LockContext(t.Context()) }} {
		require.ErrorIs(t, lock(), ErrOverflow)
		require.EqualValues(t, uint32(maxDepth), h.Depth())
	}
	h.depth = 1
	h.Unlock()
	require.NoError(t, h.TryLock())
	h.Unlock()
}

// Four processes count with a plain variable, at changing depths.
func TestRecursiveMutualExclusion(t *testing.T) {
	_, m, f := newRecursive(t, "near")
	const n = 3000
	var ps []*testproc.Proc
	for i := range 4 {
		p := recursivePeer(t, f, places[i%2])
		p.WriteLine("count %d", n)
		ps = append(ps, p)
	}
	for _, p := range ps {
		p.Expect("OK")
	}
	require.EqualValues(t, len(ps)*n, m.counter)
}

// Holders of one process, on a lock of the heap, where the race detector looks.
func TestRecursiveGoroutines(t *testing.T) {
	var m RecursiveMutex
	n := 0
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			h := m.Holder()
			for range 100 {
				if err := errors.Join(h.Lock(), h.Lock()); err != nil {
					t.Error(err)
					return
				}
				n++
				h.Unlock()
				n++
				h.Unlock()
			}
		})
	}
	testproc.Within(t, all.Wait)
	require.Equal(t, 4000, n)
}

// What Cond needs: all levels go and come back.
func TestRecursiveReleaseRestore(t *testing.T) {
	m, _, f := newRecursive(t, "near")
	other, h := recursivePeer(t, f, "near"), m.Holder()
	_, err := h.release()
	require.ErrorIs(t, err, ErrNotHeld)
	for range 3 {
		require.NoError(t, h.Lock())
	}
	tell(other, "trylock", "EBUSY")
	levels, err := h.release()
	require.NoError(t, err)
	require.Equal(t, 3, levels)
	require.Zero(t, h.Depth())
	tell(other, "lock", "OK")
	_, err = h.release()
	require.ErrorIs(t, err, ErrNotHeld, "another process has it")
	back := start(func() error { return h.restore(levels) })
	awaitSleepers(t, &m.mutex, 1)
	tell(other, "unlock", "OK")
	require.NoError(t, result(t, back))
	require.Equal(t, 3, h.Depth())
	require.Contains(t, m.String(), "3 times")
	for range 3 {
		tell(other, "trylock", "EBUSY")
		h.Unlock()
	}
	tell(other, "lock", "OK")
	other.Kill()
	await(t, func() bool { return errors.Is(h.TryLock(), ErrOwnerDied) })
	require.ErrorIs(t, h.restore(3), ErrOwnerDied)
	require.Zero(t, h.Depth())

	mem, _ := newMemory(t, "near")
	mu := &mem.mu[1]
	_, err = mu.release()
	require.ErrorIs(t, err, ErrNotHeld)
	require.NoError(t, mu.Lock())
	levels, err = mu.release()
	require.NoError(t, err)
	require.NoError(t, mu.TryLock())
	mu.Unlock()
	require.NoError(t, mu.restore(levels))
	require.ErrorIs(t, mu.TryLock(), ErrLocked)
	mu.Unlock()
}

func TestRecursiveInit(t *testing.T) {
	m, mem, _ := newRecursive(t, "near")
	require.EqualValues(t, robust.KindRobustRecursive, m.mutex.cell.Kind.Load())
	*bytesOf(&mem.mu[0]) = [48]byte{0: 1, 4: 9, 8: 0xfe, 9: 0xff, 10: 0xff, 11: 0x7f}
	m.Init()
	h := m.Holder()
	require.NoError(t, h.TryLock())
	h.Unlock()
	require.Equal(t, "RecursiveMutex(free)", m.String())
}
