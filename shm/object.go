package shm

import (
	"context"
	"reflect"

	"github.com/shmkit/shmkit/internal/shmfile"
)

// Object is one T in shared memory, for types that synchronise themselves: with
// embedded locks of package semaphore, with types of sync/atomic, or because
// only one process writes. T must be plain (see *TypeError).
//
// It implements encoding.BinaryMarshaler as an argument of package proc.
type Object[T any] struct{ attachment }

func objectShape[T any]() shape {
	size := sizeOf[T]()
	return shape{kind: shmfile.KindObject, t: reflect.TypeFor[T](), offset: objectOffset, stride: size, n: 1}
}

// NewObject creates an object that is all zero, anonymous if name is empty.
// Every semaphore.Mutex in T is initialised, so that C programs can use it too.
//
// Errors: *TypeError, ErrName, ErrExist, ErrBusy, ErrNoSpace, ErrNoDirectory,
// with ExistOpen those of OpenObject, and the system's.
func NewObject[T any](name string, o *Options) (*Object[T], error) {
	obj, s := new(Object[T]), objectShape[T]()
	if _, err := obj.create(name, s, o, s.initMutexes); err != nil {
		return nil, err
	}
	return obj, nil
}

// OpenObject attaches to a named object.
//
// Errors: *TypeError, ErrName, ErrNotExist, ErrNoDirectory, ErrBusy; those of
// what was found: ErrTruncated, ErrForeign, ErrVersion, ErrKind, ErrLayout,
// ErrForeignNamespace, ErrCorrupt; the system's, and with Wait those of ctx.
func OpenObject[T any](ctx context.Context, name string, o *OpenOptions) (*Object[T], error) {
	obj := new(Object[T])
	if _, err := obj.find(ctx, name, objectShape[T](), o); err != nil {
		return nil, err
	}
	return obj, nil
}

// Ptr returns the T itself, which other processes may be changing: take its
// locks. In a named object an access faults if somebody has truncated the file.
// After Close the pointer leads to zeros.
func (o *Object[T]) Ptr() *T {
	if o.m == nil {
		return nil
	}
	return at[T](o.m.Bytes(), objectOffset)
}
