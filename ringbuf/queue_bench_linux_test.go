package ringbuf

import (
	"context"
	"fmt"
	"testing"
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
