package ringbuf_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"time"

	"github.com/shmkit/shmkit/ringbuf"
)

// One goroutine waits for messages of a ring and values of a channel.
func ExampleSelect() {
	ctx := context.Background()
	ring, err := ringbuf.New("", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer ring.Close()
	producer, _ := ring.Producer()
	consumer, _ := ring.Consumer()
	quit, err := ringbuf.NewChan[int64]("", 1, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer quit.Close()
	go func() {
		producer.Send(ctx, []byte("a message"))
	}()

	var msg []byte
	var why int64
	for range 2 {
		switch i, err := ringbuf.Select(ctx, consumer.CaseRecv(&msg), quit.CaseRecv(&why)); {
		case err != nil:
			log.Fatal(err)
		case i == 0:
			fmt.Printf("%s\n", msg)
			quit.Send(ctx, 42)
		case i == 1:
			fmt.Println("quit:", why)
		}
	}
	// Output:
	// a message
	// quit: 42
}

// Cases that are over are replaced by the zero Case, which is never ready.
func ExampleCase() {
	ctx := context.Background()
	var values [2]int64
	var cases [2]ringbuf.Case
	for i := range cases {
		c, err := ringbuf.NewChan[int64]("", 4, nil)
		if err != nil {
			log.Fatal(err)
		}
		defer c.Close()
		c.Send(ctx, int64(i))
		c.CloseSend(ctx)
		cases[i] = c.CaseRecv(&values[i])
	}
	sum := int64(0)
	for left := len(cases); left > 0; {
		i, err := ringbuf.Select(ctx, cases[:]...)
		if err == io.EOF {
			cases[i] = ringbuf.Case{}
			left--
			continue
		}
		sum += values[i]
	}
	_, err := ringbuf.TrySelect(cases[:]...)
	fmt.Println(sum, errors.Is(err, ringbuf.ErrNotReady))
	// Output: 1 true
}

// The descriptor is readable when there is something to receive. Here Go's own poller
// waits for it; its number may be put into an epoll set instead.
func ExampleConsumer_PollFile() {
	ctx := context.Background()
	ring, err := ringbuf.New("", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer ring.Close()
	producer, _ := ring.Producer()
	consumer, _ := ring.Consumer()
	readable, err := consumer.PollFile()
	if err != nil {
		log.Fatal(err)
	}
	defer readable.Close()

	readable.SetReadDeadline(time.Now().Add(time.Millisecond))
	_, err = readable.Read(make([]byte, 8))
	fmt.Println("nothing yet:", errors.Is(err, os.ErrDeadlineExceeded))

	producer.Send(ctx, []byte("hello"))
	readable.SetReadDeadline(time.Time{})
	if _, err := readable.Read(make([]byte, 8)); err != nil {
		log.Fatal(err)
	}
	for {
		msg, err := consumer.TryRecv(nil)
		if err == ringbuf.ErrEmpty {
			break // from now on the descriptor waits again
		}
		fmt.Printf("%s %v\n", msg, err)
	}
	// Output:
	// nothing yet: true
	// hello <nil>
}
