package main

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/shmkit/shmkit/proc/pool"
)

// Sizes of the operations of the suite pool; pool.py has the same.
const (
	poolWorkers = 2
	mapTasks    = 100000
	mapOnes     = 10000
	largeBytes  = 16 << 20
	burnTasks   = 16
)

// burned keeps the compiler from dropping what nobody else wants.
var burned atomic.Uint64

var (
	poolSquare = pool.RegisterTask("square", func(_ context.Context, x int) (int, error) { return x * x, nil })
	poolSame   = pool.RegisterTask("same", func(_ context.Context, b []byte) ([]byte, error) { return b, nil })
	poolBurn   = pool.RegisterTask("burn", func(_ context.Context, x uint64) (uint64, error) { return burn(x), nil })
)

// burn keeps a processor busy for a millisecond or two.
func burn(x uint64) uint64 {
	for range 1000000 {
		x = x*6364136223846793005 + 1442695040888963407
	}
	return x
}

// withPool is the contender whose side a has a pool; op is one operation.
func withPool(name string, workers int, o *pool.Options, op func(p *pool.Pool) error) *pair {
	return &pair{name: name, a: func(order *order) (*outcome, error) {
		p, err := pool.New(workers, o)
		if err != nil {
			return nil, err
		}
		defer p.Terminate()
		return order.measure(func(n int) error {
			for range n {
				if err := op(p); err != nil {
					return err
				}
			}
			return nil
		})
	}}
}

// poolMap maps so many trivial tasks.
func poolMap(tasks, chunk int) func(p *pool.Pool) error {
	in, want := make([]int, tasks), make([]int, tasks)
	for i := range in {
		in[i], want[i] = i, i*i
	}
	return func(p *pool.Pool) error {
		got, err := poolSquare.MapSlice(context.Background(), p, in, &pool.MapOptions{Chunk: chunk})
		if err == nil && !slices.Equal(got, want) {
			err = fmt.Errorf("a map of %d tasks returned something else", tasks)
		}
		return err
	}
}

func poolApply(p *pool.Pool) error {
	got, err := poolSquare.Apply(context.Background(), p, 12)
	if err == nil && got != 144 {
		err = fmt.Errorf("a task returned %d", got)
	}
	return err
}

var largeBlock = sync.OnceValue(func() []byte { return make([]byte, largeBytes) })

func poolLarge(p *pool.Pool) error {
	got, err := poolSame.Apply(context.Background(), p, largeBlock())
	if err == nil && len(got) != largeBytes {
		err = fmt.Errorf("%d bytes came back", len(got))
	}
	return err
}

// copiedFourTimes is what poolLarge has to do at least, in one process.
var copiedFourTimes = &pair{name: "copied four times", a: func(o *order) (*outcome, error) {
	from, between := largeBlock(), make([]byte, largeBytes)
	return o.measure(func(n int) error {
		for range n {
			copy(between, from)
			there := append([]byte(nil), between...)
			copy(between, there)
			back := append([]byte(nil), between...)
			runtime.KeepAlive(back)
		}
		return nil
	})
}}

func poolBurns(p *pool.Pool) error {
	_, err := poolBurn.Map(context.Background(), p, slices.Values(make([]uint64, burnTasks)), nil)
	return err
}

// goroutineBurns is poolBurns by as many goroutines as there are processors.
var goroutineBurns = &pair{name: "goroutines burn", a: func(o *order) (*outcome, error) {
	return o.measure(func(n int) error {
		for range n {
			var all sync.WaitGroup
			tasks := make(chan uint64, burnTasks)
			for range burnTasks {
				tasks <- 0
			}
			close(tasks)
			for range runtime.NumCPU() {
				all.Go(func() {
					for x := range tasks {
						burned.Add(burn(x))
					}
				})
			}
			all.Wait()
		}
		return nil
	})
}}
