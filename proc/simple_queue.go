package proc

import (
	"context"
	"os"

	"github.com/shmkit/shmkit/ringbuf"
)

// SimpleQueue is a Queue without options and with the few methods that Python's
// multiprocessing.SimpleQueue has. See Queue for all that it promises.
type SimpleQueue[T any] struct{ queue queue[T] }

// NewSimpleQueue makes a queue of any number of items. Errors: ringbuf.ErrNoSpace,
// errors.ErrUnsupported.
func NewSimpleQueue[T any]() (*SimpleQueue[T], error) {
	q := new(SimpleQueue[T])
	if err := q.queue.make(nil, ringbuf.Options{}); err != nil {
		return nil, err
	}
	return q, nil
}

// Put puts v into the queue. As Queue.Put.
func (q *SimpleQueue[T]) Put(ctx context.Context, v T) error { return q.queue.Put(ctx, v) }

// Get returns the next item, waiting for one as long as ctx allows. As Queue.Get.
func (q *SimpleQueue[T]) Get(ctx context.Context) (T, error) { return q.queue.get(ctx, true) }

// Empty reports whether there is no item in the queue; true after Close.
func (q *SimpleQueue[T]) Empty() bool { return q.queue.Empty() }

// Close gives the queue up in this process. As Queue.Close.
func (q *SimpleQueue[T]) Close() error { return q.queue.Close() }

// MarshalBinary lets a queue travel. As Queue.MarshalBinary.
func (q *SimpleQueue[T]) MarshalBinary() ([]byte, error) { return q.queue.leave("SimpleQueue") }

// UnmarshalBinary makes q the queue that has arrived. As Queue.UnmarshalBinary.
func (q *SimpleQueue[T]) UnmarshalBinary(data []byte) error {
	return q.queue.enter("SimpleQueue", data)
}

func (q *SimpleQueue[T]) pending() bool               { return q.queue.pending() }
func (q *SimpleQueue[T]) pollFile() (*os.File, error) { return q.queue.pollFile() }
