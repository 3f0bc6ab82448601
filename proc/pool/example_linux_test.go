package pool_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"slices"
	"time"

	"github.com/shmkit/shmkit/proc"
	"github.com/shmkit/shmkit/proc/pool"
)

// A pool of two workers.
func Example() {
	ctx := context.Background()
	p, err := pool.New(2, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer p.Terminate()
	squares, err := square.Map(ctx, p, slices.Values([]int{1, 2, 3}), nil)
	fmt.Println(squares, err)
	// Output: [1 4 9] <nil>
}

// Who has no more tasks closes the pool, and may wait for the end.
func ExamplePool() {
	p, err := pool.New(2, &pool.Options{MaxTasks: 100})
	if err != nil {
		log.Fatal(err)
	}
	f := square.Go(context.Background(), p, 5)
	p.Close()
	fmt.Println(p.Join(context.Background()))
	fmt.Println(f.Get(context.Background()))
	// Output:
	// <nil>
	// 25 <nil>
}

// One task's failure is its own.
func ExampleTask() {
	ctx := context.Background()
	p, err := pool.New(2, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer p.Terminate()
	for x, err := range evens.Imap(ctx, p, slices.Values([]int{2, 3, 4}), nil) {
		fmt.Println(x, err)
	}
	// Output:
	// 2 <nil>
	// 0 number 3: odd
	// 4 <nil>
}

func ExampleFuture() {
	p, err := pool.New(2, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer p.Terminate()
	f := square.Go(context.Background(), p, 6)
	f.OnDone(func(x int, err error) { fmt.Println("callback:", x, err) })
	<-f.Done()
	fmt.Println(f.State() == pool.Finished, f)
	var s pool.State = pool.Finished
	fmt.Println(s)
	// Output:
	// callback: 36 <nil>
	// true future (finished)
	// finished
}

// Futures of different types can be waited for together.
func ExampleAwaitable() {
	ctx := context.Background()
	p, err := pool.New(2, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer p.Terminate()
	a, b := square.Go(ctx, p, 2), echoText.Go(ctx, p, "text")
	done, rest, err := pool.WaitAll[pool.Awaitable](ctx, a, b)
	fmt.Println(len(done), len(rest), err)
	// Output: 2 0 <nil>
}

// What is known of an error that a task returned.
func ExampleRemoteError() {
	p, err := pool.New(1, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer p.Terminate()
	_, err = evens.Apply(context.Background(), p, 7)
	var remote *pool.RemoteError
	if errors.As(err, &remote) {
		fmt.Println(remote.Task, remote.Text, errors.Is(err, errOdd))
	}
	// Output: evens number 7: odd true
}

// Each worker runs an initializer before its first task.
func ExampleInitializer() {
	var hello *pool.Initializer = initialize("hello")
	p, err := pool.New(2, &pool.Options{Init: hello})
	if err != nil {
		log.Fatal(err)
	}
	defer p.Terminate()
	fmt.Println(greet.Apply(context.Background(), p, struct{}{}))
	// Output: hello <nil>
}

// A task may be tried again when its worker died, and may take only so long.
func ExampleLimits() {
	p, err := pool.New(1, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer p.Terminate()
	careful := square.With(pool.Limits{Retries: 2, Timeout: time.Minute})
	fmt.Println(careful.Apply(context.Background(), p, 3))
	// Output: 9 <nil>
}

// Progress, and which of the inputs failed.
func ExampleMapOptions() {
	p, err := pool.New(2, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer p.Terminate()
	_, err = evens.Map(context.Background(), p, slices.Values([]int{0, 2, 3, 5}), &pool.MapOptions{
		Progress: func(r pool.Progress) { fmt.Println(r.Done, "of", r.Total, "and", r.Failed, "failed") },
		Every:    time.Hour, // only the last time
	})
	var item *pool.ItemError
	if errors.As(err, &item) {
		fmt.Println(item.Index, item.Err)
	}
	// Output:
	// 4 of 4 and 2 failed
	// 2 number 3: odd
}

// A callback that panics harms nobody, and can be heard of.
func ExampleCallbackPanic() {
	p, err := pool.New(1, &pool.Options{
		OnPanic: func(c pool.CallbackPanic) { fmt.Println("panic:", c.Value) },
		Process: proc.Options{Name: "careful"},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer p.Terminate()
	f := square.Go(context.Background(), p, 2)
	f.OnDone(func(int, error) { panic("sorry") })
	fmt.Println(f.Get(context.Background()))
	// Output:
	// panic: sorry
	// 4 <nil>
}

func ExampleStats() {
	p, err := pool.New(2, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer p.Terminate()
	square.Apply(context.Background(), p, 2)
	var s pool.Stats = p.Stats()
	var w pool.WorkerStats = s.PerWorker[0]
	fmt.Println(s.Workers, s.Idle, s.Done, w.Name)
	// Output: 1 1 1 pool-worker-1
}
