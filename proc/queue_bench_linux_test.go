package proc_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/proc"
	"github.com/shmkit/shmkit/ringbuf"
)

// No Put or Get of a T without pointers allocates.
func TestQueueAllocatesNothing(t *testing.T) {
	ctx := watchdog(t)
	q := newQueue[[5]int64](t, nil)
	v := [5]int64{1, 2, 3, 4, 5}
	pair := func() {
		if err := q.Put(ctx, v); err != nil {
			t.Error(err)
		}
		if got, err := q.Get(ctx); err != nil || got != v {
			t.Error(got, err)
		}
	}
	pair()
	require.Zero(t, testing.AllocsPerRun(100, pair))
}

type benchArg[T any] struct {
	To, From *proc.Queue[T]
	N        int
}

// fill puts until the queue ends.
func fill[T any](v T) func(context.Context, benchArg[T]) error {
	return func(ctx context.Context, a benchArg[T]) error {
		for a.To.Put(ctx, v) == nil {
		}
		return nil
	}
}

// answer puts what it gets.
func answer[T any](ctx context.Context, a benchArg[T]) error {
	for v, err := range a.To.All(ctx) {
		if err != nil {
			return err
		}
		if err := a.From.Put(ctx, v); err != nil {
			return err
		}
	}
	return nil
}

type record struct {
	ID   int
	Name string
	Tags []string
	X    float64
}

var aRecord = record{7, "a name", []string{"one", "two"}, 1.5}

var (
	fillNumbers   = proc.Register("bench.fillNumbers", fill(int64(1)))
	fillRecords   = proc.Register("bench.fillRecords", fill(aRecord))
	answerNumbers = proc.Register("bench.answerNumbers", answer[int64])
	answerRecords = proc.Register("bench.answerRecords", answer[record])
	fillChan      = proc.Register("bench.fillChan", func(ctx context.Context, c *ringbuf.Chan[int64]) error {
		for c.Send(ctx, 1) == nil {
		}
		return nil
	})
)

func benchGet[T any](b *testing.B, child *proc.Func[benchArg[T]]) {
	q := newQueue[T](b, nil)
	p, err := child.Start(b.Context(), benchArg[T]{To: q}, nil)
	require.NoError(b, err)
	for range 1000 {
		q.Get(b.Context())
	}
	for b.Loop() {
		if _, err := q.Get(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	p.Kill()
	<-p.Done()
}

func BenchmarkQueueNumbers(b *testing.B) { benchGet(b, fillNumbers) }
func BenchmarkQueueRecords(b *testing.B) { benchGet(b, fillRecords) }

func BenchmarkChanNumbers(b *testing.B) {
	c, err := ringbuf.NewChan[int64]("", 1<<16, &ringbuf.Options{Mode: ringbuf.MPMC})
	require.NoError(b, err)
	defer c.Close()
	p, err := fillChan.Start(b.Context(), c, nil)
	require.NoError(b, err)
	for range 1000 {
		c.Recv(b.Context())
	}
	for b.Loop() {
		if _, err := c.Recv(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	p.Kill()
	<-p.Done()
}

func benchRoundTrip[T any](b *testing.B, child *proc.Func[benchArg[T]], v T) {
	to, from := newQueue[T](b, nil), newQueue[T](b, nil)
	p, err := child.Start(b.Context(), benchArg[T]{To: to, From: from}, nil)
	require.NoError(b, err)
	for b.Loop() {
		if err := to.Put(b.Context(), v); err != nil {
			b.Fatal(err)
		}
		if _, err := from.Get(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	p.Kill()
	<-p.Done()
}

func BenchmarkQueueRoundTripNumbers(b *testing.B) { benchRoundTrip(b, answerNumbers, 1) }
func BenchmarkQueueRoundTripRecords(b *testing.B) { benchRoundTrip(b, answerRecords, aRecord) }
