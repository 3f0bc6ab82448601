package shm

import (
	"context"
	"fmt"

	"github.com/shmkit/shmkit/internal/crashpoint"
)

// At returns element i. On a read-only attachment it takes no lock.
//
// Errors: ErrRange, and those of Lock.
func (a *Array[T]) At(i int) (v T, err error) {
	if err := a.check(i); err != nil {
		return v, err
	}
	err = a.reading(func() { v = a.elements[i] })
	return v, err
}

// CopyTo copies the first elements to dst, as many as fit, and returns their
// number. It holds the lock, so that they are of one instant; on a read-only
// attachment it does not.
//
// Errors: those of Lock. dst holds nothing of use then.
func (a *Array[T]) CopyTo(dst []T) (n int, err error) {
	err = a.reading(func() { n = copy(dst, a.elements) })
	return n, err
}

// Set replaces element i.
//
// Errors: ErrRange, and those of Lock.
func (a *Array[T]) Set(i int, v T) error {
	_, err := a.Swap(i, v)
	return err
}

// Swap replaces element i and returns what it was.
//
// Errors: ErrRange, and those of Lock. The element is unchanged then.
func (a *Array[T]) Swap(i int, v T) (old T, err error) {
	if err := a.check(i); err != nil {
		return old, err
	}
	err = a.holding(context.Background(), func() error {
		return a.guard(func() error {
			old = a.elements[i]
			a.put(i, v)
			return nil
		})
	})
	return old, err
}

// Update lets f change element i while everybody else waits. If f fails or
// panics the element stays as it was, and the error is f's. ctx bounds the wait
// for the lock. f gets a private copy. It must not keep the pointer, nor call
// methods of the array that take the lock, nor Close.
//
// Errors: ErrRange, those of Lock, ctx's, and f's.
func (a *Array[T]) Update(ctx context.Context, i int, f func(*T) error) error {
	if err := a.check(i); err != nil {
		return err
	}
	return a.holding(ctx, func() error {
		if err := a.guard(func() error { a.scratch = a.elements[i]; return nil }); err != nil {
			return err
		}
		if err := f(&a.scratch); err != nil {
			return err
		}
		return a.guard(func() error { a.put(i, a.scratch); return nil })
	})
}

func (a *Array[T]) check(i int) error {
	if a.m == nil { // it has not arrived
		return fmt.Errorf("%s: %w", a, ErrClosed)
	}
	if uint(i) >= uint(len(a.elements)) {
		return fmt.Errorf("%s: index %d of %d: %w", a, i, len(a.elements), ErrRange)
	}
	return nil
}

// put stores an element. The caller holds the lock.
func (a *Array[T]) put(i int, v T) {
	crashpoint.Hit("shm/array-storing")
	a.elements[i] = v
	crashpoint.Hit("shm/array-stored")
}

// holding runs f with the lock held.
func (a *Array[T]) holding(ctx context.Context, f func() error) error {
	if err := a.lock(ctx, a.mutex, a.await); err != nil {
		return err
	}
	defer a.endCall()
	defer a.unlock(a.mutex)
	return f()
}

// reading runs f, which only loads, with the lock held where it can be.
func (a *Array[T]) reading(f func()) error {
	load := func() error { f(); return nil }
	if !a.readOnly {
		return a.holding(context.Background(), func() error { return a.guard(load) })
	}
	if !a.open.Load() {
		return fmt.Errorf("%s: %w", a, ErrClosed)
	}
	return a.guard(load)
}
