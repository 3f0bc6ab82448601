package proc_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"strings"

	"github.com/shmkit/shmkit/proc"
	"github.com/shmkit/shmkit/shm"
)

type parcelOfWork struct {
	Text    string
	Answers *proc.Queue[string] // where the answer goes
}

var shout = proc.Register("shout", func(ctx context.Context, work *proc.Queue[parcelOfWork]) error {
	for w, err := range work.All(ctx) {
		if err != nil {
			return err
		}
		if err := w.Answers.Put(ctx, strings.ToUpper(w.Text)); err != nil {
			return err
		}
	}
	return nil // CloseSend was called
})

// A worker that gets its work from a queue, and where to put the answers with it.
func ExampleQueue() {
	ctx := context.Background()
	work, err := proc.NewQueue[parcelOfWork](nil)
	if err != nil {
		log.Fatal(err)
	}
	defer work.Close()
	answers, err := proc.NewQueue[string](nil)
	if err != nil {
		log.Fatal(err)
	}
	defer answers.Close()
	p, err := shout.Start(ctx, work, nil)
	if err != nil {
		log.Fatal(err)
	}
	for _, text := range []string{"one", "two"} {
		if err := work.Put(ctx, parcelOfWork{text, answers}); err != nil {
			log.Fatal(err)
		}
		answer, err := answers.Get(ctx)
		fmt.Println(answer, err)
	}
	work.CloseSend(ctx)
	fmt.Println(p.Wait(ctx))
	// Output:
	// ONE <nil>
	// TWO <nil>
	// <nil>
}

// What a queue says when it is full, empty, and over.
func ExampleQueue_TryPut() {
	q, err := proc.NewQueue[int](&proc.QueueOptions{MaxItems: 1})
	if err != nil {
		log.Fatal(err)
	}
	defer q.Close()
	fmt.Println(q.TryPut(1), q.Full())
	fmt.Println(errors.Is(q.TryPut(2), proc.ErrFull))
	fmt.Println(q.TryGet())
	_, err = q.TryGet()
	fmt.Println(errors.Is(err, proc.ErrEmpty))
	q.CloseSend(context.Background())
	_, err = q.TryGet()
	fmt.Println(err == io.EOF)
	// Output:
	// <nil> true
	// true
	// 1 <nil>
	// true
	// true
}

// An item that cannot travel is an error of Put itself.
func ExampleQueueOptions() {
	ctx := context.Background()
	q, err := proc.NewQueue[any](&proc.QueueOptions{MaxItems: 10, MaxMessage: 1 << 10})
	if err != nil {
		log.Fatal(err)
	}
	defer q.Close()
	fmt.Println(q.Put(ctx, func() {}))
	fmt.Println(q.Len())
	// Output:
	// argument cannot travel: cbor: unsupported type: func()
	// 0
}

var inJSON = proc.RegisterCodec("json", json.Marshal, json.Unmarshal)

// A queue whose items are JSON.
func ExampleCodec() {
	ctx := context.Background()
	q, err := proc.NewQueue[map[string]int](&proc.QueueOptions{Codec: inJSON})
	if err != nil {
		log.Fatal(err)
	}
	defer q.Close()
	q.Put(ctx, map[string]int{"a": 1, "b": 2})
	fmt.Println(inJSON.Name())
	fmt.Println(q.Get(ctx))
	// Output:
	// json
	// map[a:1 b:2] <nil>
}

var greetings = proc.Register("greetings", func(ctx context.Context, q *proc.SimpleQueue[string]) error {
	return q.Put(ctx, "hello from "+proc.Current().Name())
})

func ExampleSimpleQueue() {
	ctx := context.Background()
	q, err := proc.NewSimpleQueue[string]()
	if err != nil {
		log.Fatal(err)
	}
	defer q.Close()
	if _, err := greetings.Start(ctx, q, &proc.Options{Name: "child"}); err != nil {
		log.Fatal(err)
	}
	fmt.Println(q.Get(ctx))
	fmt.Println(q.Empty())
	// Output:
	// hello from child <nil>
	// true
}

type measurement struct {
	Name   string
	Values *shm.Array[float64]
}

var measureUp = proc.Register("measureUp", func(ctx context.Context, q *proc.Queue[measurement]) error {
	m, err := q.Get(ctx)
	if err != nil {
		return err
	}
	return m.Values.Set(2, 1.5)
})

// Shared memory in an item: the worker writes into the same array.
func ExampleQueue_handles() {
	ctx := context.Background()
	q, err := proc.NewQueue[measurement](nil)
	if err != nil {
		log.Fatal(err)
	}
	defer q.Close()
	values, err := shm.NewArray[float64]("", 4, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer values.Close()
	p, err := measureUp.Start(ctx, q, nil)
	if err != nil {
		log.Fatal(err)
	}
	if err := q.Put(ctx, measurement{"temperature", values}); err != nil {
		log.Fatal(err)
	}
	fmt.Println(p.Wait(ctx))
	fmt.Println(values.Slice())
	// Output:
	// <nil>
	// [0 0 1.5 0]
}
