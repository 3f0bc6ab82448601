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

var _ = testproc.Helper("call.ring echo", func(c *testproc.Child) {
	in, err := OpenFile(c.Files[0])
	if err != nil {
		panic(err)
	}
	out, err := OpenFile(c.Files[1])
	if err != nil {
		panic(err)
	}
	e, _ := in.Consumer()
	p, _ := out.Producer()
	c.WriteLine("ready")
	buf := make([]byte, 64)
	for {
		b, err := e.Recv(context.Background(), buf)
		if err != nil {
			return
		}
		if p.Send(context.Background(), b) != nil {
			return
		}
	}
})

// The same over two rings, for comparison.
func BenchmarkCallRings(b *testing.B) {
	there, back := ring(b, nil), ring(b, nil)
	child := testproc.Start(b, "call.ring echo", testproc.Files(there.File(), back.File()))
	child.Expect("ready")
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
