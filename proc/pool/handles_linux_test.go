package pool_test

import (
	"context"
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/proc"
	"github.com/shmkit/shmkit/proc/pool"
	"github.com/shmkit/shmkit/ringbuf"
)

type parcel struct {
	Queue *proc.Queue[int]
	Role  *ringbuf.Producer
	N     int
}

var fill = pool.RegisterTask("fill", func(ctx context.Context, c parcel) (parcel, error) {
	if c.N < 0 {
		os.Exit(4)
	}
	for i := range c.N {
		if err := c.Queue.Put(ctx, i); err != nil {
			return c, err
		}
	}
	if c.Role != nil {
		return c, c.Role.Send(ctx, []byte("sent"))
	}
	q, err := proc.NewQueue[int](nil)
	if err != nil {
		return c, err
	}
	if err := q.Put(ctx, c.N); err != nil {
		return c, err
	}
	return parcel{Queue: q}, nil
})

// Shared objects, and roles, travel in arguments and results.
func TestHandles(t *testing.T) {
	p := newPool(t, 2, nil)
	ctx := watchdog(t)
	q, err := proc.NewQueue[int](nil)
	require.NoError(t, err)
	defer q.Close()
	for i := range 5 {
		r, err := fill.Apply(ctx, p, parcel{Queue: q, N: i})
		require.NoError(t, err)
		got, err := r.Queue.Get(ctx)
		require.NoError(t, err)
		require.Equal(t, i, got)
		r.Queue.Close()
	}
	for range 10 {
		_, err := q.Get(ctx)
		require.NoError(t, err)
	}
	rs, err := fill.Map(ctx, p, slices.Values([]parcel{{Queue: q, N: 1}, {Queue: q, N: 2}, {N: -1}, {Queue: q, N: 3}}), nil)
	require.ErrorIs(t, err, pool.ErrWorkerDied)
	for i, r := range rs {
		if i != 2 {
			_, err := r.Queue.Get(ctx)
			require.NoError(t, err)
			r.Queue.Close()
		}
	}
	ring, err := ringbuf.New("", nil)
	require.NoError(t, err)
	defer ring.Close()
	role, err := ring.Producer()
	require.NoError(t, err)
	c, err := ring.Consumer()
	require.NoError(t, err)
	defer c.Close()
	r, err := fill.Apply(ctx, p, parcel{Role: role})
	require.NoError(t, err)
	r.Role.Close()
	msg, err := c.Recv(ctx, nil)
	require.NoError(t, err)
	require.Equal(t, "sent", string(msg))
}
