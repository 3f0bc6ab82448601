package ringbuf

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/testproc"
)

// A message through a queue, sent and received by one goroutine; beside it a value of
// the same size through a channel.
func BenchmarkQueueSendRecv(b *testing.B) {
	for _, size := range []int{8, 64, 1024, 4096} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			q := queue(b, nil)
			ctx, msg, buf := context.Background(), make([]byte, size), make([]byte, 0, size)
			b.ReportAllocs()
			for b.Loop() {
				if err := q.Send(ctx, msg); err != nil {
					b.Fatal(err)
				}
				if _, err := q.Recv(ctx, buf); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("chan/8", func(b *testing.B) { benchmarkChanOf[[8]byte](b) })
	b.Run("chan/64", func(b *testing.B) { benchmarkChanOf[[64]byte](b) })
}

func benchmarkChanOf[T any](b *testing.B) {
	c := channel[T](b, 1024, &Options{Mode: MPMC})
	ctx := context.Background()
	var v T
	for b.Loop() {
		if err := c.Send(ctx, v); err != nil {
			b.Fatal(err)
		}
		if _, err := c.Recv(ctx); err != nil {
			b.Fatal(err)
		}
	}
}

// One operation is one message from this process to another, as fast as they go. Which
// of them waits, and sleeps, is up to the machine.
func BenchmarkQueueStream(b *testing.B) {
	b.Run("queue/64", func(b *testing.B) {
		q := queue(b, nil)
		p := testproc.Start(b, "queue drain", testproc.Files(q.File()))
		p.Expect("ready")
		ctx, msg := context.Background(), make([]byte, 64)
		for b.Loop() {
			if err := q.Send(ctx, msg); err != nil {
				b.Fatal(err)
			}
		}
		require.NoError(b, q.CloseSend(ctx))
		p.Succeed()
	})
	b.Run("chan/64", func(b *testing.B) {
		c := channel[[64]byte](b, 1<<14, &Options{Mode: MPMC})
		p := testproc.Start(b, "queue drain chan", testproc.Files(c.File()))
		p.Expect("ready")
		ctx := context.Background()
		for b.Loop() {
			if err := c.Send(ctx, [64]byte{}); err != nil {
				b.Fatal(err)
			}
		}
		require.NoError(b, c.CloseSend(ctx))
		p.Succeed()
	})
}

var _ = testproc.Helper("queue drain", func(c *testproc.Child) {
	q := openedQueue(c, 0)
	_, err := q.TryRecv(nil)
	require.ErrorIs(c, err, ErrEmpty)
	c.WriteLine("ready")
	for _, err := range q.All(context.Background()) {
		require.NoError(c, err)
	}
	require.NoError(c, q.Close())
})

var _ = testproc.Helper("queue drain chan", func(c *testproc.Child) {
	ch, err := OpenChanFile[[64]byte](c.Files[0])
	require.NoError(c, err)
	_, err = ch.TryRecv()
	require.ErrorIs(c, err, ErrEmpty)
	c.WriteLine("ready")
	for _, err := range ch.All(context.Background()) {
		require.NoError(c, err)
	}
	require.NoError(c, ch.Close())
})

// A message there and one back, between two processes.
func BenchmarkQueuePingPong(b *testing.B) {
	b.Run("queue/64", func(b *testing.B) {
		there, back := queue(b, nil), queue(b, nil)
		p := testproc.Start(b, "queue echo", testproc.Files(there.File(), back.File()))
		ctx, msg := context.Background(), make([]byte, 64)
		buf := make([]byte, 0, 64)
		for b.Loop() {
			if err := there.Send(ctx, msg); err != nil {
				b.Fatal(err)
			}
			if _, err := back.Recv(ctx, buf); err != nil {
				b.Fatal(err)
			}
		}
		require.NoError(b, there.CloseSend(ctx))
		p.Succeed()
	})
	b.Run("chan/64", func(b *testing.B) {
		there, back := channel[[64]byte](b, 1024, &Options{Mode: MPMC}), channel[[64]byte](b, 1024, &Options{Mode: MPMC})
		p := testproc.Start(b, "queue echo chan", testproc.Files(there.File(), back.File()))
		ctx := context.Background()
		for b.Loop() {
			if err := there.Send(ctx, [64]byte{}); err != nil {
				b.Fatal(err)
			}
			if _, err := back.Recv(ctx); err != nil {
				b.Fatal(err)
			}
		}
		require.NoError(b, there.CloseSend(ctx))
		p.Succeed()
	})
}

var _ = testproc.Helper("queue echo", func(c *testproc.Child) {
	there, back := openedQueue(c, 0), openedQueue(c, 1)
	for b, err := range there.All(context.Background()) {
		require.NoError(c, err)
		require.NoError(c, back.Send(context.Background(), b))
	}
	require.NoError(c, there.Close())
	require.NoError(c, back.Close())
})

var _ = testproc.Helper("queue echo chan", func(c *testproc.Child) {
	there, err := OpenChanFile[[64]byte](c.Files[0])
	require.NoError(c, err)
	back, err := OpenChanFile[[64]byte](c.Files[1])
	require.NoError(c, err)
	for v, err := range there.All(context.Background()) {
		require.NoError(c, err)
		require.NoError(c, back.Send(context.Background(), v))
	}
	require.NoError(c, there.Close())
	require.NoError(c, back.Close())
})
