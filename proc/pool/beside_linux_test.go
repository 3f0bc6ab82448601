package pool_test

import (
	"context"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/shmkit/shmkit/proc"
	"github.com/shmkit/shmkit/proc/pool"
)

type padded struct {
	Queue *proc.Queue[int]
	Pad   []byte
}

var weigh = pool.RegisterTask("weigh", func(_ context.Context, a padded) (int, error) {
	if a.Queue != nil {
		a.Queue.Close()
	}
	return len(a.Pad), nil
})

var shared *proc.Queue[int]

var lend = pool.RegisterTask("lend", func(_ context.Context, n int) (_ padded, err error) {
	if shared == nil {
		shared, err = proc.NewQueue[int](nil)
	}
	return padded{shared, make([]byte, n)}, err
})

// Results with shared objects, of one message, need not all fit beside the ring.
func TestManyResultsBesideTheRing(t *testing.T) {
	p := newPool(t, 1, nil)
	in := slices.Repeat([]int{1000}, 200)
	testproc.Within(t, func() {
		r, err := lend.MapSlice(watchdog(t), p, in, &pool.MapOptions{Chunk: len(in)})
		require.NoError(t, err)
		for _, x := range r {
			require.Len(t, x.Pad, 1000)
			x.Queue.Close()
		}
	})
}

// A task that the workers do not know fails alone, and takes its objects with it.
func TestUnknownTaskBesideTheRing(t *testing.T) {
	p := newPool(t, 1, nil)
	ctx := watchdog(t)
	unknown := pool.RegisterTask(testproc.Name(t), func(context.Context, padded) (int, error) { return 0, nil })
	q, err := proc.NewQueue[int](nil)
	require.NoError(t, err)
	defer q.Close()
	_, err = unknown.Apply(ctx, p, padded{q, make([]byte, 7)})
	require.ErrorIs(t, err, proc.ErrNotRegistered)
	n, err := weigh.Apply(ctx, p, padded{q, make([]byte, 3)})
	require.NoError(t, err)
	require.Equal(t, 3, n)
}

// An argument that could not be sent does not count for MaxTasks: its worker lives on.
func TestUnsentArgumentUnderMaxTasks(t *testing.T) {
	p := newPool(t, 1, &pool.Options{MaxTasks: 1, MaxMessage: 1 << 20})
	ctx := watchdog(t)
	q, err := proc.NewQueue[int](nil)
	require.NoError(t, err)
	defer q.Close()
	_, err = weigh.Apply(ctx, p, padded{q, make([]byte, 2<<20)})
	require.Error(t, err)
	testproc.Within(t, func() {
		n, err := weigh.Apply(ctx, p, padded{q, make([]byte, 5)})
		require.NoError(t, err)
		require.Equal(t, 5, n)
	})
	p.Close()
	require.NoError(t, p.Join(ctx))
}
