package ringbuf

import (
	"fmt"
	"testing"
)

// A message through a ring with many ends, sent and received by one goroutine.
func BenchmarkManySendRecv(b *testing.B) {
	for _, size := range []int{8, 64, 1024, 4096} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			p, c := pair(b, &Options{Mode: MPMC})
			ctx, msg, buf := b.Context(), make([]byte, size), make([]byte, 0, size)
			b.ReportAllocs()
			for b.Loop() {
				if err := p.Send(ctx, msg); err != nil {
					b.Fatal(err)
				}
				if _, err := c.Recv(ctx, buf); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// The same with a bound on all messages, and so many other producers that do nothing.
func BenchmarkManyBound(b *testing.B) {
	for _, others := range []int{0, 7, 63} {
		b.Run(fmt.Sprint(others), func(b *testing.B) {
			p, c := pair(b, &Options{Mode: MPMC, Capacity: minCapacity, MaxMessages: 100})
			for range others {
				producer(b, p.ring)
			}
			ctx, msg, buf := b.Context(), make([]byte, 64), make([]byte, 0, 64)
			b.ReportAllocs()
			for b.Loop() {
				if err := p.Send(ctx, msg); err != nil {
					b.Fatal(err)
				}
				if _, err := c.Recv(ctx, buf); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
