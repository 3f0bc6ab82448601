package proc

import (
	"errors"

	"github.com/shmkit/shmkit/internal/handle"
	"github.com/shmkit/shmkit/ringbuf"
)

// Returned by the methods of queues.
var (
	// ErrFull is returned by TryPut when there is no room.
	ErrFull = ringbuf.ErrFull

	// ErrEmpty is returned by TryGet when there is no item.
	ErrEmpty = ringbuf.ErrEmpty

	// ErrItem is returned by Get for an item that this process cannot decode. It is
	// lost, those after it are not.
	ErrItem = errors.New("item of a queue cannot be decoded")

	// ErrHandleGone is returned by Get together with an item whose shared objects
	// could not be fetched from the process that put it, because that has ended. They
	// are closed; the rest of the item is whole.
	ErrHandleGone = handle.ErrGone

	// ErrTaskDone is returned by TaskDone when this process has no unfinished item.
	ErrTaskDone = errors.New("TaskDone was called more often than Get")
)
