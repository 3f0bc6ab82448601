//go:build !explore

package semaphore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/shmkit/shmkit/internal/mem"
	"github.com/shmkit/shmkit/internal/robust"
	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/stretchr/testify/require"
)

// S07, S08, S10: the count goes down and up, and not beyond the total.
func TestPermitsCount(t *testing.T) {
	eachPlace(t, func(t *testing.T, place string) {
		m, f := newPermits(t, place, 3)
		p, ctx := &m.p, t.Context()
		require.Equal(t, 3, p.Available())
		require.Equal(t, 3, p.Total())
		require.Empty(t, p.Holders())
		require.Equal(t, "Permits(3 of 3 free)", p.String())
		require.ErrorIs(t, p.Release(1), ErrNotHeld)

		require.NoError(t, p.Acquire(ctx, 2))
		require.Equal(t, 1, p.Available())
		require.Equal(t, ErrNoPermits, p.TryAcquire(2))
		require.NoError(t, p.TryAcquire(1))
		require.Equal(t, ErrNoPermits, p.TryAcquire(1))
		require.Equal(t, []PermitHolder{{os.Getpid(), 3}}, p.Holders())
		require.Equal(t, fmt.Sprintf("Permits(0 of 3 free, 3 held by pid %d)", os.Getpid()), p.String())
		require.ErrorIs(t, p.Release(4), ErrNotHeld)
		require.Equal(t, 0, p.Available())

		// They belong to the process, not to a goroutine, and to no other process.
		peer := permitsPeer(t, f, place)
		tell(peer, "release 1", "not held")
		require.NoError(t, result(t, start(func() error { return p.Release(1) })))
		tell(peer, "release 1", "not held")
		tell(peer, "try 1", "OK")
		require.ElementsMatch(t, []PermitHolder{{os.Getpid(), 2}, {peer.PID, 1}}, p.Holders())
		tell(peer, "release 2", "not held")
		tell(peer, "release 1", "OK")
		require.NoError(t, p.Release(2))
		require.Equal(t, 3, p.Available())
		require.Empty(t, p.Holders())
	})
}

// X15: counts that cannot be are rejected and change nothing.
func TestPermitsArguments(t *testing.T) {
	m, _ := newPermits(t, "near", 3)
	p := &m.p
	for _, n := range []int{0, -1, 1 << 24, -1 << 63} {
		require.ErrorIs(t, p.Init(n), os.ErrInvalid)
	}
	for _, k := range []int{0, -1, 4, 1 << 24, 1 << 32, 1<<32 + 1, 1<<63 - 1, -1 << 63} {
		require.ErrorIs(t, p.Acquire(t.Context(), k), os.ErrInvalid, k)
		require.ErrorIs(t, p.TryAcquire(k), os.ErrInvalid, k)
		if k < 1 {
			require.ErrorIs(t, p.Release(k), os.ErrInvalid, k)
		} else {
			require.ErrorIs(t, p.Release(k), ErrNotHeld, k)
		}
	}
	require.Equal(t, 3, p.Available())
	require.NoError(t, p.Init(permitsMax))
	require.NoError(t, p.TryAcquire(permitsMax))
	require.NoError(t, p.Release(permitsMax))

	b := make([]byte, unsafe.Sizeof(*p)+8)
	odd := (*Permits)(unsafe.Pointer(&b[1-uintptr(unsafe.Pointer(&b[0]))%8+0]))
	require.ErrorIs(t, odd.Init(1), os.ErrInvalid)
	require.ErrorIs(t, odd.TryAcquire(1), os.ErrInvalid)
	odd = (*Permits)(unsafe.Add(unsafe.Pointer(p), 4)) // across one that is in use
	require.ErrorIs(t, odd.TryAcquire(1), os.ErrInvalid)
}

func TestPermitsNotInitialized(t *testing.T) {
	eachPlace(t, func(t *testing.T, place string) {
		f := newFile(t, permitsMemorySize)
		m, b, unmap := permitsMap(t, f, place)
		p := &m.p
		require.ErrorIs(t, p.Acquire(t.Context(), 1), ErrNotInitialized)
		require.ErrorIs(t, p.TryAcquire(1), ErrNotInitialized)
		require.ErrorIs(t, p.Release(1), ErrNotInitialized)
		require.Zero(t, p.Available())
		require.Zero(t, p.Total())
		require.Empty(t, p.Holders())
		require.Equal(t, "Permits(not initialized)", p.String())
		zero := make([]byte, permitsMemorySize)
		require.Equal(t, zero, b, "it was changed")
		require.NoError(t, p.Init(1))
		require.NoError(t, p.TryAcquire(1))
		require.NoError(t, p.Init(2)) // anew, whatever was there
		require.NoError(t, p.TryAcquire(2))
		require.NoError(t, p.Release(2))
		require.NoError(t, Forget(b))
		require.NoError(t, unmap())
	})
}

