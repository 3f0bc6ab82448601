//go:build !explore

package semaphore

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// V01: each signal wakes exactly one of a process and a goroutine that wait.
func TestV01CondSignalWakesOne(t *testing.T) {
	eachPlace(t, func(t *testing.T, place string) {
		m, f := condNew(t, place)
		p := condPeer(t, f, "near")
		p.WriteLine("wait 1")
		done := start(func() error { return m.wait(t.Context()) })
		condAwaitWaiting(t, m, 2)
		require.Regexp(t, fmt.Sprintf(`Cond\(2 waiting: .*1 in pid %d.*\)`, os.Getpid()), m.c.String())
		require.Regexp(t, fmt.Sprintf(`Cond\(2 waiting: .*1 in pid %d.*\)`, p.PID), m.c.String())
		condLock(t, m)
		m.c.Signal()
		require.Equal(t, 1, condWaiting(&m.c))
		m.mu.Unlock()
		await(t, func() bool { return m.woken.Load() == 1 })
		m.c.Signal() // without the lock
		require.NoError(t, result(t, done))
		p.Expect("OK")
		require.EqualValues(t, 2, m.woken.Load())
		require.Zero(t, condWaiting(&m.c))
		require.Equal(t, "Cond(nobody waits)", m.c.String())
	})
}

// V02, V03: six waits that time out leave everything as it was, and Broadcast wakes
// the next six.
func TestV02V03CondBroadcast(t *testing.T) {
	eachPlace(t, func(t *testing.T, place string) {
		m, f := condNew(t, place)
		a, b := condPeer(t, f, "near"), condPeer(t, f, "foreign")
		a.WriteLine("timed 3 20")
		b.WriteLine("timed 2 20")
		require.ErrorIs(t, m.wait(timeout(t, 20*time.Millisecond)), context.DeadlineExceeded)
		a.Expect(context.DeadlineExceeded.Error())
		b.Expect(context.DeadlineExceeded.Error())
		require.Zero(t, condWaiting(&m.c))
		m.c.Broadcast() // nobody: it is not kept
		a.WriteLine("wait 3")
		b.WriteLine("wait 2")
		done := m.waits(t, 1)
		condAwaitWaiting(t, m, 6)
		condLock(t, m)
		m.c.Broadcast()
		require.Zero(t, condWaiting(&m.c))
		require.Zero(t, m.woken.Load())
		m.mu.Unlock()
		a.Expect("OK")
		b.Expect("OK")
		require.NoError(t, result(t, done[0]))
		require.EqualValues(t, 6, m.woken.Load())
	})
}

// V04: n signals wake n, and what is too much is forgotten.
func TestV04CondSignals(t *testing.T) {
	eachPlace(t, func(t *testing.T, place string) {
		m, f := condNew(t, place)
		p := condPeer(t, f, place)
		p.WriteLine("wait 3")
		done := m.waits(t, 3)
		condAwaitWaiting(t, m, 6)
		for _, step := range []struct{ signals, woken uint32 }{{2, 2}, {4, 6}, {3, 6}} {
			condLock(t, m)
			for range step.signals {
				m.c.Signal()
			}
			m.mu.Unlock()
			await(t, func() bool { return m.woken.Load() == step.woken })
			require.Equal(t, 6-int(step.woken), condWaiting(&m.c))
		}
		p.Expect("OK")
		for _, d := range done {
			require.NoError(t, result(t, d))
		}
		require.ErrorIs(t, m.wait(timeout(t, time.Millisecond)), context.DeadlineExceeded)
	})
}

// V05, V08, X14: a wait lasts as long as its context, and m is held afterwards.
func TestV05V08CondTimeout(t *testing.T) {
	eachPlace(t, func(t *testing.T, place string) {
		m, _ := condNew(t, place)
		condLock(t, m)
		for _, d := range []time.Duration{0, time.Microsecond, 100 * time.Millisecond} {
			began := time.Now()
			require.Equal(t, context.DeadlineExceeded, m.c.WaitContext(timeout(t, d), &m.mu))
			require.GreaterOrEqual(t, time.Since(began), d)
			require.ErrorIs(t, m.mu.TryLock(), ErrLocked)
		}
		m.mu.Unlock()
		done := m.waits(t, 1)
		condAwaitWaiting(t, m, 1)
		m.c.Signal()
		require.NoError(t, result(t, done[0]))
	})
}

