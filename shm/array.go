package shm

import (
	"context"
	"iter"
	"reflect"
	"slices"
	"sync/atomic"

	"github.com/shmkit/shmkit/internal/shmfile"
	"github.com/shmkit/shmkit/semaphore"
)

// Array is a fixed number of Ts in shared memory, and a lock. T must be plain
// (see *TypeError).
//
// The methods that copy elements (At, Set, Swap, Update, CopyTo) take the lock
// themselves. For more than one element at a time there are Lock and Slice:
//
//	if err := a.Lock(); err != nil {
//		return err // NOT held
//	}
//	for i := range a.Slice() {
//		a.Slice()[i]++
//	}
//	a.Unlock()
//
// The lock is owned by a process and cannot be taken twice: while it is held,
// use Slice and not the methods that take it. Slice may also be used without
// the lock where elements have one writer each, or are atomic.
//
// When a process dies with the lock, all that take it get
// semaphore.ErrOwnerDied, until one of them repairs the elements: with
// LockRepair, or with any method once SetRepair has said how. An element of up to 8 bytes is never torn, whoever dies.
//
// It implements encoding.BinaryMarshaler as an argument of package proc.
type Array[T any] struct {
	attachment
	mutex    *semaphore.Mutex
	elements []T
	scratch  T // of Update; guarded by mutex
	repair   atomic.Pointer[func([]T) error]
}

func arrayShape[T any](n int) shape {
	return shape{kind: shmfile.KindArray, t: reflect.TypeFor[T](), offset: elementsOffset, stride: sizeOf[T](), n: n}
}

// NewArray creates an array of n elements that are all zero, anonymous if name
// is empty. Every semaphore.Mutex in T is initialised, so that C programs can
// use it too; the methods that copy elements are not for such a T.
//
// Errors: ErrSize, and those of NewObject.
func NewArray[T any](name string, n int, o *Options) (*Array[T], error) {
	a, s := new(Array[T]), arrayShape[T](n)
	n, err := a.create(name, s, o, func(b []byte) {
		at[semaphore.Mutex](b, lockOffset).Init()
		s.initMutexes(b)
	})
	if err != nil {
		return nil, err
	}
	a.place(n)
	return a, nil
}

// OpenArray attaches to a named array, whatever its length.
//
// Errors: those of OpenObject.
func OpenArray[T any](ctx context.Context, name string, o *OpenOptions) (*Array[T], error) {
	a := new(Array[T])
	n, err := a.find(ctx, name, arrayShape[T](0), o)
	if err != nil {
		return nil, err
	}
	a.place(n)
	return a, nil
}

func (a *Array[T]) place(n int) {
	a.mutex = at[semaphore.Mutex](a.m.Bytes(), lockOffset)
	a.elements = slice[T](a.m.Bytes(), elementsOffset, n)
}

// Len returns the number of elements.
func (a *Array[T]) Len() int { return len(a.elements) }

// Slice returns the elements themselves, which other processes may be changing:
// take the lock. In a named array an access faults if somebody has truncated
// the file. After Close the slice holds zeros.
func (a *Array[T]) Slice() []T { return a.elements }

// All yields copies of the elements, with their indices. It takes no lock: hold
// it for a view of one instant.
func (a *Array[T]) All() iter.Seq2[int, T] { return slices.All(a.elements) }

// Lock takes the array's lock and waits as long as it takes. If the error is not
// nil, the lock is not held.
//
// Errors: ErrClosed, ErrReadOnly, ErrTruncated, and those of
// semaphore.Mutex.Lock.
func (a *Array[T]) Lock() error { return a.LockContext(context.Background()) }

// LockContext is Lock that gives up with the context's error when ctx ends.
func (a *Array[T]) LockContext(ctx context.Context) error {
	err := a.lock(ctx, a.mutex, a.await)
	if err == nil {
		a.endCall() // from here on it is the held lock that keeps Close away
	}
	return err
}

// SetRepair lets every method of this handle that takes the lock take it over from a
// holder that died: repair is called first, as by LockRepair, and the method fails
// with its error. It is called while the lock is held, so it must not call methods
// that take the lock. Nil ends that. Each process has to say it for itself.
func (a *Array[T]) SetRepair(repair func(elements []T) error) {
	if repair == nil {
		a.repair.Store(nil)
		return
	}
	a.repair.Store(&repair)
}

// await waits for the lock.
func (a *Array[T]) await(ctx context.Context) error {
	repair := a.repair.Load()
	if repair == nil {
		return a.mutex.LockContext(ctx)
	}
	return a.mutex.LockRepair(ctx, func() error { return (*repair)(a.elements) })
}

// LockRepair is LockContext that takes over from a holder that died: repair is
// called with the elements and must make them consistent, whatever they are. See
// semaphore.Mutex.LockRepair.
func (a *Array[T]) LockRepair(ctx context.Context, repair func([]T) error) error {
	err := a.lock(ctx, a.mutex, func(ctx context.Context) error {
		return a.mutex.LockRepair(ctx, func() error { return repair(a.elements) })
	})
	if err == nil {
		a.endCall()
	}
	return err
}

// Unlock frees the lock. It panics if this process does not hold it.
func (a *Array[T]) Unlock() { a.unlock(a.mutex) }
