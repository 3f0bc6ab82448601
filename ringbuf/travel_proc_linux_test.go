package ringbuf_test

import (
	"context"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/proc"
	"github.com/shmkit/shmkit/ringbuf"
)

// job is an argument with every kind of handle in it.
type job struct {
	In  *ringbuf.Consumer
	Out *ringbuf.Producer
	Log *ringbuf.Ring
	Sum *ringbuf.Chan[int64]
}

var work = proc.Register("ringbuf/work", func(ctx context.Context, j job) error {
	log, err := j.Log.Producer()
	if err != nil {
		return err
	}
	total := int64(0)
	for b, err := range j.In.All(ctx) {
		if err != nil {
			return err
		}
		total += int64(len(b))
		if err := j.Out.Send(ctx, b); err != nil {
			return err
		}
		if err := log.Send(ctx, fmt.Append(nil, len(b))); err != nil {
			return err
		}
	}
	if err := j.Sum.Send(ctx, total); err != nil {
		return err
	}
	return j.Out.CloseSend()
})

// Rings, roles and channels are arguments of processes.
func TestArguments(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var rings []*ringbuf.Ring
	for range 3 {
		r, err := ringbuf.New("", nil)
		require.NoError(t, err)
		rings = append(rings, r)
	}
	in, err := rings[0].Consumer()
	require.NoError(t, err)
	out, err := rings[1].Producer()
	require.NoError(t, err)
	sum, err := ringbuf.NewChan[int64]("", 1, nil)
	require.NoError(t, err)
	p, err := work.Start(ctx, job{in, out, rings[2], sum}, nil)
	require.NoError(t, err)
	_, err = in.TryRecv(nil)
	require.ErrorIs(t, err, ringbuf.ErrClosed)

	send, err := rings[0].Producer()
	require.NoError(t, err)
	back, err := rings[1].Consumer()
	require.NoError(t, err)
	log, err := rings[2].Consumer()
	require.NoError(t, err)
	for i := range 10 {
		require.NoError(t, send.Send(ctx, make([]byte, i)))
		b, err := back.Recv(ctx, nil)
		require.NoError(t, err)
		require.Len(t, b, i)
		b, err = log.Recv(ctx, nil)
		require.NoError(t, err)
		require.Equal(t, fmt.Sprint(i), string(b))
	}
	require.NoError(t, send.CloseSend())
	v, err := sum.Recv(ctx)
	require.NoError(t, err)
	require.EqualValues(t, 45, v)
	require.NoError(t, p.Wait(ctx))
	_, err = back.Recv(ctx, nil)
	require.Equal(t, io.EOF, err)
	for _, r := range rings {
		require.NoError(t, r.Close())
	}
	require.NoError(t, sum.Close())
}

var hold = proc.Register("ringbuf/hold", func(ctx context.Context, p *ringbuf.Producer) error {
	<-ctx.Done()
	return nil
})

// The ring may be closed as soon as Start returns; the role is the child's.
func TestArgumentOutlivesItsRing(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r, err := ringbuf.New("", nil)
	require.NoError(t, err)
	p, err := r.Producer()
	require.NoError(t, err)
	c, err := r.Consumer()
	require.NoError(t, err)
	child, err := hold.Start(ctx, p, nil)
	require.NoError(t, err)
	require.Equal(t, child.PID(), r.Stats().ProducerPID)
	require.NoError(t, child.Kill())
	_, err = c.Recv(ctx, nil)
	require.ErrorIs(t, err, ringbuf.ErrPeerDied)
	<-child.Done()

	p, err = r.Producer()
	require.NoError(t, err)
	child, err = hold.Start(ctx, p, nil)
	require.NoError(t, err)
	require.NoError(t, r.Close())
	require.NoError(t, child.Kill())
	<-child.Done()
}

// A child that cannot be started leaves the role where it was.
func TestArgumentThatFails(t *testing.T) {
	r, err := ringbuf.New("", nil)
	require.NoError(t, err)
	defer r.Close()
	p, err := r.Producer()
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	_, err = hold.Start(ctx, p, &proc.Options{Dir: "/does/not/exist"})
	require.Error(t, err)
	require.NoError(t, p.TrySend(nil))
	cancel()
	_, err = hold.Start(ctx, p, nil)
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, p.TrySend(nil))
}
