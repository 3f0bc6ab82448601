package ringbuf

import (
	"context"
	"testing"

	"github.com/shmkit/shmkit/internal/testproc"
)

// A call and its answer, 64 bytes each, between two processes.
func BenchmarkCall(b *testing.B) {
	name := callName(b)
	startServer(b, name, "echo")
	c := dialed(b, name, nil)
	ctx := context.Background()
	msg, buf := make([]byte, 64), make([]byte, 0, 64)
	b.SetBytes(64)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.CallAppend(ctx, buf, msg); err != nil {
			b.Fatal(err)
		}
	}
}

// The same over two rings, for comparison.
func BenchmarkCallRings(b *testing.B) {
	there, back := ring(b, nil), ring(b, nil)
	child := testproc.Start(b, "echo", testproc.Files(there.File(), back.File()))
	child.ReadLine()
	p, c := producer(b, there), consumer(b, back)
	ctx := context.Background()
	msg, buf := make([]byte, 64), make([]byte, 64)
	b.SetBytes(64)
	for b.Loop() {
		if err := p.Send(ctx, msg); err != nil {
			b.Fatal(err)
		}
		if _, err := c.Recv(ctx, buf); err != nil {
			b.Fatal(err)
		}
	}
}
