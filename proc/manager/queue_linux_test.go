package manager_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/proc"
	"github.com/shmkit/shmkit/proc/manager"
)

type parcel struct {
	Name string
	Dict *manager.Dict[string, int]
}

// Q18: a queue in a dictionary works, and so do proxies in its items. They live as long as
// they are in the queue.
func TestQueueOfProxies(t *testing.T) {
	both(t, func(t *testing.T, m *manager.Manager) {
		ctx := bounded(t)
		q, err := manager.NewQueue[parcel](ctx, m, 0)
		require.NoError(t, err)
		d, err := manager.NewDict[string, *manager.Queue[parcel]](ctx, m)
		require.NoError(t, err)
		require.NoError(t, d.Set(ctx, "q", q))
		require.NoError(t, q.Close())
		q, err = d.Get(ctx, "q")
		require.NoError(t, err)
		inner, err := manager.NewDict[string, int](ctx, m)
		require.NoError(t, err)
		require.NoError(t, inner.Set(ctx, "x", 5))
		require.NoError(t, q.Put(ctx, parcel{"a", inner}))
		require.NoError(t, q.Put(ctx, parcel{"b", inner}))
		require.NoError(t, inner.Close())
		p, err := q.Get(ctx)
		require.NoError(t, err)
		n, err := p.Dict.Get(ctx, "x")
		require.NoError(t, err)
		require.Equal(t, 5, n)
		require.NoError(t, p.Dict.Close())
		require.NoError(t, q.Close())
		require.NoError(t, d.Close()) // and with it the queue, and the item
		nothingLeft(t, m)
	})
}

// An item whose getter has given up stays at its place; one whose putter has given up leaves
// nothing behind.
func TestQueueGivenUp(t *testing.T) {
	both(t, func(t *testing.T, m *manager.Manager) {
		ctx := bounded(t)
		q, err := manager.NewQueue[parcel](ctx, m, 1)
		require.NoError(t, err)
		d, err := manager.NewDict[string, int](ctx, m)
		require.NoError(t, err)
		over, cancel := context.WithCancel(ctx)
		got := make(chan error, 1)
		go func() { _, err := q.Get(over); got <- err }()
		parked(t, m, q.ID(), 1)
		cancel()
		require.ErrorIs(t, <-got, context.Canceled)
		require.NoError(t, q.Put(ctx, parcel{"first", d}))
		over, cancel = context.WithCancel(ctx)
		go func() { got <- q.Put(over, parcel{"second", d}) }()
		parked(t, m, q.ID(), 1)
		cancel()
		require.ErrorIs(t, <-got, context.Canceled)
		p, err := q.Get(ctx)
		require.NoError(t, err)
		require.Equal(t, "first", p.Name)
		_, err = q.TryGet(ctx)
		require.ErrorIs(t, err, manager.ErrEmpty)
		require.NoError(t, p.Dict.Close())
		require.NoError(t, d.Close())
		require.NoError(t, q.Close())
		nothingLeft(t, m)
	})
}

// CloseSend ends the waits for room, and for items.
func TestQueueCloseSend(t *testing.T) {
	both(t, func(t *testing.T, m *manager.Manager) {
		ctx := bounded(t)
		q, err := manager.NewQueue[int](ctx, m, 1)
		require.NoError(t, err)
		require.NoError(t, q.Put(ctx, 1))
		got := make(chan error, 1)
		go func() { got <- q.Put(ctx, 2) }()
		parked(t, m, q.ID(), 1)
		require.NoError(t, q.CloseSend(ctx))
		require.ErrorIs(t, <-got, manager.ErrClosed)
		var all []int
		for v, err := range q.All(ctx) {
			require.NoError(t, err)
			all = append(all, v)
		}
		require.Equal(t, []int{1}, all)
	})
}

// An item of another type is an error of its Get, and the next one follows; of a joinable
// queue it is finished.
func TestQueueOfOtherItems(t *testing.T) {
	both(t, func(t *testing.T, m *manager.Manager) {
		ctx := bounded(t)
		q, err := manager.NewJoinableQueue[any](ctx, m, nil)
		require.NoError(t, err)
		var ints manager.JoinableQueue[int]
		through(t, q, &ints)
		require.NoError(t, q.Put(ctx, "text"))
		require.NoError(t, q.Put(ctx, 4))
		_, err = ints.Get(ctx)
		require.ErrorIs(t, err, manager.ErrValue)
		v, err := ints.Get(ctx)
		require.NoError(t, err)
		require.Equal(t, 4, v)
		require.NoError(t, ints.TaskDone(ctx))
		require.NoError(t, q.Join(ctx))
		require.ErrorIs(t, q.Put(ctx, func() {}), manager.ErrArgument)
		require.NoError(t, ints.Close())
		require.NoError(t, q.Close())
		nothingLeft(t, m)
	})
}

