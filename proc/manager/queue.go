package manager

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"runtime"
)

// Queue is a queue of items in a manager: Python's manager.Queue. Any number of processes
// put and get; each item is got once, in the order in which they came to the manager. A
// proc.Queue is much faster; this one has no limits of size and processes, lives in the
// values of other objects, and its items may have proxies.
//
// CloseSend says that nothing further will come: whoever puts gets ErrClosed, whoever gets
// receives what is left and then io.EOF. Without it a Get waits for whoever may put.
//
// A process may be killed at any instant: what it was putting was either put or was not;
// an item that it was getting is got by another one, or is lost with it if the manager had
// sent it (a JoinableQueue can give it to another).
//
// All methods return ErrManagerGone at once if the manager has ended, ErrClosed after Close,
// ErrGone if that comes while they wait, and the context's error; after any error nothing
// was put or got, where nothing else is said.
type Queue[T any] struct{ queue[T] }

// queue is what both queues have in common.
type queue[T any] struct{ proxy }

// NewQueue makes an empty queue for at most maxItems, 0 for any number; ErrOption for fewer,
// or more than math.MaxInt32. The process has it until Close, or until the proxy cannot be
// reached any more. Errors are also ErrTooManyObjects.
func NewQueue[T any](ctx context.Context, m *Manager, maxItems int) (*Queue[T], error) {
	q := new(Queue[T])
	if err := q.make(ctx, m, queueKind, maxItems, false); err != nil {
		return nil, err
	}
	return q, nil
}

func (q *queue[T]) make(ctx context.Context, m *Manager, kind string, most int, again bool) error {
	if most < 0 || most > math.MaxInt32 {
		return fmt.Errorf("make %s: %w: %d items", kind, ErrOption, most)
	}
	return m.create(ctx, &q.proxy, kind, func(t *trip) (func(), error) {
		t.number(uint64(most))
		t.flag(again)
		return nothing, nil
	})
}

// String describes the proxy. It does not ask the manager.
func (q *Queue[T]) String() string { return q.describe(queueKind) }

// MarshalBinary lets the queue travel. See Manager.MarshalBinary.
func (q *Queue[T]) MarshalBinary() ([]byte, error) { return q.leave(queueKind) }

// UnmarshalBinary makes q the queue that has arrived.
func (q *Queue[T]) UnmarshalBinary(data []byte) error { return q.enter(queueKind, data) }

// Put puts v into the queue, and waits for room as long as ctx allows. Other errors:
// ErrArgument, v cannot be encoded; ringbuf.ErrTooLarge; ErrClosed, also after CloseSend.
func (q *queue[T]) Put(ctx context.Context, v T) error { return q.put(ctx, queuePut, v) }

// TryPut is Put that returns ErrFull instead of waiting.
func (q *queue[T]) TryPut(ctx context.Context, v T) error { return q.put(ctx, queueTryPut, v) }

func (q *queue[T]) put(ctx context.Context, o op, v T) error {
	t, err := q.begin(o)
	if err != nil {
		return err
	}
	defer t.end()
	settle, err := put(t, v)
	if err != nil {
		return err
	}
	defer settle()
	_, err = t.call(ctx, o == queuePut)
	runtime.KeepAlive(q)
	return err
}

// Get returns the first item, for which it waits as long as ctx allows. Other errors:
// io.EOF at the end of the queue; ErrValue, an item that cannot be decoded, which is lost,
// those after it are not.
func (q *queue[T]) Get(ctx context.Context) (T, error) {
	v, _, err := q.get(ctx, queueGet, false)
	return v, err
}

// TryGet is Get that returns ErrEmpty instead of waiting.
func (q *queue[T]) TryGet(ctx context.Context) (T, error) {
	v, _, err := q.get(ctx, queueTryGet, false)
	return v, err
}

func (q *queue[T]) get(ctx context.Context, o op, numbered bool) (v T, number uint64, err error) {
	t, err := q.begin(o)
	if err != nil {
		return v, 0, err
	}
	defer t.end()
	t.flag(numbered)
	r, err := t.call(ctx, o == queueGet)
	if err != nil {
		return v, 0, err
	}
	val := r.given()
	number = r.number()
	v, err = get[T](t, val)
	if err != nil && number != 0 {
		_ = q.finish(ctx, number) // nobody can; the error is that of the item
	}
	runtime.KeepAlive(q)
	return v, number, err
}

// All returns the items until the queue's end. Errors of single items, ErrValue, are
// yielded and the next items follow; any other is the last thing yielded; the end of the
// queue is none.
func (q *queue[T]) All(ctx context.Context) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for {
			v, err := q.Get(ctx)
			if errors.Is(err, io.EOF) || !yield(v, err) || err != nil && !isErr(err, ErrValue) {
				return
			}
		}
	}
}

// CloseSend ends the queue for all processes: nothing can be put any more, and those who
// wait for room get ErrClosed. Doing it again does nothing.
func (q *queue[T]) CloseSend(ctx context.Context) error { return q.ask(ctx, queueClose, false) }

// Len returns how many items there are.
func (q *queue[T]) Len(ctx context.Context) (int, error) {
	n, _, err := q.state(ctx)
	return n, err
}

// Empty says whether there is no item.
func (q *queue[T]) Empty(ctx context.Context) (bool, error) {
	n, _, err := q.state(ctx)
	return n == 0 && err == nil, err
}

// Full says whether there is no room.
func (q *queue[T]) Full(ctx context.Context) (bool, error) {
	n, most, err := q.state(ctx)
	return most > 0 && n >= most && err == nil, err
}

func (q *queue[T]) state(ctx context.Context) (n, most int, err error) {
	t, err := q.begin(queueState)
	if err != nil {
		return 0, 0, err
	}
	defer t.end()
	r, err := t.call(ctx, false)
	n, most = int(r.number()), int(r.number())
	runtime.KeepAlive(q)
	return n, most, err
}
