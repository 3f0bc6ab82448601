package manager

import (
	"context"
	"runtime"
)

// JoinableQueue is a Queue that knows which items are unfinished: whoever gets one says
// TaskDone when it has done with it what was to be done, and Join waits until that is so of
// all that were put. (Python's manager.JoinableQueue.)
//
// TaskDone finishes the oldest item that this process has got and not finished; another
// process cannot finish it. Where several goroutines of a process work, each on an item of
// its own, Take says which. An item that cannot be decoded (ErrValue) is finished.
//
// When a process ends, in whatever way, the items that it had got and not finished count as
// finished, and with them what was to be done is lost; or, with JoinableOptions.Redeliver,
// others get them, before all that was put later. So Join waits for the living only. With
// Redeliver, io.EOF waits at the end of the queue for what other processes have not
// finished, and may leave.
type JoinableQueue[T any] struct{ queue[T] }

// JoinableOptions of NewJoinableQueue. nil and zero fields mean the defaults.
type JoinableOptions struct {
	// MaxItems is how many items may wait to be got, default any number.
	MaxItems int
	// Redeliver gives the unfinished items of a process that has ended to others: every
	// item at least once instead of at most once.
	Redeliver bool
}

// NewJoinableQueue is NewQueue for a JoinableQueue. o may be nil.
func NewJoinableQueue[T any](ctx context.Context, m *Manager, o *JoinableOptions) (*JoinableQueue[T], error) {
	if o == nil {
		o = new(JoinableOptions)
	}
	q := new(JoinableQueue[T])
	if err := q.make(ctx, m, joinableKind, o.MaxItems, o.Redeliver); err != nil {
		return nil, err
	}
	return q, nil
}

// String describes the proxy. It does not ask the manager.
func (q *JoinableQueue[T]) String() string { return q.describe(joinableKind) }

// MarshalBinary lets the queue travel. See Manager.MarshalBinary.
func (q *JoinableQueue[T]) MarshalBinary() ([]byte, error) { return q.leave(joinableKind) }

// UnmarshalBinary makes q the queue that has arrived.
func (q *JoinableQueue[T]) UnmarshalBinary(data []byte) error { return q.enter(joinableKind, data) }

// Take is Get for an item that is finished by done, not by TaskDone. done returns nil once,
// and ErrTaskDone later.
func (q *JoinableQueue[T]) Take(ctx context.Context) (v T, done func(context.Context) error, err error) {
	v, number, err := q.get(ctx, queueGet, true)
	if err != nil {
		return v, nil, err
	}
	return v, func(ctx context.Context) error { return q.finish(ctx, number) }, nil
}

// TaskDone says that the oldest unfinished item of this process is finished, but for those
// of Take. ErrTaskDone: there is none. It is done also when ctx has ended: only a manager
// that is stopped keeps it waiting.
func (q *JoinableQueue[T]) TaskDone(ctx context.Context) error { return q.finish(ctx, 0) }

// finish finishes the item of that number, 0 for the oldest.
func (q *queue[T]) finish(ctx context.Context, number uint64) error {
	t, err := q.begin(queueDone)
	if err != nil {
		return err
	}
	defer t.end()
	t.number(number)
	_, err = t.call(firm(ctx), false)
	runtime.KeepAlive(q)
	return err
}

// Join waits, as long as ctx allows, until every item that was put has been finished. Where
// items are put meanwhile, it may wait for those as well.
func (q *JoinableQueue[T]) Join(ctx context.Context) error { return q.ask(ctx, queueJoin, true) }
