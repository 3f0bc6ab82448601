package main

import (
	"context"
	"fmt"
	"log"

	"github.com/shmkit/shmkit/proc"
)

type queues struct {
	Words, Heard *proc.Queue[string]
}

var put = proc.Register("put", func(ctx context.Context, words *proc.Queue[string]) error {
	return words.Put(ctx, "hello")
})

var get = proc.Register("get", func(ctx context.Context, q queues) error {
	word, err := q.Words.Get(ctx)
	if err != nil {
		return err
	}
	return q.Heard.Put(ctx, word)
})

var getAll = proc.Register("get all", func(ctx context.Context, q queues) error {
	for word, err := range q.Words.All(ctx) {
		if err != nil {
			return err
		}
		if err := q.Heard.Put(ctx, word); err != nil {
			return err
		}
	}
	return nil // no more will come
})

func startTwo[A any](ctx context.Context, f *proc.Func[A], arg A) (two [2]*proc.Process, err error) {
	for i := range two {
		if two[i], err = f.Start(ctx, arg, nil); err != nil {
			return two, err
		}
	}
	return two, nil
}

func hearTwo(ctx context.Context, heard *proc.Queue[string]) error {
	for range 2 {
		word, err := heard.Get(ctx)
		if err != nil {
			return err
		}
		fmt.Println("heard", word)
	}
	return nil
}

// terminated is what the Python program does.
func terminated(ctx context.Context, q queues) error {
	if _, err := startTwo(ctx, put, q.Words); err != nil {
		return err
	}
	getter, err := get.Start(ctx, q, nil)
	if err != nil {
		return err
	}
	if err := getter.Wait(ctx); err != nil { // it has one of the two words, and wants no more
		return err
	}
	getters, err := startTwo(ctx, getAll, q)
	if err != nil {
		return err
	}
	if err := hearTwo(ctx, q.Heard); err != nil {
		return err
	}

	// The others wait for more, and would for ever.
	for _, p := range getters {
		p.Terminate()
		<-p.Done()
		code, _ := p.ExitCode()
		fmt.Println("terminated, exit code", code)
	}
	return nil
}

// closed goes on with the same queues, and then says that it is over.
func closed(ctx context.Context, q queues) error {
	getters, err := startTwo(ctx, getAll, q)
	if err != nil {
		return err
	}
	if _, err := startTwo(ctx, put, q.Words); err != nil {
		return err
	}
	if err := hearTwo(ctx, q.Heard); err != nil {
		return err
	}
	if err := q.Words.CloseSend(ctx); err != nil {
		return err
	}
	for _, p := range getters {
		if err := p.Wait(ctx); err != nil {
			return err
		}
		fmt.Println("came to the end of the queue")
	}
	return nil
}

func run(ctx context.Context) error {
	words, err := proc.NewQueue[string](nil)
	if err != nil {
		return err
	}
	defer words.Close()
	heard, err := proc.NewQueue[string](nil)
	if err != nil {
		return err
	}
	defer heard.Close()
	q := queues{words, heard}
	if err := terminated(ctx, q); err != nil {
		return err
	}
	return closed(ctx, q)
}

func main() {
	proc.Main()
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}
