package ringbuf_test

import (
	"context"
	"fmt"
	"log"

	"github.com/shmkit/shmkit/ringbuf"
)

// A small ring through which large messages go now and then: each gets memory of its
// own, is built and read in place, and gives the memory back.
func ExampleOptions_maxMessage() {
	ctx := context.Background()
	ring, err := ringbuf.New("", &ringbuf.Options{Capacity: 1 << 16, MaxMessage: 1 << 30})
	if err != nil {
		log.Fatal(err)
	}
	defer ring.Close()
	producer, err := ring.Producer()
	if err != nil {
		log.Fatal(err)
	}
	consumer, err := ring.Consumer()
	if err != nil {
		log.Fatal(err)
	}
	image, err := producer.Reserve(ctx, 4<<20)
	if err != nil {
		log.Fatal(err)
	}
	image[4<<20-1] = 42
	producer.Commit(4 << 20)
	producer.Send(ctx, []byte("a caption"))

	b, err := consumer.Next(ctx)
	fmt.Println(len(b), b[4<<20-1], err)
	fmt.Println(ring.Len(), "bytes of the ring are in use")
	consumer.Release() // the 4 MiB go back to the system
	b, err = consumer.Recv(ctx, nil)
	fmt.Println(string(b), err)
	// Output:
	// 4194304 42 <nil>
	// 40 bytes of the ring are in use
	// a caption <nil>
}
