package main

import (
	"context"
	"fmt"
	"log"
	"math"
	"slices"
	"strings"

	"github.com/shmkit/shmkit/proc"
	"github.com/shmkit/shmkit/proc/pool"
)

var numbers = []int{999999937, 999999938, 1000000007, 1000000011, 998244353, 2147483629}

var isPrime = pool.RegisterTask("is prime", func(_ context.Context, n int) (bool, error) {
	if n < 2 || n%2 == 0 {
		return n == 2, nil
	}
	for d := 3; d*d <= n; d += 2 {
		if n%d == 0 {
			return false, nil
		}
	}
	return true, nil
})

var root = pool.RegisterTask("root", func(_ context.Context, x int) (int, error) {
	if x < 0 {
		return 0, fmt.Errorf("negative: %d", x)
	}
	return int(math.Sqrt(float64(x))), nil
})

func run(ctx context.Context) error {
	p, err := pool.New(2, nil)
	if err != nil {
		return err
	}
	defer p.Terminate()

	i := 0
	for prime, err := range isPrime.Imap(ctx, p, slices.Values(numbers), nil) {
		if err != nil {
			return err
		}
		what := "is not prime"
		if prime {
			what = "is prime"
		}
		fmt.Println(numbers[i], what)
		i++
	}

	inputs := make(map[*pool.Future[int]]int)
	var futures []*pool.Future[int]
	for _, x := range []int{4, -1, 9} {
		f := root.Go(ctx, p, x)
		inputs[f] = x
		futures = append(futures, f)
	}
	var lines []string
	for f, err := range pool.AsCompleted(ctx, futures...) {
		if err != nil {
			return err
		}
		if r, err := f.Get(ctx); err != nil {
			lines = append(lines, fmt.Sprintf("root of %d: %v", inputs[f], err))
		} else {
			lines = append(lines, fmt.Sprintf("root of %d is %d", inputs[f], r))
		}
	}
	slices.Sort(lines)
	fmt.Println(strings.Join(lines, "\n"))

	p.Close()
	return p.Join(ctx)
}

func main() {
	proc.Main()
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}
