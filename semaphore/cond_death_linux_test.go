//go:build !explore

package semaphore

import (
	"context"
	"testing"
	"time"
	"unsafe"

	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/mem"
	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/stretchr/testify/require"
)

// X02: killed waiters hang nobody, and take no signal that a living one waits for.
func TestX02CondKilledWaiters(t *testing.T) {
	eachPlace(t, func(t *testing.T, place string) {
		m, f := condNew(t, place)
		var ps []*testproc.Proc
		for i := range 3 {
			p := condPeer(t, f, places[i%2])
			p.WriteLine("wait 2")
			ps = append(ps, p)
		}
		condAwaitWaiting(t, m, 6)
		done := m.waits(t, 1)
		condAwaitWaiting(t, m, 7)
		for _, p := range ps {
			p.Kill()
			p.Wait()
		}
		m.c.Signal()
		require.NoError(t, result(t, done[0]))
		m.c.Signal()
		m.c.Broadcast()
		require.ErrorIs(t, m.wait(timeout(t, time.Millisecond)), context.DeadlineExceeded)
		require.Equal(t, "Cond(nobody waits)", m.c.String())

		// Their seats are used again.
		p := condPeer(t, f, place)
		p.WriteLine("wait 1")
		await(t, func() bool { return m.c.String() != "Cond(nobody waits)" })
		m.c.Signal()
		p.Expect("OK")
		require.LessOrEqual(t, m.c.count(), 4)
	})
}

// The signaller is killed or stopped between the grant and the wake: the sleeper's
// look finds what was granted.
func TestCondSignalWithoutWake(t *testing.T) {
	m, f := condNew(t, "near")
	p := condPeer(t, f, "near")
	p.WriteLine("wait 1")
	condAwaitAsleep(t, m, 1)
	s := condSeatOf(t, &m.c, p.PID)
	w := s.word.Load()
	require.True(t, s.word.CompareAndSwap(w, condGrant(w, 1)))
	p.Expect("OK")
}

// condTwo has two peers wait, gives the first one a signal and lets it run into m,
// which the test holds.
func condTwo(t *testing.T, place string) (m *condMemory, first, second *testproc.Proc) {
	m, f := condNew(t, place)
	var ps [2]*testproc.Proc
	for i := range ps {
		ps[i] = condPeer(t, f, places[i])
		ps[i].WriteLine("wait 1")
		condAwaitWaiting(t, m, i+1)
	}
	condLock(t, m)
	m.c.Signal()
	require.Zero(t, condOpen(condSeatOf(t, &m.c, ps[0].PID).word.Load()))
	require.Equal(t, 1, condWaiting(&m.c))
	awaitSleepers(t, &m.mu, 1)
	return m, ps[0], ps[1]
}

// Whoever was given a signal is killed before it has locked m again: the signal
// is passed on.
func TestCondKilledWithTheSignal(t *testing.T) {
	eachPlace(t, func(t *testing.T, place string) {
		m, first, second := condTwo(t, place)
		first.Kill()
		m.mu.Unlock()
		second.Expect("OK")
	})
}

// Nobody sleeps when it is killed, and whoever comes later does not hang: a
// signaller passes on what is left, or the next waiter does.
func TestCondKilledWithTheSignalAlone(t *testing.T) {
	for _, next := range []string{"signal", "broadcast", "waiter"} {
		t.Run(next, func(t *testing.T) {
			m, f := condNew(t, "near")
			p := condPeer(t, f, "near")
			p.WriteLine("wait 1")
			condAwaitWaiting(t, m, 1)
			condLock(t, m)
			m.c.Signal()
			s := condSeatOf(t, &m.c, p.PID)
			p.Kill()
			p.Wait()
			m.mu.Unlock()
			require.True(t, s.due())
			switch next {
			case "signal":
				m.c.Signal()
			case "broadcast":
				m.c.Broadcast()
			case "waiter":
				_ = m.wait(timeout(t, time.Millisecond))
			}
			require.False(t, s.due())
			require.ErrorIs(t, m.wait(timeout(t, time.Millisecond)), context.DeadlineExceeded)
		})
	}
}

// It is stopped instead: it keeps the signal, and others are not held up.
func TestCondStoppedWithTheSignal(t *testing.T) {
	eachPlace(t, func(t *testing.T, place string) {
		m, first, second := condTwo(t, place)
		require.True(t, first.Stop())
		m.mu.Unlock()
		m.c.Signal()
		second.Expect("OK")
		require.ErrorIs(t, m.wait(timeout(t, 120*time.Millisecond)), context.DeadlineExceeded)
		done := m.waits(t, 1)
		condAwaitWaiting(t, m, 1)
		m.c.Broadcast()
		require.NoError(t, result(t, done[0]))
		first.Cont()
		first.Expect("OK")
	})
}

