package ringbuf

import (
	"context"
	"fmt"
	"testing"
)

// A message through a queue with and without sparse lanes: sent and received by one
// goroutine.
func BenchmarkGrow(b *testing.B) {
	for _, grow := range []bool{false, true} {
		for _, size := range []int{64, 1000, 10_000} {
			b.Run(fmt.Sprintf("SendRecv/%d/grow=%v", size, grow), func(b *testing.B) {
				q := queue(b, &Options{Grow: grow})
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
	}
}
