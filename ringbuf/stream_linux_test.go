package ringbuf

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/testproc"
)

// produce sends the messages [from, to) by all verbs in turn.
func produce(t require.TestingT, ctx context.Context, p *Producer, from, to int) {
	for i := from; i < to; {
		b := message(i)
		switch hash(i) % 5 {
		case 0:
			require.NoError(t, p.Send(ctx, b))
		case 1:
			for {
				err := p.TrySend(b)
				if err == nil {
					break
				}
				require.ErrorIs(t, err, ErrFull)
				runtime.Gosched()
			}
		case 2:
			var batch [][]byte
			for len(batch) < 20 && i+len(batch) < to {
				batch = append(batch, message(i+len(batch)))
			}
			n, err := p.SendBatch(ctx, batch)
			require.NoError(t, err)
			require.Equal(t, len(batch), n)
			i += n
			continue
		case 3:
			room, err := p.Reserve(ctx, min(len(b)+3, p.ring.MaxMessage()))
			require.NoError(t, err)
			require.NoError(t, p.Commit(copy(room, b)))
		case 4:
			room, err := p.Reserve(ctx, len(b))
			require.NoError(t, err)
			clear(room)
			p.Abort()
			require.NoError(t, p.Send(ctx, b))
		}
		i++
	}
}

// consume receives the messages [from, to) by all verbs in turn.
func consume(t require.TestingT, ctx context.Context, c *Consumer, from, to int) {
	var buf []byte
	bufs := make([][]byte, 16)
	for i := from; i < to; {
		want := message(i)
		switch hash(i+1) % 5 {
		case 0:
			b, err := c.Next(ctx)
			require.NoError(t, err)
			same(t, i, want, b)
			c.Release()
		case 1:
			var err error
			buf, err = c.Recv(ctx, buf)
			require.NoError(t, err)
			same(t, i, want, buf)
		case 2:
			var err error
			if buf, err = c.TryRecv(buf); errors.Is(err, ErrEmpty) {
				buf, err = c.Recv(ctx, buf)
			}
			require.NoError(t, err)
			same(t, i, want, buf)
		case 3:
			n, err := c.RecvBatch(ctx, bufs[:min(len(bufs), to-i)])
			require.NoError(t, err)
			require.Positive(t, n)
			for k := range n {
				same(t, i+k, message(i+k), bufs[k])
			}
			i += n
			continue
		case 4:
			for b, err := range c.All(ctx) {
				require.NoError(t, err)
				same(t, i, message(i), b)
				i++
				if i == to || hash(i)%4 == 0 {
					break
				}
			}
			continue
		}
		i++
	}
}

// same is require.Equal for message i, cheap when all is well.
func same(t require.TestingT, i int, want, got []byte) {
	if string(want) != string(got) {
		require.Equal(t, fmt.Sprintf("%d: %d bytes: %.40x", i, len(want), want), fmt.Sprintf("%d: %d bytes: %.40x", i, len(got), got))
	}
}

var _ = testproc.Helper("stream producer", func(c *testproc.Child) {
	p := asProducer(c)
	produce(c, context.Background(), p, 0, number(c, 0))
	require.NoError(c, p.CloseSend())
	require.NoError(c, p.ring.Close())
})

var _ = testproc.Helper("stream consumer", func(c *testproc.Child) {
	e := asConsumer(c)
	consume(c, context.Background(), e, 0, number(c, 0))
	_, err := e.Next(context.Background())
	require.Equal(c, io.EOF, err)
	require.NoError(c, e.ring.Close())
})

// Two processes, all verbs, all sizes, in a ring so small that everybody waits.
func TestStreamBetweenProcesses(t *testing.T) {
	const n = 6000
	arg := testproc.Args(fmt.Sprint(n))
	eachStrategy(t, func(t *testing.T, s Strategy) {
		t.Run("child produces", func(t *testing.T) {
			r := ring(t, &Options{Capacity: minCapacity, Strategy: s})
			child := testproc.Start(t, "stream producer", testproc.Files(r.File()), arg)
			c := consumer(t, r)
			consume(t, bounded(t), c, 0, n)
			_, err := c.Recv(bounded(t), nil)
			require.Equal(t, io.EOF, err)
			child.Succeed()
		})
		t.Run("child consumes", func(t *testing.T) {
			r := ring(t, &Options{Capacity: minCapacity, Strategy: s})
			child := testproc.Start(t, "stream consumer", testproc.Files(r.File()), arg)
			p := producer(t, r)
			produce(t, bounded(t), p, 0, n)
			require.NoError(t, p.CloseSend())
			child.Succeed()
			require.Zero(t, r.Len())
			require.True(t, r.Stats().Ended)
		})
	})
}

// Both ends in one process, on two goroutines.
func TestStreamBetweenGoroutines(t *testing.T) {
	const n = 5000
	eachStrategy(t, func(t *testing.T, s Strategy) {
		p, c := pair(t, &Options{Capacity: minCapacity, Strategy: s})
		ctx := bounded(t)
		done := async(func() ([]byte, error) {
			for i := range n {
				if err := p.Send(ctx, message(i)); err != nil {
					return nil, err
				}
			}
			return nil, p.CloseSend()
		})
		i := 0
		for b, err := range c.All(ctx) {
			require.NoError(t, err)
			same(t, i, message(i), b)
			i++
		}
		require.Equal(t, n, i)
		require.NoError(t, get(t, done).err)
	})
}

// Every length of interest, at every place in the ring where a record may begin.
func TestEveryOffsetAndSize(t *testing.T) {
	p, c := pair(t, &Options{Capacity: minCapacity})
	ctx := bounded(t)
	// An odd number of words a step visits every offset in turn, and every
	// record of this length wraps about half of the time.
	const step = 8 * 4099
	begins := make(map[uint64]bool)
	for i := range minCapacity / 8 {
		begins[p.tail%minCapacity] = true
		b := cut(i, step-recordHeader-i%8)
		require.NoError(t, p.Send(ctx, b))
		got, err := c.Next(ctx)
		require.NoError(t, err)
		same(t, i, b, got)
		c.Release()
	}
	require.Len(t, begins, minCapacity/8)

	max := p.ring.MaxMessage()
	require.Equal(t, minCapacity-recordHeader, max)
	for i, n := range []int{0, 1, 7, 8, 9, 15, 16, 17, 63, 64, 65, 4095, 4096, 4097, max / 2, max - 9, max - 8, max - 7, max - 1, max} {
		for k := range 3 {
			b := cut(i, n)
			require.NoError(t, p.TrySend(b), "%d bytes", n)
			if n > max-7 {
				require.ErrorIs(t, p.TrySend(nil), ErrFull, "%d bytes fill the ring", n)
			}
			got, err := c.TryRecv(nil)
			require.NoError(t, err, "%d bytes", n)
			same(t, k, b, got)
		}
	}
}
