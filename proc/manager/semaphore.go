package manager

import (
	"context"
	"fmt"
	"math"
	"runtime"
)

// Semaphore is a number of permits in a manager, which can be raised without a bound:
// Python's manager.Semaphore. Those who wait get permits in the order in which they came to
// the manager.
//
// A permit is the process's that has acquired it, until any process releases it. When that
// process ends, in whatever way, its permits come back. A process that releases and has none
// releases one of the process that has had some for longest; if no process has any, there
// is one permit more than before. So a process that dies while a Semaphore counts things
// that were made and used up, and not permits, makes what it had used up come again.
//
// All methods return ErrManagerGone at once if the manager has ended, ErrClosed after Close,
// and the context's error.
type Semaphore struct{ semaphore }

// BoundedSemaphore is a Semaphore that never has more permits than in the beginning: Release
// is ErrNotHeld when nobody has any.
type BoundedSemaphore struct{ semaphore }

// semaphore is what both have in common.
type semaphore struct{ proxy }

// NewSemaphore makes a semaphore of that value, 0 to math.MaxInt32 (ErrOption). The process
// has it until Close, or until the proxy cannot be reached any more. Errors are also
// ErrTooManyObjects.
func NewSemaphore(ctx context.Context, m *Manager, value int) (*Semaphore, error) {
	s := new(Semaphore)
	if err := s.make(ctx, m, semKind, value); err != nil {
		return nil, err
	}
	return s, nil
}

// NewBoundedSemaphore is NewSemaphore for a BoundedSemaphore.
func NewBoundedSemaphore(ctx context.Context, m *Manager, value int) (*BoundedSemaphore, error) {
	s := new(BoundedSemaphore)
	if err := s.make(ctx, m, boundedSemKind, value); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *semaphore) make(ctx context.Context, m *Manager, kind string, value int) error {
	if value < 0 || value > math.MaxInt32 {
		return fmt.Errorf("make %s: %w: %d permits", kind, ErrOption, value)
	}
	return m.create(ctx, &s.proxy, kind, func(t *trip) (func(), error) {
		t.number(uint64(value))
		return nothing, nil
	})
}

// String describes the proxy. It does not ask the manager.
func (s *Semaphore) String() string { return s.describe(semKind) }

// MarshalBinary lets the semaphore travel. See Manager.MarshalBinary.
func (s *Semaphore) MarshalBinary() ([]byte, error) { return s.leave(semKind) }

// UnmarshalBinary makes s the semaphore that has arrived.
func (s *Semaphore) UnmarshalBinary(data []byte) error { return s.enter(semKind, data) }

// String describes the proxy. It does not ask the manager.
func (s *BoundedSemaphore) String() string { return s.describe(boundedSemKind) }

// MarshalBinary lets the semaphore travel. See Manager.MarshalBinary.
func (s *BoundedSemaphore) MarshalBinary() ([]byte, error) { return s.leave(boundedSemKind) }

// UnmarshalBinary makes s the semaphore that has arrived.
func (s *BoundedSemaphore) UnmarshalBinary(data []byte) error { return s.enter(boundedSemKind, data) }

// Acquire waits for a permit. After the context's error it has not got one.
func (s *semaphore) Acquire(ctx context.Context) error { return s.ask(ctx, semAcquire, true) }

// TryAcquire is Acquire that returns ErrLocked instead of waiting.
func (s *semaphore) TryAcquire(ctx context.Context) error { return s.ask(ctx, semTry, false) }

// Release gives a permit back, or to the next who waits. ErrNotHeld: nobody has any, of a
// bounded semaphore; ErrOption: there are math.MaxInt32 already. It is done also when ctx has
// ended, so that it can be deferred: only a manager that is stopped keeps it waiting.
func (s *semaphore) Release(ctx context.Context) error { return s.ask(firm(ctx), semRelease, false) }

// Value returns how many permits there are to acquire.
func (s *semaphore) Value(ctx context.Context) (int, error) {
	t, err := s.begin(semValue)
	if err != nil {
		return 0, err
	}
	defer t.end()
	r, err := t.call(ctx, false)
	n := int(r.number())
	runtime.KeepAlive(s)
	return n, err
}
