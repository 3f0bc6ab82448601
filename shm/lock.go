package shm

import (
	"context"
	"errors"
	"fmt"

	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/semaphore"
)

// lock takes a lock that lies in the memory: at once if it is free, with wait if
// it is not. wait is given a context that ends with ctx, and with Close. After
// success Close waits for endCall.
func (a *attachment) lock(ctx context.Context, m *semaphore.Mutex, wait func(context.Context) error) error {
	if err := a.beginCall(); err != nil {
		return err
	}
	err := a.guard(func() error {
		if m.TryLock() == nil {
			return nil
		}
		return a.wait(ctx, wait)
	})
	if err != nil {
		a.endCall()
		return err
	}
	a.held.Acquire()
	return nil
}

// unlock frees a lock. In a truncated file there is nothing left to free.
func (a *attachment) unlock(m *semaphore.Mutex) {
	a.held.ReleaseMerge()
	_ = a.guard(func() error { m.Unlock(); return nil })
}

// beginCall keeps Close away until endCall.
func (a *attachment) beginCall() error {
	a.calls.RLock()
	switch {
	case !a.open.Load():
		a.calls.RUnlock()
		return fmt.Errorf("%s: %w", a, ErrClosed)
	case a.readOnly:
		a.calls.RUnlock()
		return fmt.Errorf("%s: %w", a, ErrReadOnly)
	}
	return nil
}

func (a *attachment) endCall() { a.calls.RUnlock() }

func (a *attachment) wait(ctx context.Context, wait func(context.Context) error) error {
	until := a.done
	if ctx.Done() != nil {
		both, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(a.done, cancel)()
		until = both
	}
	err := wait(until)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil && errors.Is(err, until.Err()):
		return ctx.Err()
	case a.done.Err() != nil && errors.Is(err, context.Canceled):
		return fmt.Errorf("%s: %w", a, ErrClosed)
	case a.truncatable && errors.Is(err, futex.ErrFault):
		return fmt.Errorf("%s: %w", a, ErrTruncated)
	}
	return err
}