// S16: the end of a context ends a wait that sleeps, and m is held.
func TestS16CondCancel(t *testing.T) {
	eachPlace(t, func(t *testing.T, place string) {
		m, _ := condNew(t, place)
		ctx, cancel := context.WithCancel(t.Context())
		done := start(func() error {
			if err := m.mu.Lock(); err != nil {
				return err
			}
			err := m.c.WaitContext(ctx, &m.mu)
			m.mu.Unlock()
			return err
		})
		condAwaitAsleep(t, m, 1)
		condLock(t, m)
		cancel()
		condAwaitWaiting(t, m, 0)
		require.Empty(t, done, "it does not wait for m")
		m.mu.Unlock()
		require.Equal(t, context.Canceled, result(t, done))
	})
}

// V06: a predicate, across processes.
func TestV06CondWaitFor(t *testing.T) {
	m, f := condNew(t, "near")
	p := condPeer(t, f, "foreign")
	p.WriteLine("for 4")
	for range 4 {
		condAwaitWaiting(t, m, 1)
		condLock(t, m)
		m.value++
		m.c.Signal()
		m.mu.Unlock()
	}
	p.Expect("OK")
	condLock(t, m)
	defer m.mu.Unlock()
	require.NoError(t, m.c.WaitFor(timeout(t, 0), &m.mu, func() bool { return true }))
}

// V07: signals do not end a wait whose predicate is false, its context does.
func TestV07CondWaitForTimeout(t *testing.T) {
	m, f := condNew(t, "near")
	p := condPeer(t, f, "near")
	asked := 0
	ctx, cancel := context.WithCancel(t.Context())
	done := start(func() error {
		if err := m.mu.Lock(); err != nil {
			return err
		}
		defer m.mu.Unlock()
		return m.c.WaitFor(ctx, &m.mu, func() bool { asked++; return false })
	})
	for range 3 {
		condAwaitWaiting(t, m, 1)
		tell(p, "signal", "OK")
		condAwaitWaiting(t, m, 1)
	}
	require.Empty(t, done)
	cancel()
	require.Equal(t, context.Canceled, result(t, done))
	require.Equal(t, 5, asked, "before, after each signal, at the end")

	// What is true at the end counts.
	condLock(t, m)
	defer m.mu.Unlock()
	calls := 0
	require.NoError(t, m.c.WaitFor(timeout(t, time.Millisecond), &m.mu, func() bool { calls++; return calls == 2 }))
}

// V09: who does not hold the lock cannot wait. Signal and Broadcast need no lock.
func TestV09CondWithoutLock(t *testing.T) {
	eachPlace(t, func(t *testing.T, place string) {
		m, f := condNew(t, place)
		never := func() bool { panic("asked without the lock") }
		refuses := func(l CondLocker) {
			require.ErrorIs(t, m.c.Wait(l), ErrNotHeld)
			require.NotErrorIs(t, m.c.Wait(l), ErrRelock)
			require.ErrorIs(t, m.c.WaitFor(t.Context(), l, never), ErrNotHeld)
		}
		h := m.rec.Holder()
		refuses(&m.mu)
		refuses(h)
		p := condPeer(t, f, place)
		tell(p, "lock", "OK")
		refuses(&m.mu)
		tell(p, "unlock", "OK")
		require.NoError(t, h.Lock())
		refuses(m.rec.Holder())
		h.Unlock()
		m.c.Signal()
		m.c.Broadcast()
		require.Zero(t, m.c.cond.used.Load(), "nobody has come")
	})
}

// V10, V11: with a recursive lock all levels are given up, and come back.
func TestV10V11CondRecursive(t *testing.T) {
	eachPlace(t, func(t *testing.T, place string) {
		m, f := condNew(t, place)
		p := condPeer(t, f, "near")
		p.WriteLine("deep 3")
		condAwaitWaiting(t, m, 1)
		h := m.rec.Holder()
		for range 5 {
			require.NoError(t, h.Lock())
		}
		m.c.Signal()
		await(t, func() bool { return condWaiting(&m.c) == 0 })
		require.Equal(t, context.DeadlineExceeded, m.c.WaitContext(timeout(t, 10*time.Millisecond), h))
		require.Equal(t, 5, h.Depth())
		for range 5 {
			h.Unlock()
		}
		p.Expect("OK")
	})
}

