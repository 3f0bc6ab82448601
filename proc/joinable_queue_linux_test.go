package proc_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/race"
	"github.com/shmkit/shmkit/proc"
)

func newJoinable[T any](t testing.TB, o *proc.JoinableOptions) *proc.JoinableQueue[T] {
	t.Helper()
	q, err := proc.NewJoinableQueue[T](o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, q.Close()) })
	return q
}

type chores struct {
	Q   *proc.JoinableQueue[letter]
	Got *proc.Queue[letter]
}

// doChores finishes what it gets, and tells of it before.
var doChores = proc.Register("joinable.do", func(ctx context.Context, a chores) error {
	for l, err := range a.Q.All(ctx) {
		if err != nil {
			return err
		}
		if err := a.Got.Put(ctx, l); err != nil {
			return err
		}
		if err := a.Q.TaskDone(); err != nil {
			return err
		}
	}
	return nil
})

// hoard gets items and finishes none.
var hoard = proc.Register("joinable.hoard", func(ctx context.Context, a chores) error {
	for {
		l, err := a.Q.Get(ctx)
		if err != nil {
			return err
		}
		if err := a.Got.Put(ctx, l); err != nil {
			return err
		}
	}
})

// joined reports that Join has returned.
func joined[T any](ctx context.Context, q *proc.JoinableQueue[T]) <-chan error {
	done := make(chan error, 1)
	go func() { done <- q.Join(ctx) }()
	return done
}

func stillWaits(t *testing.T, done <-chan error) {
	t.Helper()
	select {
	case err := <-done:
		t.Fatalf("Join returned %v", err)
	case <-time.After(50 * time.Millisecond):
	}
}

// Q09: Join returns when every item was finished, by whatever process, and not before.
func TestJoinableQueueQ09(t *testing.T) {
	ctx := watchdog(t)
	q, got := newJoinable[letter](t, nil), newQueue[letter](t, nil)
	require.NoError(t, q.Join(ctx), "nothing was put")
	require.NoError(t, q.Put(ctx, letter{N: 0}))
	done := joined(ctx, q)
	stillWaits(t, done)
	for i := 1; i < 10; i++ {
		require.NoError(t, q.Put(ctx, letter{N: i}))
	}
	for range 4 {
		start(t, doChores, chores{q, got}, nil)
	}
	require.NoError(t, <-done)
	require.Equal(t, 10, got.Len())
	require.NoError(t, q.Join(ctx))

	over, cancel := context.WithCancel(ctx)
	cancel()
	require.NoError(t, q.CloseSend(ctx))
	require.NoError(t, q.Join(over), "with nothing to wait for")
}

// TaskDone finishes what this process got, and nothing else; Join waits for the rest.
func TestJoinableQueueTaskDone(t *testing.T) {
	ctx := watchdog(t)
	for name, redeliver := range map[string]bool{"once": false, "redelivered": true} {
		t.Run(name, func(t *testing.T) {
			q := newJoinable[int64](t, &proc.JoinableOptions{Redeliver: redeliver})
			require.ErrorIs(t, q.TaskDone(), proc.ErrTaskDone)
			require.NoError(t, q.Put(ctx, 1))
			require.ErrorIs(t, q.TaskDone(), proc.ErrTaskDone, "it was not got yet")
			require.NoError(t, q.Put(ctx, 2))
			require.NoError(t, q.Put(ctx, 3))
			n, err := q.Get(ctx)
			require.NoError(t, err)
			require.EqualValues(t, 1, n)
			n, done, err := q.Take(ctx)
			require.NoError(t, err)
			require.EqualValues(t, 2, n)
			n, err = q.TryGet()
			require.NoError(t, err)
			require.EqualValues(t, 3, n)
			require.True(t, q.Empty())
			_, err = q.TryGet()
			require.ErrorIs(t, err, proc.ErrEmpty)

			all := joined(ctx, q)
			require.NoError(t, q.TaskDone())
			require.NoError(t, q.TaskDone())
			require.ErrorIs(t, q.TaskDone(), proc.ErrTaskDone, "the other one was taken")
			stillWaits(t, all)
			soon, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
			defer cancel()
			require.ErrorIs(t, q.Join(soon), context.DeadlineExceeded)
			require.NoError(t, done())
			require.ErrorIs(t, done(), proc.ErrTaskDone)
			require.NoError(t, <-all)
		})
	}
}