// The lock's holder dies while others wait: all hear of it, and do not hold it.
func TestCondOwnerDies(t *testing.T) {
	eachPlace(t, func(t *testing.T, place string) {
		m, f := condNew(t, place)
		p, owner := condPeer(t, f, place), condPeer(t, f, place)
		p.WriteLine("wait 20")
		done := m.waits(t, 20)
		condAwaitWaiting(t, m, 40)
		tell(owner, "lock", "OK")
		owner.Kill()
		p.Expect(ErrRelock.Error() + ", " + ErrOwnerDied.Error())
		for _, d := range done {
			err := result(t, d)
			require.ErrorIs(t, err, ErrRelock)
			require.ErrorIs(t, err, ErrOwnerDied)
		}
		require.PanicsWithValue(t, notHeld, m.mu.Unlock)
		require.NoError(t, m.mu.LockRepair(t.Context(), func() error { return nil }))
		require.ErrorIs(t, m.c.WaitContext(timeout(t, time.Millisecond), &m.mu), context.DeadlineExceeded)
		m.mu.Unlock()
	})
}

// The context ends while the lock is a dead one's: that the lock is not held is
// what counts.
func TestCondEndsWithoutLock(t *testing.T) {
	m, f := condNew(t, "near")
	owner := condPeer(t, f, "near")
	ctx, cancel := context.WithCancel(t.Context())
	pred := 0
	done := start(func() error {
		if err := m.mu.Lock(); err != nil {
			return err
		}
		return m.c.WaitFor(ctx, &m.mu, func() bool { pred++; return false })
	})
	condAwaitWaiting(t, m, 1)
	tell(owner, "lock", "OK")
	cancel()
	condAwaitWaiting(t, m, 0)
	owner.Kill()
	err := result(t, done)
	require.ErrorIs(t, err, ErrRelock)
	require.ErrorIs(t, err, ErrOwnerDied)
	require.NotErrorIs(t, err, context.Canceled)
	require.Equal(t, 1, pred, "asked without the lock")
}

// Somebody truncates the file under a waiter: it returns, with its lock, which lies
// elsewhere, and the memory can be given up. (Only in the arena: elsewhere the
// kernel's list of what a process holds leads through the memory itself.)
func TestCondTruncated(t *testing.T) {
	f := newFile(t, 16384)
	mapping, err := mem.Map(f, 16384, mem.Options{Truncatable: true})
	require.NoError(t, err)
	b := mapping.Bytes()
	lost := (*condMemory)(unsafe.Pointer(&b[0]))
	m, _ := condNew(t, "near")
	var done []<-chan error
	for _, ctx := range []context.Context{context.Background(), timeout(t, time.Hour)} {
		done = append(done, start(orFault(func() error {
			if err := m.mu.Lock(); err != nil {
				return err
			}
			defer m.mu.Unlock()
			return lost.c.WaitContext(ctx, &m.mu)
		})))
	}
	condAwaitWaiting(t, lost, 2)
	condAwaitAsleep(t, lost, 1)
	require.NoError(t, f.Truncate(0))
	for _, d := range done {
		err := result(t, d)
		require.ErrorIs(t, err, futex.ErrFault)
		require.NotErrorIs(t, err, ErrRelock)
	}
	require.NoError(t, m.mu.TryLock())
	m.mu.Unlock()
	require.NoError(t, Forget(b))
	require.NoError(t, mapping.Close())
}

// The file is truncated under a waiter that is awake, in a program that lets faults
// panic: its deferred calls find the lock held, and nobody is left in the queue.
func TestCondTruncatedWhileAwake(t *testing.T) {
	f := newFile(t, 16384)
	mapping, err := mem.Map(f, 16384, mem.Options{Truncatable: true})
	require.NoError(t, err)
	b := mapping.Bytes()
	lost := (*condMemory)(unsafe.Pointer(&b[0]))
	m, _ := condNew(t, "near")
	ctx := truncating{Context: t.Context(), f: f}
	err = orFault(func() error {
		if err := m.mu.Lock(); err != nil {
			return err
		}
		defer m.mu.Unlock()
		return lost.c.WaitContext(ctx, &m.mu)
	})()
	require.ErrorIs(t, err, futex.ErrFault)
	require.NoError(t, m.mu.TryLock())
	m.mu.Unlock()
	require.NoError(t, Forget(b))
	require.NoError(t, mapping.Close())
}

// truncating is a context that truncates f when a waiter asks whether it has ended.
type truncating struct {
	context.Context
	f interface{ Truncate(int64) error }
}

func (c truncating) Err() error { return c.f.Truncate(0) }
