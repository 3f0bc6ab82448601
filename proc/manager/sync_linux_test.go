package manager_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/proc"
	"github.com/shmkit/shmkit/proc/manager"
)

// user is another process that uses one object of each kind.
var user = proc.Register("syncUser", func(ctx context.Context, v victim) error {
	locked, err := v.Lock.Locked(ctx)
	if err != nil || !locked {
		return fmt.Errorf("locked: %v, %w", locked, err)
	}
	h, c := v.RLock.Holder(), v.Condition.Holder()
	index, broken := v.Barrier.Wait(ctx)
	if index < 0 {
		return broken
	}
	item, err := v.Queue.Get(ctx)
	if err != nil || item != 5 {
		return fmt.Errorf("item: %v, %w", item, err)
	}
	task, err := v.Joinable.Get(ctx)
	if err != nil || task != 6 {
		return fmt.Errorf("task: %v, %w", task, err)
	}
	return errors.Join(
		v.Lock.Release(ctx),
		h.TryAcquire(ctx), h.Acquire(ctx), h.Release(ctx), h.Release(ctx),
		v.Semaphore.Release(ctx),
		v.Bounded.Release(ctx), // what the parent has acquired
		v.Event.Wait(ctx),
		c.Acquire(ctx), v.Condition.NotifyAll(ctx), c.Release(ctx),
		v.Joinable.TaskDone(ctx),
		v.Queue.Put(ctx, 7),
	)
})

// G17, G19, S04, S12, V06, V12: what one process does another one sees.
func TestSyncAcrossProcesses(t *testing.T) {
	both(t, func(t *testing.T, m *manager.Manager) {
		ctx := bounded(t)
		s := newScene(t, m, "Lock")
		require.NoError(t, s.Lock.Acquire(ctx))
		require.NoError(t, s.Bounded.Acquire(ctx))
		require.NoError(t, s.Queue.Put(ctx, 5))
		require.NoError(t, s.Joinable.Put(ctx, 6))
		notified := make(chan error, 1)
		go func() {
			h := s.Condition.Holder()
			notified <- errors.Join(h.Acquire(ctx), s.Condition.Wait(ctx, h), h.Release(ctx))
		}()
		parked(t, m, s.Condition.ID(), 1)
		p, err := user.Start(ctx, s.victim, nil)
		require.NoError(t, err)
		_, err = s.Barrier.Wait(ctx)
		require.NoError(t, err)
		require.NoError(t, s.Event.Set(ctx))
		require.NoError(t, <-notified)
		require.NoError(t, p.Wait(ctx))
		require.ErrorIs(t, s.Lock.Release(ctx), manager.ErrNotHeld)
		require.ErrorIs(t, s.Bounded.Release(ctx), manager.ErrNotHeld)
		n, err := s.Semaphore.Value(ctx)
		require.NoError(t, err)
		require.Equal(t, 2, n)
		require.NoError(t, s.Joinable.Join(ctx))
		n, err = s.Queue.TryGet(ctx)
		require.NoError(t, err)
		require.Equal(t, 7, n)
		s.end(t)
	})
}

// Those who wait for a lock get it in the order in which they came.
func TestLockOrder(t *testing.T) {
	ctx := bounded(t)
	m := started(t, nil)
	l, err := manager.NewLock(ctx, m)
	require.NoError(t, err)
	require.NoError(t, l.Acquire(ctx))
	order := make(chan int, 5)
	for i := range 5 {
		go func() {
			if l.Acquire(ctx) == nil {
				order <- i
				_ = l.Release(ctx)
			}
		}()
		parked(t, m, l.ID(), i+1)
	}
	require.NoError(t, l.Release(ctx))
	for i := range 5 {
		require.Equal(t, i, <-order)
	}
}

// S05: who holds it.
func TestLockOwner(t *testing.T) {
	both(t, func(t *testing.T, m *manager.Manager) {
		ctx := bounded(t)
		l, err := manager.NewLock(ctx, m)
		require.NoError(t, err)
		_, held, err := l.Owner(ctx)
		require.NoError(t, err)
		require.False(t, held)
		require.NoError(t, l.Acquire(ctx))
		pid, held, err := l.Owner(ctx)
		require.NoError(t, err)
		require.True(t, held)
		require.Equal(t, proc.Current().PID(), pid)
	})
}

// A release is done though the context has ended, so that it can be deferred.
func TestReleaseAfterTheContext(t *testing.T) {
	both(t, func(t *testing.T, m *manager.Manager) {
		ctx := bounded(t)
		s := newScene(t, m, "Lock")
		h := s.RLock.Holder()
		require.NoError(t, errors.Join(s.Lock.Acquire(ctx), h.Acquire(ctx), s.Semaphore.Acquire(ctx)))
		over, cancel := context.WithCancel(ctx)
		cancel()
		require.ErrorIs(t, s.Lock.Acquire(over), context.Canceled)
		require.NoError(t, errors.Join(s.Lock.Release(over), h.Release(over), s.Semaphore.Release(over)))
	})
}