// What a killed process had not finished counts as finished, or is got by another one.
func TestJoinableQueueKilledWorkerX06(t *testing.T) {
	ctx := watchdog(t)
	for name, redeliver := range map[string]bool{"lost": false, "redelivered": true} {
		t.Run(name, func(t *testing.T) {
			q, got := newJoinable[letter](t, &proc.JoinableOptions{Redeliver: redeliver}), newQueue[letter](t, nil)
			for i := range 5 {
				require.NoError(t, q.Put(ctx, letter{N: i}))
			}
			bad := start(t, hoard, chores{q, got}, nil)
			for range 5 {
				_, err := got.Get(ctx)
				require.NoError(t, err)
			}
			done := joined(ctx, q)
			stillWaits(t, done)
			require.NoError(t, bad.Kill())
			if redeliver {
				stillWaits(t, done)
				start(t, doChores, chores{q, got}, nil)
			}
			require.NoError(t, <-done)
			if !redeliver {
				require.True(t, got.Empty())
				return
			}
			seen := make(map[int]bool)
			for range 5 {
				l, err := got.TryGet()
				require.NoError(t, err)
				seen[l.N] = true
			}
			require.Len(t, seen, 5, "each once more")
		})
	}
}

type errand struct {
	Name string
	Out  *file
}

