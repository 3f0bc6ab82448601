package ringbuf

import (
	"context"
	"testing"
)

// Both ends on one goroutine: what the calls themselves cost. What two
// processes reach together is measured in the bench module.

func BenchmarkSendRecv(b *testing.B) {
	for _, s := range strategies {
		b.Run(s.String(), func(b *testing.B) {
			p, c := pair(b, &Options{Strategy: s})
			ctx := context.Background()
			msg, buf := make([]byte, 64), make([]byte, 64)
			b.SetBytes(64)
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

func BenchmarkReserveNext(b *testing.B) {
	p, c := pair(b, nil)
	ctx := context.Background()
	b.SetBytes(64)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Reserve(ctx, 64); err != nil {
			b.Fatal(err)
		}
		if err := p.Commit(64); err != nil {
			b.Fatal(err)
		}
		if _, err := c.Next(ctx); err != nil {
			b.Fatal(err)
		}
		c.Release()
	}
}

const batchSize = 64

// One operation is one message.
func BenchmarkBatch(b *testing.B) {
	p, c := pair(b, nil)
	ctx := context.Background()
	out, in := make([][]byte, batchSize), make([][]byte, batchSize)
	for i := range out {
		out[i], in[i] = make([]byte, 64), make([]byte, 64)
	}
	b.SetBytes(64)
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		if n++; n%batchSize != 0 {
			continue
		}
		if _, err := p.SendBatch(ctx, out); err != nil {
			b.Fatal(err)
		}
		if k, err := c.RecvBatch(ctx, in); err != nil || k != batchSize {
			b.Fatal(k, err)
		}
	}
}

func BenchmarkChan(b *testing.B) {
	c := channel[uint64](b, 1024, nil)
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
}

// One operation is one value.
func BenchmarkChanBatch(b *testing.B) {
	c := channel[uint64](b, 1024, nil)
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

// A named ring's calls are guarded against truncation.
func BenchmarkNamedSendRecv(b *testing.B) {
	r := namedRing(b, newName(b), nil)
	p, c := producer(b, r), consumer(b, r)
	ctx := context.Background()
	msg, buf := make([]byte, 64), make([]byte, 64)
	b.SetBytes(64)
	b.ReportAllocs()
	for b.Loop() {
		if err := p.Send(ctx, msg); err != nil {
			b.Fatal(err)
		}
		if _, err := c.Recv(ctx, buf); err != nil {
			b.Fatal(err)
		}
	}
}
