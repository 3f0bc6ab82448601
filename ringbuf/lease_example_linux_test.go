package ringbuf_test

import (
	"context"
	"fmt"
	"log"

	"github.com/shmkit/shmkit/proc"
	"github.com/shmkit/shmkit/ringbuf"
)

var washer = proc.Register("ringbuf/washer", func(ctx context.Context, dishes *ringbuf.Queue) error {
	for {
		l, err := dishes.Lease(ctx)
		if err != nil {
			return dishes.Close()
		}
		// If this process dies here, another one gets the dish.
		fmt.Printf("%s: washed\n", l.Bytes())
		if err := l.Done(); err != nil {
			return err
		}
	}
})

// Whoever sends waits until everything was done with what he has sent.
func ExampleLease() {
	ctx := context.Background()
	dishes, err := ringbuf.NewQueue("", &ringbuf.Options{
		Leases: true, Redeliver: true,
		OnPeerDeath: ringbuf.Wait, // for the next process
	})
	if err != nil {
		log.Fatal(err)
	}
	defer dishes.Close()
	p, err := washer.Start(ctx, dishes, nil)
	if err != nil {
		log.Fatal(err)
	}
	for _, dish := range []string{"plate", "cup"} {
		if err := dishes.Send(ctx, []byte(dish)); err != nil {
			log.Fatal(err)
		}
	}
	if err := dishes.WaitFinished(ctx); err != nil {
		log.Fatal(err)
	}
	fmt.Println("unfinished:", dishes.Unfinished())
	dishes.CloseSend(ctx)
	p.Wait(ctx)
	// Output:
	// plate: washed
	// cup: washed
	// unfinished: 0
}