// through makes to a proxy of what from leads to.
func through(t *testing.T, from, to any) {
	t.Helper()
	a, b, err := proc.Pipe(nil)
	require.NoError(t, err)
	defer a.Close()
	defer b.Close()
	sent := make(chan error, 1)
	go func() { sent <- a.Send(bounded(t), from) }()
	require.NoError(t, b.Recv(bounded(t), to))
	require.NoError(t, <-sent)
}

// taker gets two tasks and finishes the second, and stays.
var taker = proc.Register("queueTaker", func(ctx context.Context, v victim) error {
	if _, err := v.Joinable.Get(ctx); err != nil {
		return err
	}
	_, done, err := v.Joinable.Take(ctx)
	if err != nil {
		return err
	}
	if err := done(ctx); err != nil {
		return err
	}
	if err := done(ctx); !errors.Is(err, manager.ErrTaskDone) {
		return fmt.Errorf("done twice: %w", err)
	}
	if err := v.Got.Set(ctx); err != nil {
		return err
	}
	select {}
})

// The tasks of a process that is killed are got again, before those that came later; or they
// count as finished.
func TestTasksOfTheDead(t *testing.T) {
	m := inside(t, nil)
	for _, again := range []bool{false, true} {
		ctx := bounded(t)
		got, err := manager.NewEvent(ctx, m)
		require.NoError(t, err)
		q, err := manager.NewJoinableQueue[int](ctx, m, &manager.JoinableOptions{Redeliver: again})
		require.NoError(t, err)
		for i := range 3 {
			require.NoError(t, q.Put(ctx, i))
		}
		p, err := taker.Start(ctx, victim{Joinable: q, Got: got}, nil)
		require.NoError(t, err)
		require.NoError(t, got.Wait(ctx))
		require.NoError(t, q.CloseSend(ctx))
		var items []int
		if !again {
			v, err := q.Get(ctx)
			require.NoError(t, err)
			require.Equal(t, 2, v)
			require.NoError(t, q.TaskDone(ctx))
			_, err = q.Get(ctx)
			require.ErrorIs(t, err, io.EOF)
			brief, cancel := context.WithTimeout(ctx, 5*time.Millisecond)
			require.ErrorIs(t, q.Join(brief), context.DeadlineExceeded)
			cancel()
			require.NoError(t, p.Kill())
		} else {
			require.NoError(t, p.Kill())
			require.Error(t, p.Wait(ctx))
			for len(items) < 1 || items[len(items)-1] != 0 {
				v, err := q.Get(ctx)
				require.NoError(t, err)
				items = append(items, v)
				require.NoError(t, q.TaskDone(ctx))
			}
			require.Contains(t, [][]int{{0}, {2, 0}}, items, "the manager hears of the death a moment later")
			if len(items) == 1 {
				_, err := q.Get(ctx)
				require.NoError(t, err)
				require.NoError(t, q.TaskDone(ctx))
			}
			_, err = q.Get(ctx)
			require.ErrorIs(t, err, io.EOF)
		}
		require.NoError(t, q.Join(ctx))
		require.NoError(t, q.Close())
		require.NoError(t, got.Close())
		nothingLeft(t, m)
	}
}

// putter puts, or joins, and says so.
var putter = proc.Register("queuePutter", func(ctx context.Context, v victim) error {
	if v.Kind == "Join" {
		return v.Joinable.Join(ctx)
	}
	return v.Queue.Put(ctx, 8)
})

// What a process wanted to put that is killed while it waits for room is not put; one that is
// killed in Join is forgotten; and a stopped one blocks nobody.
func TestKilledPutterAndJoiner(t *testing.T) {
	m := inside(t, nil)
	for _, stopped := range []bool{false, true} {
		ctx := bounded(t)
		s := newScene(t, m, "Queue")
		require.NoError(t, s.Queue.Put(ctx, 7))
		require.NoError(t, s.Joinable.Put(ctx, 7))
		var ps []*proc.Process
		for _, kind := range []string{"Put", "Join"} {
			v := s.victim
			v.Kind = kind
			p, err := putter.Start(ctx, v, nil)
			require.NoError(t, err)
			ps = append(ps, p)
		}
		parked(t, m, s.Queue.ID(), 1)
		parked(t, m, s.Joinable.ID(), 1)
		if stopped {
			for _, p := range ps {
				freeze(t, p.PID())
			}
			v, err := s.Queue.Get(ctx)
			require.NoError(t, err)
			require.Equal(t, 7, v)
			v, err = s.Queue.Get(ctx)
			require.NoError(t, err)
			require.Equal(t, 8, v)
			_, err = s.Joinable.Get(ctx)
			require.NoError(t, err)
			require.NoError(t, s.Joinable.TaskDone(ctx))
		}
		for _, p := range ps {
			s.kill(t, p)
		}
		parked(t, m, s.Queue.ID(), 0)
		parked(t, m, s.Joinable.ID(), 0)
		if !stopped {
			v, err := s.Queue.Get(ctx)
			require.NoError(t, err)
			require.Equal(t, 7, v)
		}
		_, err := s.Queue.TryGet(ctx)
		require.ErrorIs(t, err, manager.ErrEmpty)
		s.end(t)
	}
}
