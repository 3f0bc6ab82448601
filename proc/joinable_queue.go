package proc

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"sync"

	"github.com/shmkit/shmkit/ringbuf"
)

// JoinableQueue is a Queue that knows which items are unfinished: whoever gets one says
// TaskDone when it has done with it what was to be done, and Join waits until that is so
// of all that were put. (Python's multiprocessing.JoinableQueue.) See Queue for all that
// it promises besides.
//
// Whose task is done. TaskDone finishes the oldest item that this process has got and
// not finished; another process cannot finish it. Where several goroutines of a process
// work, each on an item of its own, Take says which.
//
// Death. When a process dies, the items that it had got and not finished count as
// finished, and with them what was to be done is lost; or, with JoinableOptions.Redeliver,
// another process gets them. So Join waits for the living only. Closing the queue does
// the same to what is unfinished in this process.
//
// Items that come again have their shared objects, as long as the process that put them
// lives: it keeps the descriptors until the item is finished. A role in an item can be
// taken once; if it was taken before, the item is an ErrItem. At the end of the queue
// io.EOF waits for what others have not finished, and may leave.
//
// Room. Of what one process has put, at most 65536 items may be unfinished at a time, of
// small ones; an item takes its size rounded up to 64 of the MaxBytes until it is finished.
// Here all MaxBytes are memory, twice, and the default is 4 MiB.
// Then Put waits: also that of a worker that puts more work, so such programs need
// somebody who finishes items without putting any.
type JoinableQueue[T any] struct {
	queue[T]

	tasks sync.Mutex
	open  []*task // not finished, oldest first
}

// JoinableOptions of NewJoinableQueue. nil and zero fields mean the defaults.
type JoinableOptions struct {
	QueueOptions
	// Redeliver gives the unfinished items of a process that has died, or closed the
	// queue, to others: every item at least once instead of at most once.
	Redeliver bool
}

// task is an item that this process has got and not finished.
type task struct {
	lease ringbuf.Lease
	r     *receipt // nil if the sender keeps nothing for it
	taken bool     // by Take: TaskDone leaves it
}

// NewJoinableQueue makes a queue. o may be nil. Errors are those of NewQueue.
func NewJoinableQueue[T any](o *JoinableOptions) (*JoinableQueue[T], error) {
	if o == nil {
		o = new(JoinableOptions)
	}
	q := new(JoinableQueue[T])
	if err := q.make(&o.QueueOptions, ringbuf.Options{Leases: true, Redeliver: o.Redeliver}); err != nil {
		return nil, err
	}
	return q, nil
}

// Get returns the next item, as Queue.Get does, which is unfinished until TaskDone. After
// an error there is none, and TaskDone is not due: an item that came with
// ErrHandleGone or ErrItem is finished already.
func (q *JoinableQueue[T]) Get(ctx context.Context) (T, error) {
	v, _, err := q.take(ctx, true, false)
	return v, err
}

// TryGet is Get that returns ErrEmpty instead of waiting; see Queue.TryGet.
func (q *JoinableQueue[T]) TryGet() (T, error) {
	v, _, err := q.take(context.Background(), false, false)
	return v, err
}

// Take is Get for an item that is finished by done, not by TaskDone. done returns nil
// once; later, and when the queue was closed meanwhile, ErrTaskDone.
func (q *JoinableQueue[T]) Take(ctx context.Context) (v T, done func() error, err error) {
	v, t, err := q.take(ctx, true, true)
	if err != nil {
		return v, nil, err
	}
	return v, func() error { return q.finish(func(o *task) bool { return o == t }) }, nil
}

func (q *JoinableQueue[T]) take(ctx context.Context, wait, taken bool) (v T, t *task, err error) {
	lease, err := q.lease(ctx, wait)
	if err != nil {
		return v, nil, err
	}
	// Of its own: others can change the bytes while they are decoded.
	buf := buffers.Get().(*[]byte)
	msg := append((*buf)[:0], lease.Bytes()...)
	v, r, err := q.item(ctx, msg, wait)
	giveBuffer(buf, msg)
	if err != nil || !q.stays {
		r.done()
		r = nil
	}
	if err != nil {
		_ = lease.Done() // the caller has an error already
		return v, nil, err
	}
	t = &task{lease, r, taken}
	q.tasks.Lock()
	defer q.tasks.Unlock()
	q.open = append(q.open, t)
	return v, t, nil
}

func (q *JoinableQueue[T]) lease(ctx context.Context, wait bool) (ringbuf.Lease, error) {
	if wait {
		return q.ring.Lease(ctx)
	}
	return q.ring.TryLease()
}

// All returns the items until the queue's end, as Queue.All does. Each is unfinished
// until TaskDone.
func (q *JoinableQueue[T]) All(ctx context.Context) iter.Seq2[T, error] {
	return allOf(func() (T, error) { return q.Get(ctx) })
}

// TaskDone says that the oldest unfinished item of this process is finished. It returns
// ErrTaskDone if there is none, and ErrClosed.
func (q *JoinableQueue[T]) TaskDone() error {
	return q.finish(func(t *task) bool { return !t.taken })
}

// finish finishes the first task that is wanted.
func (q *JoinableQueue[T]) finish(wanted func(*task) bool) error {
	q.tasks.Lock()
	i := slices.IndexFunc(q.open, wanted)
	if i < 0 {
		q.tasks.Unlock()
		return ErrTaskDone
	}
	t := q.open[i]
	q.open = slices.Delete(q.open, i, i+1)
	q.tasks.Unlock()
	if err := t.lease.Done(); err != nil {
		t.r.leave()
		return fmt.Errorf("finish task: %w", err)
	}
	t.r.done()
	return nil
}

// Join waits, as long as ctx allows, until every item that was put has been finished. Where
// items are put meanwhile, it may wait for those as well. Errors: ErrClosed,
// ringbuf.ErrCorrupt, or the context's error.
func (q *JoinableQueue[T]) Join(ctx context.Context) error { return q.ring.WaitFinished(ctx) }

// Close gives the queue up in this process, as Queue.Close does, with the items that are
// unfinished here.
func (q *JoinableQueue[T]) Close() error {
	if err := q.queue.Close(); err != nil {
		return err
	}
	q.tasks.Lock()
	defer q.tasks.Unlock()
	for _, t := range q.open {
		t.r.leave()
	}
	q.open = nil
	return nil
}

// MarshalBinary lets a queue travel. As Queue.MarshalBinary.
func (q *JoinableQueue[T]) MarshalBinary() ([]byte, error) { return q.leave("JoinableQueue") }

// UnmarshalBinary makes q the queue that has arrived. As Queue.UnmarshalBinary.
func (q *JoinableQueue[T]) UnmarshalBinary(data []byte) error { return q.enter("JoinableQueue", data) }