// Forget gives the seat back, unless somebody waits.
func TestCondForget(t *testing.T) {
	eachPlace(t, func(t *testing.T, place string) {
		m, _, b := condNewBytes(t, place)
		ctx, cancel := context.WithCancel(t.Context())
		for range 3 {
			done := m.waits(t, 1)
			condAwaitWaiting(t, m, 1)
			require.ErrorIs(t, Forget(b), ErrBusy)
			m.c.Signal()
			require.NoError(t, result(t, done[0]))
			require.NoError(t, Forget(b))
			for i := range condSeats {
				require.Zero(t, m.c.cond.seats[i].cell.Word.Load())
			}
			require.EqualValues(t, 1, m.c.cond.used.Load())
		}
		// Waits and Forget at once.
		done := start(func() error {
			for ctx.Err() == nil {
				_ = m.wait(timeout(t, time.Microsecond))
			}
			return nil
		})
		for range 100 {
			if err := Forget(b); err != nil {
				require.ErrorIs(t, err, ErrBusy)
			}
		}
		cancel()
		require.NoError(t, result(t, done))
	})
}

// There is room for 64 processes; a dead one's place is free again.
func TestCondTooManyProcesses(t *testing.T) {
	m, f := condNew(t, "near")
	p := condPeer(t, f, "near")
	for i := range condSeats { // as if C programs held them
		cell := &m.c.cond.seats[i].cell
		cell.Owner.Store(uint32(p.PID))
		cell.Word.Store(uint32(p.PID))
	}
	m.c.cond.used.Store(condSeats)
	condLock(t, m)
	require.ErrorIs(t, m.c.Wait(&m.mu), ErrTooManyProcesses)
	require.ErrorIs(t, m.c.WaitFor(t.Context(), &m.mu, func() bool { return false }), ErrTooManyProcesses)
	require.ErrorIs(t, m.mu.TryLock(), ErrLocked)
	p.Kill()
	p.Wait()
	require.ErrorIs(t, m.c.WaitContext(timeout(t, time.Millisecond), &m.mu), context.DeadlineExceeded)
	m.mu.Unlock()
}

// Misuse gives an error, and m stays held.
func TestCondMisuse(t *testing.T) {
	m, _, b := condNewBytes(t, "near")
	done := m.waits(t, 1)
	condAwaitWaiting(t, m, 1)
	require.NoError(t, m.other.Lock())
	require.ErrorIs(t, m.c.Wait(&m.other), ErrInvalid, "another lock")
	require.ErrorIs(t, m.other.TryLock(), ErrLocked)
	m.c.Signal()
	require.NoError(t, result(t, done[0]))
	require.Equal(t, context.DeadlineExceeded, m.c.WaitContext(timeout(t, time.Millisecond), &m.other), "one after the other is right")
	odd := (*Cond)(unsafe.Pointer(&b[4]))
	require.ErrorIs(t, odd.Wait(&m.other), ErrInvalid)
	require.ErrorIs(t, m.other.TryLock(), ErrLocked)
	m.other.Unlock()

	// The last place.
	s := &m.c.cond.seats[0]
	w := s.word.Load()
	s.word.Store(w | condOpenMask)
	condLock(t, m)
	require.ErrorIs(t, m.c.Wait(&m.mu), ErrOverflow)
	require.ErrorIs(t, m.mu.TryLock(), ErrLocked)
	m.mu.Unlock()
	s.word.Store(w)
}

// condLost is a lock that somebody overwrites between two looks at it.
type condLost struct {
	*Mutex
	meanwhile func()
}

func (l condLost) release() (int, error) {
	l.meanwhile()
	return 0, ErrNotHeld
}

// Who finds out late that the lock is not held leaves the queue, and passes on a
// signal that he was given meanwhile.
func TestCondLockOverwritten(t *testing.T) {
	m, f := condNew(t, "near")
	p := condPeer(t, f, "near")
	p.WriteLine("wait 1")
	condAwaitWaiting(t, m, 1)
	condLock(t, m)
	for _, signals := range []int{0, 1} {
		m.c.cond.turn.Store(1) // this process's seat comes first
		err := m.c.Wait(condLost{&m.mu, func() {
			for range signals {
				m.c.Signal()
			}
		}})
		require.ErrorIs(t, err, ErrNotHeld)
		require.Equal(t, 1-signals, condWaiting(&m.c))
	}
	m.mu.Unlock()
	p.Expect("OK")
}
