package ringbuf

import (
	"context"
	"encoding"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/handle"
)

// lose makes v what arrives when the sender has ended.
func lose(t *testing.T, kind string, v encoding.BinaryUnmarshaler) {
	t.Helper()
	gone := handle.Table{{Kind: kind, File: 0}}.Gone()
	require.ErrorIs(t, handle.Decode(context.Background(), []byte{0}, gone, v.UnmarshalBinary), handle.ErrGone)
}

// Every method of an object that did not arrive says so, and none panics.
func TestGoneIsClosed(t *testing.T) {
	ctx := bounded(t)
	closed := func(t *testing.T, err error) {
		t.Helper()
		require.ErrorIs(t, err, ErrClosed)
	}
	t.Run("Ring", func(t *testing.T) {
		var r Ring
		lose(t, kindRing, &r)
		_, err := r.Producer()
		closed(t, err)
		_, err = r.Consumer()
		closed(t, err)
		require.Zero(t, r.Stats())
		require.Len(t, r.Ends(), 2)
		require.Zero(t, r.Cap()+r.Len()+r.MaxMessage()+r.Available())
		require.Equal(t, "", r.Name())
		require.Nil(t, r.File())
		require.NotEmpty(t, r.String())
		_, _, err = handle.Encode(r.MarshalBinary)
		closed(t, err)
		require.NoError(t, r.Unlink())
		require.NoError(t, r.Close())
		require.NoError(t, r.Close())
	})
	t.Run("Producer", func(t *testing.T) {
		var p Producer
		lose(t, kindProducer, &p)
		closed(t, p.Send(ctx, []byte("x")))
		closed(t, p.TrySend(nil))
		n, err := p.SendBatch(ctx, [][]byte{[]byte("x")})
		require.Zero(t, n)
		closed(t, err)
		_, err = p.Reserve(ctx, 1)
		closed(t, err)
		require.ErrorIs(t, p.Commit(1), ErrNotReserved)
		p.Abort()
		closed(t, p.CloseSend())
		_, err = Select(ctx, p.CaseSend([]byte("x")))
		closed(t, err)
		_, _, err = handle.Encode(p.MarshalBinary)
		closed(t, err)
		require.Zero(t, p.Ring().Len())
		require.NoError(t, p.Close())
		require.NoError(t, p.Ring().Close())
	})
	t.Run("Consumer", func(t *testing.T) {
		var c Consumer
		lose(t, kindConsumer, &c)
		_, err := c.Recv(ctx, nil)
		closed(t, err)
		_, err = c.TryRecv(nil)
		closed(t, err)
		_, err = c.Next(ctx)
		closed(t, err)
		_, err = c.TryNext()
		closed(t, err)
		c.Release()
		require.False(t, c.Redelivered())
		n, err := c.RecvBatch(ctx, make([][]byte, 1))
		require.Zero(t, n)
		closed(t, err)
		for _, err := range c.All(ctx) {
			closed(t, err)
		}
		var b []byte
		_, err = Select(ctx, c.CaseRecv(&b))
		closed(t, err)
		_, err = c.PollFile()
		closed(t, err)
		_, _, err = handle.Encode(c.MarshalBinary)
		closed(t, err)
		require.Zero(t, c.Ring().Len())
		require.NoError(t, c.Close())
	})
	t.Run("Chan", func(t *testing.T) {
		var c Chan[int64]
		lose(t, kindChan, &c)
		closed(t, c.Send(ctx, 1))
		closed(t, c.TrySend(1))
		_, err := c.SendBatch(ctx, []int64{1})
		closed(t, err)
		closed(t, c.CloseSend(ctx))
		_, err = c.Recv(ctx)
		closed(t, err)
		_, err = c.TryRecv()
		closed(t, err)
		_, err = c.RecvBatch(ctx, make([]int64, 1))
		closed(t, err)
		for _, err := range c.All(ctx) {
			closed(t, err)
		}
		v := int64(1)
		_, err = Select(ctx, c.CaseSend(1), c.CaseRecv(&v))
		closed(t, err)
		_, err = c.PollFile()
		closed(t, err)
		_, _, err = handle.Encode(c.MarshalBinary)
		closed(t, err)
		require.Zero(t, c.Stats())
		require.Len(t, c.Ends(), 2)
		require.Zero(t, c.Cap()+c.Len())
		require.NotEmpty(t, c.String())
		require.NoError(t, c.Unlink())
		require.NoError(t, c.Close())
	})
	t.Run("Queue", func(t *testing.T) {
		var q Queue
		lose(t, kindQueue, &q)
		closed(t, q.Send(ctx, []byte("x")))
		closed(t, q.TrySend(nil))
		closed(t, q.CloseSend(ctx))
		_, err := q.Recv(ctx, nil)
		closed(t, err)
		_, err = q.TryRecv(nil)
		closed(t, err)
		for _, err := range q.All(ctx) {
			closed(t, err)
		}
		var b []byte
		_, err = Select(ctx, q.CaseSend(nil), q.CaseRecv(&b))
		closed(t, err)
		_, err = q.PollFile()
		closed(t, err)
		_, _, err = handle.Encode(q.MarshalBinary)
		closed(t, err)
		require.True(t, q.Ready())
		require.True(t, q.Empty())
		require.False(t, q.Full())
		require.Zero(t, q.Stats())
		require.Empty(t, q.Ends())
		require.Zero(t, q.Cap()+q.Len()+q.MaxMessage())
		require.NotEmpty(t, q.String())
		require.NoError(t, q.Unlink())
		require.NoError(t, q.Close())
	})
}
