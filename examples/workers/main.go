package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/shmkit/shmkit/proc"
	"github.com/shmkit/shmkit/proc/pool"
)

var square = pool.RegisterTask("square", func(_ context.Context, x int) (int, error) { return x * x, nil })

var slow = pool.RegisterTask("slow", func(ctx context.Context, d time.Duration) (struct{}, error) {
	select {
	case <-time.After(d):
		return struct{}{}, nil
	case <-ctx.Done():
		return struct{}{}, ctx.Err()
	}
})

var ownID = pool.RegisterTask("own id", func(context.Context, int) (int, error) { return os.Getpid(), nil })

func numbers(n int) []int {
	s := make([]int, n)
	for i := range s {
		s[i] = i
	}
	return s
}

func run(ctx context.Context) error {
	p, err := pool.New(3, nil)
	if err != nil {
		return err
	}
	defer p.Terminate()

	squares, err := square.Map(ctx, p, slices.Values(numbers(8)), nil)
	if err != nil {
		return err
	}
	fmt.Printf("squares %s\n", strings.Trim(fmt.Sprint(squares), "[]"))

	sum := 0
	for x, err := range square.ImapUnordered(ctx, p, slices.Values(numbers(8)), nil) {
		if err != nil {
			return err
		}
		sum += x
	}
	fmt.Println("in any order", sum)

	later := square.Go(ctx, p, 12)
	x, err := later.Get(ctx)
	if err != nil {
		return err
	}
	fmt.Println("later", x)

	ids, err := ownID.Map(ctx, p, slices.Values(numbers(100)), nil)
	if err != nil {
		return err
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	fmt.Println("by workers", len(ids) >= 1 && len(ids) <= 3 && !slices.Contains(ids, os.Getpid()))

	short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	if _, err := slow.Apply(short, p, 30*time.Second); errors.Is(err, context.DeadlineExceeded) {
		fmt.Println("gave up waiting")
	}

	x, err = square.Apply(ctx, p, 5)
	if err != nil {
		return err
	}
	fmt.Println("still usable", x)

	p.Close()
	if _, err := square.Apply(ctx, p, 1); errors.Is(err, pool.ErrClosed) {
		fmt.Println("closed")
	}
	return p.Join(ctx)
}

func main() {
	proc.Main()
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}
