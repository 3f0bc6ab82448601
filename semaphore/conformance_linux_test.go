//go:build !explore

package semaphore

import (
	"context"
	"testing"
	"time"
	"unsafe"

	"github.com/shmkit/shmkit/internal/conformance"
	"github.com/shmkit/shmkit/internal/mem"
	"github.com/stretchr/testify/require"
)

// mapped returns a zero T in memory that other processes could map.
func mapped[T any](t *testing.T) *T {
	size := max(int(unsafe.Sizeof(*new(T))), 4096)
	m, err := mem.Map(newFile(t, int64(size)), size, mem.Options{})
	require.NoError(t, err)
	b := m.Bytes()
	t.Cleanup(func() {
		require.NoError(t, Forget(b))
		require.NoError(t, m.Close())
	})
	return (*T)(unsafe.Pointer(&b[0]))
}

// notHeldOr calls an Unlock, which panics when the lock is not held.
func notHeldOr(unlock func()) (err error) {
	defer func() {
		if recover() != nil {
			err = ErrNotHeld
		}
	}()
	unlock()
	return nil
}

type plainLock struct{ *Mutex }

func (l plainLock) Acquire(ctx context.Context) error    { return l.LockContext(ctx) }
func (l plainLock) TryAcquire(ctx context.Context) error { return l.TryLock() }
func (l plainLock) Release(context.Context) error        { return notHeldOr(l.Unlock) }
func (l plainLock) Locked(context.Context) (bool, error) {
	_, held := l.Owner()
	return held, nil
}

type plainHolder struct{ *Holder }

func (h plainHolder) Acquire(ctx context.Context) error  { return h.LockContext(ctx) }
func (h plainHolder) TryAcquire(context.Context) error   { return h.TryLock() }
func (h plainHolder) Release(context.Context) error      { return notHeldOr(h.Unlock) }
func (h plainHolder) Count(context.Context) (int, error) { return h.Depth(), nil }

type plainRLock struct{ *RecursiveMutex }

func (l plainRLock) Holder() conformance.Holder { return plainHolder{l.RecursiveMutex.Holder()} }
func (l plainRLock) Locked(context.Context) (bool, error) {
	_, held := l.Owner()
	return held, nil
}

type plainSemaphore struct{ *Semaphore }

func (s plainSemaphore) Acquire(ctx context.Context) error { return s.Semaphore.Acquire(ctx, 1) }
func (s plainSemaphore) TryAcquire(context.Context) error  { return s.Semaphore.TryAcquire(1) }
func (s plainSemaphore) Release(context.Context) error     { return s.Semaphore.Release(1) }
func (s plainSemaphore) Value(context.Context) (int, error) {
	return s.Semaphore.Value(), nil
}

type plainPermits struct{ *Permits }

func (p plainPermits) Acquire(ctx context.Context) error  { return p.Permits.Acquire(ctx, 1) }
func (p plainPermits) TryAcquire(context.Context) error   { return p.Permits.TryAcquire(1) }
func (p plainPermits) Release(context.Context) error      { return p.Permits.Release(1) }
func (p plainPermits) Value(context.Context) (int, error) { return p.Available(), nil }

type plainCondition struct {
	m RecursiveMutex
	_ [16]byte
	c Cond
}

func (c *plainCondition) Holder() conformance.Holder { return plainHolder{c.m.Holder()} }

func (c *plainCondition) Wait(ctx context.Context, h conformance.Holder) error {
	return c.c.WaitContext(ctx, h.(plainHolder).Holder)
}

func (c *plainCondition) WaitFor(ctx context.Context, h conformance.Holder, pred func() bool) error {
	return c.c.WaitFor(ctx, h.(plainHolder).Holder, pred)
}

func (c *plainCondition) Notify(_ context.Context, n int) error {
	for range n {
		c.c.Signal()
	}
	return nil
}

func (c *plainCondition) NotifyAll(context.Context) error { c.c.Broadcast(); return nil }

type plainEvent struct{ *Event }

func (e plainEvent) Set(context.Context) error           { e.Event.Set(); return nil }
func (e plainEvent) Clear(context.Context) error         { e.Event.Clear(); return nil }
func (e plainEvent) IsSet(context.Context) (bool, error) { return e.Event.IsSet(), nil }

type plainBarrier struct{ *Barrier }

func (b plainBarrier) Abort(context.Context) error          { b.Barrier.Abort(); return nil }
func (b plainBarrier) Parties(context.Context) (int, error) { return b.Barrier.Parties(), nil }
func (b plainBarrier) Waiting(context.Context) (int, error) { return b.Barrier.Waiting(), nil }
func (b plainBarrier) Broken(context.Context) (bool, error) { return b.Barrier.Broken(), nil }
func (b plainBarrier) SetTimeout(_ context.Context, d time.Duration) error {
	b.Barrier.SetTimeout(d)
	return nil
}

// What is common to these locks and those of managers; see package conformance. S01, S02, S07,
// S08, S09, S10, S11, S12, S13, S14, S15, S16; V01 to V12 and V14 to V26.
func TestConformance(t *testing.T) {
	t.Run("Lock", conformance.Locks{
		New:     func(t *testing.T) conformance.Lock { return plainLock{mapped[Mutex](t)} },
		NotHeld: ErrNotHeld, Locked: ErrLocked,
	}.Run)
	t.Run("RLock", conformance.RLocks{
		New:     func(t *testing.T) conformance.RLock { return plainRLock{mapped[RecursiveMutex](t)} },
		NotHeld: ErrNotHeld, Locked: ErrLocked,
	}.Run)
	sem := func(max int) func(t *testing.T, value int) conformance.Semaphore {
		return func(t *testing.T, value int) conformance.Semaphore {
			s := mapped[Semaphore](t)
			require.NoError(t, s.Init(value, max*value))
			return plainSemaphore{s}
		}
	}
	t.Run("Semaphore", conformance.Semaphores{
		New: sem(0), NewBounded: sem(1), TooMany: ErrOverflow, Locked: ErrNoPermits,
	}.Run)
	t.Run("Permits", conformance.Semaphores{
		New: sem(0), TooMany: ErrNotHeld, Locked: ErrNoPermits,
		NewBounded: func(t *testing.T, value int) conformance.Semaphore {
			p := mapped[Permits](t)
			require.NoError(t, p.Init(value))
			return plainPermits{p}
		},
	}.Run)
	t.Run("Condition", conformance.Conditions{
		New:     func(t *testing.T) conformance.Condition { return mapped[plainCondition](t) },
		NotHeld: ErrNotHeld, FreeNotify: true,
	}.Run)
	t.Run("Event", conformance.Events{
		New: func(t *testing.T) conformance.Event { return plainEvent{mapped[Event](t)} },
		Asleep: func(t *testing.T, e conformance.Event, n int) {
			awaitEventSleepers(t, e.(plainEvent).Event, n)
		},
		Most: 1, // goroutines may share a sleep
	}.Run)
	t.Run("Barrier", conformance.Barriers{
		New: func(t *testing.T, parties int) conformance.Barrier {
			b := mapped[Barrier](t)
			require.NoError(t, b.Init(parties))
			return plainBarrier{b}
		},
		Broken: ErrBroken,
	}.Run)
}
