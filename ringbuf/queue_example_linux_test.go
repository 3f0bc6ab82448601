package ringbuf_test

import (
	"context"
	"fmt"
	"log"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/proc"
	"github.com/shmkit/shmkit/ringbuf"
)

// kitchen is what the cooks are given: where orders come from, and where dishes go.
type kitchen struct {
	Orders, Dishes *ringbuf.Queue
}

var cook = proc.Register("ringbuf/cook", func(ctx context.Context, k kitchen) error {
	for order, err := range k.Orders.All(ctx) {
		if err != nil {
			return err
		}
		if err := k.Dishes.Send(ctx, fmt.Appendf(nil, "%s, cooked", order)); err != nil {
			return err
		}
	}
	return k.Dishes.Close()
})

// Two processes share the orders; any number of goroutines of each could.
func ExampleQueue() {
	ctx := context.Background()
	orders, err := ringbuf.NewQueue("", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer orders.Close()
	dishes, err := ringbuf.NewQueue("", &ringbuf.Options{
		OnPeerDeath: ringbuf.Wait, // one cook may have left before the other first sends
	})
	if err != nil {
		log.Fatal(err)
	}
	defer dishes.Close()
	for range 2 {
		if _, err := cook.Start(ctx, kitchen{orders, dishes}, nil); err != nil {
			log.Fatal(err)
		}
	}
	for _, order := range []string{"soup", "soup", "soup"} {
		if err := orders.Send(ctx, []byte(order)); err != nil {
			log.Fatal(err)
		}
	}
	if err := orders.CloseSend(ctx); err != nil {
		log.Fatal(err)
	}
	for range 3 {
		dish, err := dishes.Recv(ctx, nil)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s\n", dish)
	}
	// Output:
	// soup, cooked
	// soup, cooked
	// soup, cooked
}

var holdQueue = proc.Register("ringbuf/hold queue", func(ctx context.Context, q *ringbuf.Queue) error {
	if err := q.Send(ctx, []byte("here")); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
})

// X05: a queue is an argument, and of a child that sent and is killed is heard.
func TestQueueArgument(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	q, err := ringbuf.NewQueue("", nil)
	require.NoError(t, err)
	defer func() { require.NoError(t, q.Close()) }()
	child, err := holdQueue.Start(ctx, q, nil)
	require.NoError(t, err)
	b, err := q.Recv(ctx, nil)
	require.NoError(t, err)
	require.Equal(t, "here", string(b))
	require.NoError(t, child.Kill())
	_, err = q.Recv(ctx, nil)
	require.ErrorIs(t, err, ringbuf.ErrPeerDied)
	<-child.Done()
}
