package ringbuf_test

import (
	"context"
	"fmt"
	"log"
	"sync"

	"github.com/shmkit/shmkit/proc"
	"github.com/shmkit/shmkit/ringbuf"
)

// shift is what the worker processes are given: where jobs come from, and where results
// go.
type shift struct {
	Jobs, Squares *ringbuf.Chan[int64]
}

var worker = proc.Register("ringbuf/worker", func(ctx context.Context, w shift) error {
	for job, err := range w.Jobs.All(ctx) {
		if err != nil {
			return err
		}
		if err := w.Squares.Send(ctx, job*job); err != nil {
			return err
		}
	}
	return w.Squares.Close()
})

// Two worker processes share the jobs. Each job is received by one of them.
func ExampleChan_workers() {
	ctx := context.Background()
	jobs, err := ringbuf.NewChan[int64]("", 16, &ringbuf.Options{Mode: ringbuf.SPMC})
	if err != nil {
		log.Fatal(err)
	}
	defer jobs.Close()
	squares, err := ringbuf.NewChan[int64]("", 16, &ringbuf.Options{
		Mode:        ringbuf.MPSC,
		OnPeerDeath: ringbuf.Wait, // one worker may have left before the other first sends
	})
	if err != nil {
		log.Fatal(err)
	}
	defer squares.Close()
	for range 2 {
		if _, err := worker.Start(ctx, shift{jobs, squares}, nil); err != nil {
			log.Fatal(err)
		}
	}
	go func() {
		for i := range int64(100) {
			jobs.Send(ctx, i)
		}
		jobs.CloseSend(ctx)
	}()
	sum := int64(0)
	for range 100 {
		square, err := squares.Recv(ctx)
		if err != nil {
			log.Fatal(err)
		}
		sum += square
	}
	fmt.Println(sum)
	// Output: 328350
}

// As many goroutines as you like may use a channel with many ends.
func ExampleChan_goroutines() {
	ctx := context.Background()
	c, err := ringbuf.NewChan[int64]("", 4, &ringbuf.Options{Mode: ringbuf.MPMC})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	var senders sync.WaitGroup
	for i := range int64(3) {
		senders.Go(func() { c.SendBatch(ctx, []int64{i, 10 * i, 100 * i}) })
	}
	go func() {
		senders.Wait()
		c.CloseSend(ctx)
	}()
	sum := int64(0)
	for v, err := range c.All(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		sum += v
	}
	fmt.Println(sum)
	// Output: 333
}