// S09, X14: a wait ends with its context, and takes nothing then. What is there
// is taken even with a context that has ended.
func TestPermitsContext(t *testing.T) {
	eachPlace(t, func(t *testing.T, place string) {
		m, f := newPermits(t, place, 2)
		p := &m.p
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		require.NoError(t, p.Acquire(gone, 1))
		require.ErrorIs(t, p.Acquire(gone, 2), context.Canceled)
		require.ErrorIs(t, p.Acquire(timeout(t, 5*time.Millisecond), 2), context.DeadlineExceeded)
		ctx, cancel := context.WithCancel(t.Context())
		waits := start(func() error { return p.Acquire(ctx, 2) })
		awaitPermitsSleepers(t, p, 1)
		cancel()
		require.ErrorIs(t, result(t, waits), context.Canceled)
		require.Equal(t, 1, p.Available())

		peer := permitsPeer(t, f, place)
		peer.WriteLine("acquire 2")
		awaitPermitsSleepers(t, p, 1)
		require.NoError(t, p.Release(1))
		peer.Expect("OK")
		waits = start(func() error { return p.Acquire(t.Context(), 1) })
		awaitPermitsSleepers(t, p, 1)
		tell(peer, "release 1", "OK")
		require.NoError(t, result(t, waits))
		require.NoError(t, p.Release(1))
		tell(peer, "release 1", "OK")
		require.Equal(t, 2, p.Available())
	})
}

// S07: processes contend, and no permit is lost or won.
func TestPermitsConservation(t *testing.T) {
	m, f := newPermits(t, "near", 5)
	var ps []*testproc.Proc
	for i := range 4 {
		p := permitsPeer(t, f, places[i%2])
		p.WriteLine("churn 3000")
		ps = append(ps, p)
	}
	require.NoError(t, permitsChurn(&m.p, 3000))
	for _, p := range ps {
		p.Expect("OK")
	}
	require.Equal(t, 5, m.p.Available())
	require.Empty(t, m.p.Holders())
}

func TestPermitsThousandGoroutines(t *testing.T) {
	eachPlace(t, func(t *testing.T, place string) {
		m, _ := newPermits(t, place, 5)
		var inside, done atomic.Int32
		var all sync.WaitGroup
		require.NoError(t, m.p.TryAcquire(5))
		for i := range 1000 {
			all.Go(func() {
				k := 1 + i%5
				err := m.p.Acquire(context.Background(), k)
				if err == nil && inside.Add(int32(k)) <= 5 {
					done.Add(1)
				}
				inside.Add(int32(-k))
				if err == nil {
					_ = m.p.Release(k) // what got lost shows in the end
				}
			})
		}
		awaitPermitsSleepers(t, &m.p, 1)
		require.NoError(t, m.p.Release(5))
		testproc.Within(t, all.Wait)
		require.EqualValues(t, 1000, done.Load())
		require.Equal(t, 5, m.p.Available())
	})
}

// Those who want few go on though one who wants many sleeps in front of them, in
// the same process and in others.
func TestPermitsBigAndSmall(t *testing.T) {
	m, f := newPermits(t, "near", 10)
	p := &m.p
	require.NoError(t, p.TryAcquire(10))
	big := start(func() error { return p.Acquire(t.Context(), 10) })
	awaitPermitsSleepers(t, p, 1)
	other := permitsPeer(t, f, "foreign")
	other.WriteLine("acquire 9")
	awaitPermitsSleepers(t, p, 2)
	small := start(func() error { return p.Acquire(t.Context(), 1) })
	peer := permitsPeer(t, f, "near")
	peer.WriteLine("acquire 1")
	awaitPermitsSleepers(t, p, 3)

	require.NoError(t, p.Release(2))
	require.NoError(t, result(t, small))
	peer.Expect("OK")
	require.Zero(t, p.Available())
	require.NoError(t, p.Release(9))
	other.Expect("OK")
	tell(other, "release 9", "OK")
	tell(peer, "release 1", "OK")
	require.NoError(t, result(t, big))
	require.Equal(t, []PermitHolder{{os.Getpid(), 10}}, p.Holders())
	require.NoError(t, p.Release(10))
}

// A call that got lost: the look finds free permits for somebody who is not the
// one that sleeps in the kernel for all of his process.
func TestPermitsLostCall(t *testing.T) {
	m, _ := newPermits(t, "near", 3)
	p := &m.p
	require.NoError(t, p.TryAcquire(3))
	ctx, cancel := context.WithCancel(t.Context())
	big := start(func() error { return p.Acquire(ctx, 3) })
	awaitPermitsSleepers(t, p, 1)
	small := start(func() error { return p.Acquire(ctx, 1) })
	l, err := p.local()
	require.NoError(t, err)
	l.mu.Unlock()
	await(t, func() bool { return l.least.Load() == 1 })
	p.m.bell.Store(p.m.bell.Load() &^ permitsSleepers) // nobody is called
	require.NoError(t, p.Release(1))
	require.NoError(t, result(t, small))
	cancel()
	require.ErrorIs(t, result(t, big), context.Canceled)
	require.NoError(t, p.Release(3))
}

