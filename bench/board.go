package main

import (
	"context"
	"errors"
	"os"
	"runtime"
	"sync/atomic"

	"github.com/shmkit/shmkit/internal/handle"
	"github.com/shmkit/shmkit/shm"
)

// board is what the processes of a trial share: what they measure, and where
// they meet.
type board[T any] struct {
	item T
	_    [128]byte
	meeting
}

// meeting is what the sides of a trial tell each other, each on lines of its
// own.
type meeting struct {
	counter uint64 // under the lock that is measured, as turns
	turns   turns
	_       [128]byte
	here    atomic.Uint32 // sides that have come
	taken   atomic.Uint32 // parts
	stop    atomic.Uint32
	_       [128]byte
	parts   [4]part
}

// newBoard makes a board and what is on it (init is nil where zero is ready).
// It is anonymous, so there is no name to leave behind.
func newBoard[T any](init func(item *T) error) (*shm.Object[board[T]], error) {
	object, err := shm.NewObject[board[T]]("", nil)
	if err != nil || init == nil {
		return object, err
	}
	if err := init(&object.Ptr().item); err != nil {
		return nil, errors.Join(err, object.Close())
	}
	return object, nil
}

// linkBoard makes the board of a trial of several sides.
func linkBoard[T any](o *order, init func(item *T) error) (*link, error) {
	if o.alone() {
		return &link{}, nil
	}
	object, err := newBoard(init)
	if err != nil {
		return nil, err
	}
	files := []*os.File{object.File()}
	return &link{a: files, b: files, extra: object}, nil
}

// openBoard attaches to the board that came with the order, and waits until
// all sides have.
func openBoard[T any](o *order) (*board[T], error) {
	object := new(shm.Object[board[T]])
	ref, handles, err := handle.Encode(func() ([]byte, error) {
		return handle.Put(handle.Handle{Kind: "shm.object", File: o.file(0)}, handle.Options{})
	})
	if err == nil {
		err = handle.Decode(context.Background(), ref, handles, object.UnmarshalBinary)
	}
	if err != nil {
		return nil, err
	}
	b := object.Ptr()
	b.here.Add(1)
	for int(b.here.Load()) < sides(o.Job) {
		runtime.Gosched()
	}
	return b, nil
}