// dropOut gets an item with a file and is killed with it.
var dropOut = proc.Register("joinable.dropOut", func(ctx context.Context, q *proc.JoinableQueue[errand]) error {
	e, err := q.Get(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintln(e.Out, "got it")
	select {}
})

// An item that comes again has its shared objects again.
func TestJoinableQueueHandlesComeAgain(t *testing.T) {
	ctx := watchdog(t)
	q := newJoinable[errand](t, &proc.JoinableOptions{Redeliver: true})
	out := newOutput(t)
	require.NoError(t, q.Put(ctx, errand{"errand", out.W}))
	next := out.lines()
	for range 3 {
		p := start(t, dropOut, q, nil)
		require.Equal(t, "got it", next())
		require.NoError(t, p.Kill())
		<-p.Done()
	}
	e, err := q.Get(ctx)
	require.NoError(t, err)
	require.Equal(t, "errand", e.Name)
	fmt.Fprintln(e.Out, "done with it")
	require.Equal(t, "done with it", next())
	require.NotEmpty(t, door(t), "it may be needed again")
	e.Out.Close()
	require.NoError(t, q.TaskDone())
	require.NoError(t, q.Join(ctx))
	eventuallyNoDoor(t)
}

// Closing leaves what is unfinished, as death does.
func TestJoinableQueueClosed(t *testing.T) {
	ctx := watchdog(t)
	q, got := newJoinable[letter](t, &proc.JoinableOptions{Redeliver: true}), newQueue[letter](t, nil)
	require.NoError(t, q.Put(ctx, letter{N: 1}))
	_, err := q.Get(ctx)
	require.NoError(t, err)
	p := start(t, doChores, chores{q, got}, nil)
	require.NoError(t, q.Close())
	require.NoError(t, q.Close())
	l, err := got.Get(ctx)
	require.NoError(t, err)
	require.Equal(t, 1, l.N)
	require.ErrorIs(t, q.TaskDone(), proc.ErrTaskDone)
	require.ErrorIs(t, q.Join(ctx), proc.ErrClosed)
	_, err = q.Get(ctx)
	require.ErrorIs(t, err, proc.ErrClosed)
	_, _, err = q.Take(ctx)
	require.ErrorIs(t, err, proc.ErrClosed)
	require.NoError(t, p.Kill())
}

// An item that cannot be decoded, or has lost its shared objects, is finished with the
// error.
func TestJoinableQueueErrorsAreFinished(t *testing.T) {
	ctx := watchdog(t)
	q := newJoinable[picky](t, nil)
	require.NoError(t, q.Put(ctx, "four"))
	_, err := q.Get(ctx)
	require.ErrorIs(t, err, proc.ErrItem)
	require.ErrorIs(t, q.TaskDone(), proc.ErrTaskDone)
	require.NoError(t, q.Join(ctx))
}

// hoardNumbers gets numbers, finishes none, and tells when it has so many.
var hoardNumbers = proc.Register("joinable.hoardNumbers", func(ctx context.Context, a struct {
	Q    *proc.JoinableQueue[int64]
	Full *proc.Queue[int64]
	N    int64
}) error {
	for range a.N {
		if _, err := a.Q.Get(ctx); err != nil {
			return err
		}
	}
	if err := a.Full.Put(ctx, a.N); err != nil {
		return err
	}
	select {}
})

// A queue is as unbounded as Queue: an hour's items are put at once, a million of them
// unfinished, and a worker is killed with many. The memory comes back when they are
// finished, without another Put. TaskDone does not become slower by that.
func TestJoinableQueueUnboundedX06(t *testing.T) {
	items, hoarded := int64(1_000_000), int64(100_000)
	if race.Enabled { // which is slow, and looks at other things
		items, hoarded = 50_000, 5_000
	}
	ctx := watchdog(t)
	q, full := newJoinable[int64](t, &proc.JoinableOptions{Redeliver: true}), newQueue[int64](t, nil)
	before := q.Memory()
	for i := range items {
		require.NoError(t, q.Put(ctx, i))
	}
	most := q.Memory()
	require.Greater(t, most, before+items*40)
	w := start(t, hoardNumbers, struct {
		Q    *proc.JoinableQueue[int64]
		Full *proc.Queue[int64]
		N    int64
	}{q, full, hoarded}, nil)
	_, err := full.Get(ctx)
	require.NoError(t, err)
	require.NoError(t, w.Kill())
	<-w.Done()
	seen := make([]bool, items)
	for range items {
		n, err := q.Get(ctx)
		require.NoError(t, err)
		require.False(t, seen[n])
		seen[n] = true
	}
	require.Equal(t, most, q.Memory(), "all are unfinished")
	done := joined(ctx, q)
	stillWaits(t, done)
	for range items {
		require.NoError(t, q.TaskDone())
	}
	require.ErrorIs(t, q.TaskDone(), proc.ErrTaskDone)
	require.NoError(t, <-done)
	require.Less(t, q.Memory(), before+(1<<20))
	t.Logf("%d KiB at first, %d with all, %d afterwards", before>>10, most>>10, q.Memory()>>10)
}

// MaxItems and MaxBytes bound it all the same.
func TestJoinableQueueBounds(t *testing.T) {
	ctx := watchdog(t)
	q := newJoinable[int64](t, &proc.JoinableOptions{QueueOptions: proc.QueueOptions{MaxItems: 3}})
	for range 3 {
		require.NoError(t, q.TryPut(1))
	}
	require.True(t, q.Full())
	require.ErrorIs(t, q.TryPut(1), proc.ErrFull)
	_, err := q.Get(ctx)
	require.NoError(t, err)
	require.NoError(t, q.TryPut(1), "what was got is not in the queue, though unfinished")

	for _, most := range []int{64 << 10, 8 << 20} {
		big := newJoinable[[1000]byte](t, &proc.JoinableOptions{QueueOptions: proc.QueueOptions{MaxBytes: most}})
		n := 0
		for ; big.TryPut([1000]byte{}) == nil; n++ {
			require.Less(t, n, most/1000, "MaxBytes %d", most)
			_, err := big.Get(ctx)
			require.NoError(t, err)
		}
		require.Greater(t, n, most/1000/2)
		require.ErrorIs(t, big.TryPut([1000]byte{}), proc.ErrFull, "they are unfinished")
		for range n {
			require.NoError(t, big.TaskDone())
		}
		require.NoError(t, big.TryPut([1000]byte{}))
	}
}

var chore = proc.Register("chore", func(ctx context.Context, q *proc.JoinableQueue[string]) error {
	for s, err := range q.All(ctx) {
		if err != nil {
			return err
		}
		fmt.Println("done:", s)
		if err := q.TaskDone(); err != nil {
			return err
		}
	}
	return nil
})

func ExampleJoinableQueue() {
	ctx := context.Background()
	q, err := proc.NewJoinableQueue[string](&proc.JoinableOptions{Redeliver: true})
	if err != nil {
		log.Fatal(err)
	}
	defer q.Close()
	p, err := chore.Start(ctx, q, nil)
	if err != nil {
		log.Fatal(err)
	}
	q.Put(ctx, "sweep")
	q.Put(ctx, "dust")
	fmt.Println("all finished:", q.Join(ctx))
	q.CloseSend(ctx)
	p.Wait(ctx)
	fmt.Println(errors.Is(q.TaskDone(), proc.ErrTaskDone))
	// Output:
	// done: sweep
	// done: dust
	// all finished: <nil>
	// true
}
