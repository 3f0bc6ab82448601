package proc

import (
	"context"
	"fmt"
	"iter"
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
// Room. An item keeps its memory until it is finished: 8 bytes more than its size, rounded up
// to 32, and a quarter of that again for what becomes of it. That is address space too, by
// default 1 GiB of each process that puts, some 26 million small items. Memory is given back a
// quarter of a MiB at a time, when all that lies there is finished, but for half a MiB of each
// process; an item that stays unfinished keeps the quarter that it lies in, and no more, from
// being used again. With a MaxBytes of up to 4 MiB, which are memory then, twice, there may be
// at most 65536 unfinished items of one process, which take their sizes rounded up to 64.
// Where there is no room Put waits: also that of a worker that puts more work, so with a small
// MaxBytes such programs need somebody who finishes items without putting any.
type JoinableQueue[T any] struct {
	queue[T]

	mine  sync.Mutex
	open  tasks              // what Get has returned and TaskDone not finished
	taken map[*task]struct{} // alike, of Take
}

// JoinableOptions of NewJoinableQueue. nil and zero fields mean the defaults.
type JoinableOptions struct {
	QueueOptions
	// Redeliver gives the unfinished items of a process that has died, or closed the
	// queue, to others: every item at least once instead of at most once.
	Redeliver bool
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
	return q.one(ctx, true)
}

// TryGet is Get that returns ErrEmpty instead of waiting; see Queue.TryGet.
func (q *JoinableQueue[T]) TryGet() (T, error) {
	return q.one(context.Background(), false)
}

func (q *JoinableQueue[T]) one(ctx context.Context, wait bool) (T, error) {
	v, t, err := q.take(ctx, wait)
	if err == nil {
		q.mine.Lock()
		q.open.push(t)
		q.mine.Unlock()
	}
	return v, err
}

// Take is Get for an item that is finished by done, not by TaskDone. done returns nil
// once; later, and when the queue was closed meanwhile, ErrTaskDone.
func (q *JoinableQueue[T]) Take(ctx context.Context) (v T, done func() error, err error) {
	v, one, err := q.take(ctx, true)
	if err != nil {
		return v, nil, err
	}
	t := &one
	q.mine.Lock()
	defer q.mine.Unlock()
	if q.taken == nil {
		q.taken = map[*task]struct{}{}
	}
	q.taken[t] = struct{}{}
	return v, func() error {
		q.mine.Lock()
		_, open := q.taken[t]
		delete(q.taken, t)
		q.mine.Unlock()
		if !open {
			return ErrTaskDone
		}
		return t.finish()
	}, nil
}

func (q *JoinableQueue[T]) take(ctx context.Context, wait bool) (v T, t task, err error) {
	lease, err := q.lease(ctx, wait)
	if err != nil {
		return v, t, err
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
		return v, t, err
	}
	return v, task{lease, r}, nil
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
	q.mine.Lock()
	t, ok := q.open.pop()
	q.mine.Unlock()
	if !ok {
		return ErrTaskDone
	}
	return t.finish()
}

func (t *task) finish() error {
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
	q.mine.Lock()
	defer q.mine.Unlock()
	for t, ok := q.open.pop(); ok; t, ok = q.open.pop() {
		t.r.leave()
	}
	for t := range q.taken {
		t.r.leave()
	}
	q.taken = nil
	return nil
}

// MarshalBinary lets a queue travel. As Queue.MarshalBinary.
func (q *JoinableQueue[T]) MarshalBinary() ([]byte, error) { return q.leave("JoinableQueue") }

// UnmarshalBinary makes q the queue that has arrived. As Queue.UnmarshalBinary.
func (q *JoinableQueue[T]) UnmarshalBinary(data []byte) error { return q.enter("JoinableQueue", data) }
