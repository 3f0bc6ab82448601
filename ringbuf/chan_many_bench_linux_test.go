package ringbuf

import (
	"context"
	"testing"
)

// A value through a channel with many ends, sent and received by one goroutine.
func BenchmarkChanMany(b *testing.B) {
	for _, m := range many {
		b.Run(m.String(), func(b *testing.B) {
			c := channel[uint64](b, 1024, &Options{Mode: m})
			ctx := context.Background()
			b.SetBytes(8)
			b.ReportAllocs()
			for b.Loop() {
				if err := c.Send(ctx, 1); err != nil {
					b.Fatal(err)
				}
				if _, err := c.Recv(ctx); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// One operation is one value.
func BenchmarkChanManyBatch(b *testing.B) {
	c := channel[uint64](b, 1024, &Options{Mode: MPMC})
	ctx := context.Background()
	values := make([]uint64, batchSize)
	b.SetBytes(8)
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		if n++; n%batchSize != 0 {
			continue
		}
		if _, err := c.SendBatch(ctx, values); err != nil {
			b.Fatal(err)
		}
		if k, err := c.RecvBatch(ctx, values); err != nil || k != batchSize {
			b.Fatal(k, err)
		}
	}
}

// Two goroutines share one handle, as they would a Go channel: half of the operations
// send, half receive.
func BenchmarkChanManyGoroutines(b *testing.B) {
	b.Run("shm", func(b *testing.B) {
		c := channel[uint64](b, 1024, &Options{Mode: MPMC})
		ctx := context.Background()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if err := c.Send(ctx, 1); err != nil {
					b.Error(err)
				}
				if _, err := c.Recv(ctx); err != nil {
					b.Error(err)
				}
			}
		})
	})
	b.Run("go", func(b *testing.B) {
		c := make(chan uint64, 1024)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				c <- 1
				<-c
			}
		})
	})
}