// A condition over a Lock is waited for with that, or with a holder of its own.
func TestConditionOverLock(t *testing.T) {
	both(t, func(t *testing.T, m *manager.Manager) {
		ctx := bounded(t)
		l, err := manager.NewLock(ctx, m)
		require.NoError(t, err)
		c, err := manager.NewCondition(ctx, m, l)
		require.NoError(t, err)
		id := l.ID()
		require.ErrorIs(t, c.Wait(ctx, l), manager.ErrNotHeld)
		other, err := manager.NewRLock(ctx, m)
		require.NoError(t, err)
		require.ErrorIs(t, c.Wait(ctx, other.Holder()), manager.ErrNotHeld)
		require.NoError(t, other.Close())

		done := make(chan error, 2)
		for _, with := range []manager.Locker{l, c.Holder()} {
			go func() {
				done <- errors.Join(with.Acquire(ctx), c.Wait(ctx, with), with.Release(ctx))
			}()
		}
		parked(t, m, c.ID(), 2)
		require.NoError(t, l.Acquire(ctx))
		require.NoError(t, c.NotifyAll(ctx))
		parked(t, m, id, 2)
		require.NoError(t, l.Release(ctx))
		require.NoError(t, <-done)
		require.NoError(t, <-done)

		require.NoError(t, l.Close()) // the condition has it
		h := c.Holder()
		require.NoError(t, h.Acquire(ctx))
		require.ErrorIs(t, h.TryAcquire(ctx), manager.ErrLocked, "it is not recursive")
		require.NoError(t, h.Release(ctx))
		require.NoError(t, c.Close())
		nothingLeft(t, m)
	})
}

// What is closed while it is waited for ends the waits, once nobody has it.
func TestCloseWhileWaiting(t *testing.T) {
	both(t, func(t *testing.T, m *manager.Manager) {
		for _, kind := range append([]string{"Barrier"}, waitable...) {
			ctx := bounded(t)
			s := newScene(t, m, kind)
			require.NoError(t, s.occupy(ctx))
			got := make(chan error, 1)
			go func() { got <- s.next(ctx) }()
			s.await(t, 1)
			s.end(t)
			if err := <-got; kind != "Barrier" {
				require.ErrorIs(t, err, manager.ErrGone, kind)
			} else {
				require.ErrorIs(t, err, manager.ErrBroken)
			}
		}
	})
}

// A waiter whose context ends after it was notified has been notified, and returns with
// the lock.
func TestConditionNotifiedAndInterrupted(t *testing.T) {
	both(t, func(t *testing.T, m *manager.Manager) {
		ctx := bounded(t)
		c, err := manager.NewCondition(ctx, m, nil)
		require.NoError(t, err)
		h, mine := c.Holder(), c.Holder()
		over, cancel := context.WithCancel(ctx)
		got := make(chan error, 1)
		go func() {
			err := errors.Join(h.Acquire(ctx), h.Acquire(ctx))
			if err == nil {
				err = c.Wait(over, h)
			}
			got <- err
		}()
		parked(t, m, c.ID(), 1)
		require.NoError(t, mine.Acquire(ctx))
		require.NoError(t, c.Notify(ctx, 1))
		parked(t, m, c.ID(), 0)
		cancel()
		select {
		case err := <-got:
			t.Fatalf("Wait returned %v without the lock", err)
		case <-time.After(10 * time.Millisecond):
		}
		require.NoError(t, mine.Release(ctx))
		require.NoError(t, <-got)
		n, err := h.Count(ctx)
		require.NoError(t, err)
		require.Equal(t, 2, n)
	})
}

// Arguments out of range make nothing.
func TestSyncOptions(t *testing.T) {
	both(t, func(t *testing.T, m *manager.Manager) {
		ctx := bounded(t)
		_, err := manager.NewSemaphore(ctx, m, -1)
		require.ErrorIs(t, err, manager.ErrOption)
		_, err = manager.NewBoundedSemaphore(ctx, m, -2)
		require.ErrorIs(t, err, manager.ErrOption)
		_, err = manager.NewBarrier(ctx, m, 0)
		require.ErrorIs(t, err, manager.ErrOption)
		_, err = manager.NewQueue[int](ctx, m, -1)
		require.ErrorIs(t, err, manager.ErrOption)
		_, err = manager.NewJoinableQueue[int](ctx, m, &manager.JoinableOptions{MaxItems: -1})
		require.ErrorIs(t, err, manager.ErrOption)
		l, err := manager.NewLock(ctx, inside(t, nil))
		require.NoError(t, err)
		_, err = manager.NewCondition(ctx, m, l)
		require.ErrorIs(t, err, manager.ErrArgument)
		require.NoError(t, l.Close())
		_, err = manager.NewCondition(ctx, m, l)
		require.ErrorIs(t, err, manager.ErrClosed)
		require.ErrorIs(t, l.Acquire(ctx), manager.ErrClosed)
		require.Equal(t, "Lock(closed)", l.String())
		nothingLeft(t, m)
	})
}

// A semaphore's permit may be released by another process than has acquired it; what that
// one has does not come back twice.
func TestPermitReleasedByAnother(t *testing.T) {
	m := inside(t, nil)
	ctx := bounded(t)
	s := newScene(t, m, "BoundedSemaphore")
	p := s.start(t)
	require.NoError(t, s.Got.Wait(ctx))
	require.NoError(t, s.Bounded.Release(ctx))
	require.ErrorIs(t, s.Bounded.Release(ctx), manager.ErrNotHeld)
	s.kill(t, p)
	for { // until the manager knows
		info, err := m.Info(ctx)
		require.NoError(t, err)
		if len(info.Clients) == 1 {
			break
		}
	}
	n, err := s.Bounded.Value(ctx)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	s.end(t)
}
