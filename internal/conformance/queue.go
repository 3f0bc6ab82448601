package conformance

import (
	"context"
	"io"
	"testing"
)

// Queue is a queue of numbers.
type Queue interface {
	Put(ctx context.Context, v int) error
	TryPut(ctx context.Context, v int) error
	Get(ctx context.Context) (int, error)
	TryGet(ctx context.Context) (int, error)
	CloseSend(ctx context.Context) error
	Len(ctx context.Context) (int, error)
	Empty(ctx context.Context) (bool, error)
	Full(ctx context.Context) (bool, error)
}

// JoinableQueue is a queue whose items are finished.
type JoinableQueue interface {
	Queue
	TaskDone(ctx context.Context) error
	Join(ctx context.Context) error
}

// Queues is the table of a Queue; of a JoinableQueue, with NewJoinable, it has more.
type Queues struct {
	New                           func(t *testing.T, maxItems int) Queue
	NewJoinable                   func(t *testing.T) JoinableQueue
	Full, Empty, Closed, TaskDone error
}

// Run runs the table.
func (s Queues) Run(t *testing.T) {
	t.Run("Q01 Q02", func(t *testing.T) {
		ctx, q := bounded(t), s.New(t, 6)
		is(t, true)(q.Empty(ctx))
		is(t, false)(q.Full(ctx))
		for i := range 6 {
			if i%2 == 0 {
				ok(t, q.Put(ctx, i))
			} else {
				ok(t, q.TryPut(ctx, i))
			}
		}
		is(t, false)(q.Empty(ctx))
		is(t, true)(q.Full(ctx))
		fails(t, q.TryPut(ctx, 7), s.Full)
		briefly(ctx, t, func(ctx context.Context) error { return q.Put(ctx, 7) })
		is(t, 6)(q.Len(ctx))
		waits := together(1, func(int) error { return q.Put(ctx, 6) })
		for i := range 7 {
			is(t, i)(q.Get(ctx))
		}
		ok(t, <-waits)
		is(t, true)(q.Empty(ctx))
		is(t, false)(q.Full(ctx))
	})
	t.Run("Q04", func(t *testing.T) {
		ctx, q := bounded(t), s.New(t, 0)
		for i := range 20 {
			ok(t, q.Put(ctx, i))
		}
		for i := range 10 {
			is(t, 2*i)(q.Get(ctx))
			is(t, 2*i+1)(q.TryGet(ctx))
		}
	})
	t.Run("Q05 Q06", func(t *testing.T) {
		ctx, q := bounded(t), s.New(t, 0)
		_, err := q.TryGet(ctx)
		fails(t, err, s.Empty)
		briefly(ctx, t, func(ctx context.Context) error { _, err := q.Get(ctx); return err })
		ok(t, q.Put(ctx, 3)) // nobody has taken its place
		is(t, 3)(q.TryGet(ctx))
		over, cancel := context.WithCancel(ctx)
		waits := together(1, func(int) error { _, err := q.Get(over); return err })
		cancel()
		fails(t, <-waits, context.Canceled)
		ok(t, q.Put(ctx, 4))
		is(t, 4)(q.Get(ctx))
	})
	t.Run("Q08", func(t *testing.T) {
		ctx, q := bounded(t), s.New(t, 0)
		is(t, 0)(q.Len(ctx))
		ok(t, q.Put(ctx, 1))
		is(t, 1)(q.Len(ctx))
		ok(t, q.Put(ctx, 5))
		is(t, 2)(q.Len(ctx))
		is(t, 1)(q.Get(ctx))
		is(t, 1)(q.Len(ctx))
		is(t, 5)(q.TryGet(ctx))
		is(t, 0)(q.Len(ctx))
	})
	t.Run("Q14", func(t *testing.T) {
		ctx, q := bounded(t), s.New(t, 0)
		ok(t, q.Put(ctx, 1))
		ok(t, q.CloseSend(ctx))
		fails(t, q.Put(ctx, 2), s.Closed)
		fails(t, q.TryPut(ctx, 2), s.Closed)
		is(t, 1)(q.Get(ctx))
		for range 2 {
			_, err := q.Get(ctx)
			fails(t, err, io.EOF)
			_, err = q.TryGet(ctx)
			fails(t, err, io.EOF)
		}
		q = s.New(t, 0)
		waits := together(2, func(int) error { _, err := q.Get(ctx); return err })
		ok(t, q.CloseSend(ctx))
		fails(t, <-waits, io.EOF)
		fails(t, <-waits, io.EOF)
	})
	t.Run("many", func(t *testing.T) {
		ctx, q := bounded(t), s.New(t, 3)
		const each = 50
		puts := together(4, func(i int) error {
			for n := range each {
				if err := q.Put(ctx, i*each+n); err != nil {
					return err
				}
			}
			return nil
		})
		got := make(chan int, 4*each)
		gets := together(4, func(int) error {
			for range each {
				v, err := q.Get(ctx)
				if err != nil {
					return err
				}
				got <- v
			}
			return nil
		})
		all(t, puts, 4)
		all(t, gets, 4)
		var seen [4 * each]bool
		for range 4 * each {
			v := <-got
			if seen[v] {
				t.Fatalf("%d was got twice", v)
			}
			seen[v] = true
		}
	})
	t.Run("Q09", func(t *testing.T) {
		ctx, q := bounded(t), s.NewJoinable(t)
		fails(t, q.TaskDone(ctx), s.TaskDone)
		ok(t, q.Join(ctx))
		for i := range 10 {
			ok(t, q.Put(ctx, i))
		}
		briefly(ctx, t, q.Join)
		joined := together(1, func(int) error { return q.Join(ctx) })
		for i := range 10 {
			none(t, joined)
			is(t, i)(q.Get(ctx))
			none(t, joined)
			ok(t, q.TaskDone(ctx))
		}
		ok(t, <-joined)
		fails(t, q.TaskDone(ctx), s.TaskDone)
	})
}