func TestPermitsForget(t *testing.T) {
	eachPlace(t, func(t *testing.T, place string) {
		f := newFile(t, permitsMemorySize)
		m, b, unmap := permitsMap(t, f, place)
		p := &m.p
		require.NoError(t, p.Init(2))
		require.NoError(t, Forget(b)) // nothing to give back
		require.NoError(t, p.TryAcquire(2))
		require.ErrorIs(t, Forget(b), ErrBusy)
		require.NoError(t, p.Release(1))
		require.ErrorIs(t, Forget(b), ErrBusy)
		require.NoError(t, p.Release(1))
		for range 3 {
			require.NoError(t, Forget(b))
			require.Zero(t, p.m.seats[0].cell.Word.Load(), "the seat is not given back")
			require.ErrorIs(t, p.Release(1), ErrNotHeld)
			require.NoError(t, p.TryAcquire(1))
			require.NoError(t, p.Release(1))
		}
		peer := permitsPeer(t, f, place)
		tell(peer, "try 2", "OK")
		ctx, cancel := context.WithCancel(t.Context())
		waits := start(func() error { return p.Acquire(ctx, 1) })
		awaitPermitsSleepers(t, p, 1)
		require.ErrorIs(t, Forget(b), ErrBusy, "somebody waits")
		cancel()
		require.ErrorIs(t, result(t, waits), context.Canceled)
		tell(peer, "forget", "busy")
		tell(peer, "release 2", "OK")
		tell(peer, "forget", "OK")
		require.NoError(t, Forget(b))
		require.Equal(t, 2, p.Available())
		require.NoError(t, unmap())
	})
}

// Many goroutines use the permits while another one forgets them.
func TestPermitsForgetWhileInUse(t *testing.T) {
	f := newFile(t, permitsMemorySize)
	m, b, unmap := permitsMap(t, f, "near")
	require.NoError(t, m.p.Init(2))
	var all sync.WaitGroup
	var failed atomic.Value
	for range 4 {
		all.Go(func() {
			if err := permitsPass(&m.p, 300); err != nil {
				failed.Store(err)
			}
		})
	}
	for range 200 {
		if err := Forget(b); err != nil {
			require.ErrorIs(t, err, ErrBusy)
		}
	}
	testproc.Within(t, all.Wait)
	require.Nil(t, failed.Load())
	require.NoError(t, Forget(b))
	require.Equal(t, 2, m.p.Available())
	require.NoError(t, unmap())
}

func permitsPass(p *Permits, n int) error {
	for range n {
		if err := p.Acquire(context.Background(), 1); err != nil {
			return err
		}
		if err := p.Release(1); err != nil {
			return err
		}
	}
	return nil
}

// Closing is forgetting: not while the process has permits, and nothing is left
// to be called afterwards.
func TestPermitsClose(t *testing.T) {
	f := newFile(t, permitsMemorySize)
	m, err := mem.Map(f, permitsMemorySize, mem.Options{})
	require.NoError(t, err)
	p := &(*permitsMemory)(unsafe.Pointer(&m.Bytes()[0])).p
	require.NoError(t, p.Init(2))
	require.NoError(t, p.TryAcquire(1))
	require.ErrorIs(t, robust.Unmap(m), ErrBusy)
	require.NoError(t, p.Release(1))
	require.NoError(t, robust.Unmap(m))
	require.ErrorIs(t, p.TryAcquire(1), ErrClosed)
	require.ErrorIs(t, p.Acquire(t.Context(), 1), ErrClosed)
	require.ErrorIs(t, p.Release(1), ErrNotInitialized)
	require.Zero(t, p.Available())
}

// 64 holders, and one too many: each mapping is one.
func TestPermitsTooManyProcesses(t *testing.T) {
	m, f := newPermits(t, "near", 100)
	var ms []*permitsMemory
	for i := range permitsSeats - 1 {
		other, b, unmap := permitsMap(t, f, places[i%2])
		require.NoError(t, other.p.TryAcquire(1))
		ms = append(ms, other)
		t.Cleanup(func() {
			require.NoError(t, Forget(b))
			require.NoError(t, unmap())
		})
	}
	peer := permitsPeer(t, f, "near")
	tell(peer, "try 1", "OK")
	require.ErrorIs(t, m.p.TryAcquire(1), ErrTooManyProcesses)
	require.ErrorIs(t, m.p.Acquire(t.Context(), 1), ErrTooManyProcesses)
	require.ErrorIs(t, m.p.Release(1), ErrNotHeld)
	require.Len(t, m.p.Holders(), permitsSeats)
	require.Equal(t, 100-permitsSeats, m.p.Available())
	peer.Kill()
	await(t, func() bool { // it does not end at once
		err := m.p.TryAcquire(1)
		require.True(t, err == nil || errors.Is(err, ErrTooManyProcesses), err)
		return err == nil
	})
	require.NoError(t, m.p.Release(1))
	for _, other := range ms {
		require.NoError(t, other.p.Release(1))
	}
	require.Equal(t, 100, m.p.Available())
}
