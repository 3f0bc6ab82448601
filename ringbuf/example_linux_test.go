package ringbuf_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"

	"github.com/shmkit/shmkit/proc"
	"github.com/shmkit/shmkit/ringbuf"
)

var shout = proc.Register("ringbuf/shout", func(ctx context.Context, p *ringbuf.Producer) error {
	for _, word := range []string{"one", "two", "three"} {
		if err := p.Send(ctx, []byte(word)); err != nil {
			return err
		}
	}
	return p.CloseSend()
})

// Another process sends messages; this one receives them. proc.Main has to be
// the first statement of the program.
func Example() {
	ctx := context.Background()
	ring, err := ringbuf.New("", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer ring.Close()
	producer, err := ring.Producer()
	if err != nil {
		log.Fatal(err)
	}
	if _, err := shout.Start(ctx, producer, nil); err != nil {
		log.Fatal(err)
	}
	consumer, err := ring.Consumer()
	if err != nil {
		log.Fatal(err)
	}
	for msg, err := range consumer.All(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s\n", msg)
	}
	// Output:
	// one
	// two
	// three
}

func ExampleRing() {
	ring, err := ringbuf.New("", &ringbuf.Options{Capacity: 1 << 16, MaxMessage: 1000})
	if err != nil {
		log.Fatal(err)
	}
	defer ring.Close()
	if _, err := ring.Producer(); err != nil {
		log.Fatal(err)
	}
	_, err = ring.Producer()
	fmt.Println("a second producer is refused:", errors.Is(err, ringbuf.ErrBusy))
	fmt.Println(ring.Available(), "bytes are free, for messages of up to", ring.MaxMessage())
	// Output:
	// a second producer is refused: true
	// 65536 bytes are free, for messages of up to 1000
}

// A message is built in place. Nobody sees it before Commit.
func ExampleProducer() {
	ctx := context.Background()
	ring, err := ringbuf.New("", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer ring.Close()
	producer, err := ring.Producer()
	if err != nil {
		log.Fatal(err)
	}
	room, err := producer.Reserve(ctx, 64)
	if err != nil {
		log.Fatal(err)
	}
	n := copy(room, "built in place")
	if err := producer.Commit(n); err != nil {
		log.Fatal(err)
	}
	sent, err := producer.SendBatch(ctx, [][]byte{[]byte("a"), []byte("b")})
	fmt.Println(sent, err, ring.Len(), "bytes")
	// Output: 2 <nil> 56 bytes
}

// A message is read in place, and stays in the ring until Release.
func ExampleConsumer() {
	ctx := context.Background()
	ring, err := ringbuf.New("", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer ring.Close()
	producer, _ := ring.Producer()
	consumer, _ := ring.Consumer()
	producer.Send(ctx, []byte("first"))
	producer.Send(ctx, []byte("second"))
	producer.CloseSend()

	msg, err := consumer.Next(ctx)
	fmt.Printf("%s %v, %d bytes in use\n", msg, err, ring.Len())
	consumer.Release()
	msg, err = consumer.Recv(ctx, nil) // a copy
	fmt.Printf("%s %v, %d bytes in use\n", msg, err, ring.Len())
	_, err = consumer.Recv(ctx, nil)
	fmt.Println(err == io.EOF)
	// Output:
	// first <nil>, 32 bytes in use
	// second <nil>, 0 bytes in use
	// true
}

type point struct{ X, Y float64 }

func ExampleChan() {
	ctx := context.Background()
	points, err := ringbuf.NewChan[point]("", 16, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer points.Close()
	points.Send(ctx, point{1, 2})
	points.Send(ctx, point{3, 4})
	points.CloseSend(ctx)
	for p, err := range points.All(ctx) {
		fmt.Println(p.X+p.Y, err)
	}
	_, err = ringbuf.NewChan[struct{ Names []string }]("", 16, nil)
	fmt.Println(err != nil)
	// Output:
	// 3 <nil>
	// 7 <nil>
	// true
}

// How the ends wait, and for what, belongs to the ring.
func ExampleOptions() {
	ring, err := ringbuf.New("", &ringbuf.Options{
		Capacity:    1 << 20,
		Strategy:    ringbuf.Block, // many processes on few processors
		OnPeerDeath: ringbuf.Wait,  // somebody will start a new producer
	})
	if err != nil {
		log.Fatal(err)
	}
	defer ring.Close()
	fmt.Println(ring.Cap(), ringbuf.Block, ringbuf.Hybrid, ringbuf.Spin)
	// Output: 1048576 block hybrid spin
}

// A ring with a name, for programs that did not start each other.
func ExampleOpen() {
	ctx := context.Background()
	ring, err := ringbuf.New("shmkit-example", &ringbuf.Options{Exist: ringbuf.ExistReplace})
	if err != nil {
		log.Fatal(err)
	}
	defer ring.Unlink()
	defer ring.Close()

	other, err := ringbuf.Open(ctx, "shmkit-example", &ringbuf.OpenOptions{Wait: true})
	if err != nil {
		log.Fatal(err)
	}
	defer other.Close()
	var how ringbuf.Exist = ringbuf.ExistFail
	_, err = ringbuf.New("shmkit-example", &ringbuf.Options{Exist: how})
	fmt.Println(other.Cap() == ring.Cap(), errors.Is(err, ringbuf.ErrExist))
	// Output: true true
}

func ExampleStats() {
	ctx := context.Background()
	queue, err := ringbuf.NewChan[int64]("", 8, &ringbuf.Options{OnPeerDeath: ringbuf.PeerDeath(0)})
	if err != nil {
		log.Fatal(err)
	}
	defer queue.Close()
	for i := range int64(5) {
		queue.Send(ctx, i)
	}
	queue.Recv(ctx)
	s := queue.Stats()
	fmt.Println(s.Sent, "sent,", s.Received, "received,", s.Used, "in the queue, ended:", s.Ended)
	// Output: 5 sent, 1 received, 4 in the queue, ended: false
}

func ExampleStrategy() {
	var s ringbuf.Strategy // the zero value is the default
	fmt.Println(s)
	// Output: hybrid
}

// Several producers and several consumers, here in one process: each message is
// received by one of the consumers.
func ExampleMode() {
	ctx := context.Background()
	ring, err := ringbuf.New("", &ringbuf.Options{Mode: ringbuf.MPMC})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer ring.Close()
	for _, name := range []string{"one", "two"} {
		p, err := ring.Producer()
		if err != nil {
			fmt.Println(err)
			return
		}
		if err := p.Send(ctx, []byte(name)); err != nil {
			fmt.Println(err)
		}
		p.Close()
	}
	first, _ := ring.Consumer()
	second, _ := ring.Consumer()
	a, _ := first.Recv(ctx, nil)
	b, _ := second.Recv(ctx, nil)
	fmt.Println(len(a)+len(b), "bytes in two messages")
	_, err = first.Recv(ctx, nil)
	fmt.Println(err)
	// Output:
	// 6 bytes in two messages
	// EOF
}

// Who has sent and received how much, as any process that has the ring open sees it.
func ExampleEndStats() {
	ctx := context.Background()
	ring, err := ringbuf.New("", &ringbuf.Options{Mode: ringbuf.MPSC})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer ring.Close()
	p, _ := ring.Producer()
	c, _ := ring.Consumer()
	for range 3 {
		if err := p.Send(ctx, []byte("hello")); err != nil {
			fmt.Println(err)
		}
	}
	if _, err := c.Recv(ctx, nil); err != nil {
		fmt.Println(err)
	}
	for _, e := range ring.Ends() {
		fmt.Println(e.Producer, e.Messages, "messages,", e.Bytes, "bytes, lag", e.Lag)
	}
	// Output:
	// true 3 messages, 15 bytes, lag 32
	// false 1 messages, 5 bytes, lag 32
}
