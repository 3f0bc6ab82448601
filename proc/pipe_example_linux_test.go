package proc_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"

	"github.com/shmkit/shmkit/proc"
)

var tell = proc.Register("tell", func(ctx context.Context, c *proc.Conn) error {
	return c.Send(ctx, []any{42, nil, "hello"})
})

// One process sends, another one receives. When the sender has ended, so has the
// stream.
func ExamplePipe() {
	ctx := context.Background()
	ours, theirs, err := proc.Pipe(nil)
	if err != nil {
		log.Fatal(err)
	}
	defer ours.Close()
	if _, err := tell.Start(ctx, theirs, nil); err != nil {
		log.Fatal(err)
	}
	for {
		var v any
		err := ours.Recv(ctx, &v)
		if err == io.EOF {
			break
		}
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(v)
	}
	// Output:
	// [42 <nil> hello]
}

// A one-way pipe, made for larger messages.
func ExamplePipeOptions() {
	ctx := context.Background()
	r, w, err := proc.Pipe(&proc.PipeOptions{OneWay: true, Capacity: 4 << 20})
	if err != nil {
		log.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	if err := w.SendBytes(ctx, []byte("one way")); err != nil {
		log.Fatal(err)
	}
	b, err := r.RecvBytes(ctx, 0)
	fmt.Printf("%s, %v\n", b, err)
	fmt.Println(r.SendBytes(ctx, b))
	// Output:
	// one way, <nil>
	// pipe is one-way, in the other direction
}

// A message for a worker: what it may use, and where it answers.
type task struct {
	Words  []string
	Answer *proc.Conn
}

var countLetters = proc.Register("countLetters", func(ctx context.Context, c *proc.Conn) error {
	var t task
	if err := c.Recv(ctx, &t); err != nil {
		return err
	}
	letters := 0
	for _, w := range t.Words {
		letters += len(w)
	}
	return t.Answer.Send(ctx, letters)
})

// Shared objects and the ends of other pipes travel in messages.
func ExampleConn() {
	ctx := context.Background()
	jobs, theirJobs, err := proc.Pipe(nil)
	if err != nil {
		log.Fatal(err)
	}
	defer jobs.Close()
	worker, err := countLetters.Start(ctx, theirJobs, nil)
	if err != nil {
		log.Fatal(err)
	}
	result, answer, err := proc.Pipe(&proc.PipeOptions{OneWay: true})
	if err != nil {
		log.Fatal(err)
	}
	defer result.Close()
	if err := jobs.Send(ctx, task{Words: []string{"shared", "memory"}, Answer: answer}); err != nil {
		log.Fatal(err)
	}
	fmt.Println("ours:", answer)
	var letters int
	if err := result.Recv(ctx, &letters); err != nil {
		log.Fatal(err)
	}
	fmt.Println(letters, worker.Wait(ctx))
	// Output:
	// ours: Conn(sends, given away)
	// 12 <nil>
}

// A message that does not fit the buffer is not lost.
func ExampleShortBufferError() {
	ctx := context.Background()
	a, b, err := proc.Pipe(nil)
	if err != nil {
		log.Fatal(err)
	}
	defer a.Close()
	defer b.Close()
	if err := a.SendBytes(ctx, []byte("a long message")); err != nil {
		log.Fatal(err)
	}
	_, err = b.RecvInto(ctx, make([]byte, 4))
	var short *proc.ShortBufferError
	if errors.As(err, &short) {
		fmt.Printf("%v: %s\n", err, short.Message)
	}
	// Output:
	// short buffer for a message of 14 bytes: a long message
}
