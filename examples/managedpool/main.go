package main

import (
	"context"
	"fmt"
	"log"

	"github.com/shmkit/shmkit/proc"
	"github.com/shmkit/shmkit/proc/manager"
	"github.com/shmkit/shmkit/proc/pool"
)

var square = pool.RegisterTask("square", func(_ context.Context, x int) (int, error) {
	return x * x, nil
})

// workers is a pool that lives in a manager, as long as some process has a proxy of it.
type workers struct{ *pool.Pool }

func (w *workers) Squares(ctx context.Context, xs []int) ([]int, error) {
	return square.MapSlice(ctx, w.Pool, xs, nil)
}

// Close is called when the last proxy has gone.
func (w *workers) Close() error {
	w.Terminate()
	return nil
}

var workersType = manager.RegisterType("Workers", func(_ context.Context, n int) (*workers, error) {
	p, err := pool.New(n, nil)
	return &workers{p}, err
}, &manager.TypeOptions{Expose: []string{"Squares"}})

var squares = manager.MethodOf((*workers).Squares)

// use is a process that has the pool do its work.
var use = proc.Register("use", func(ctx context.Context, w *manager.Object[workers]) error {
	got, err := squares.Call(ctx, w, []int{1, 2, 3, 4})
	fmt.Println(got)
	return err
})

func run(ctx context.Context) error {
	m, err := manager.Start(ctx, nil)
	if err != nil {
		return err
	}
	defer m.Close()
	w, err := workersType.New(ctx, m, 2)
	if err != nil {
		return err
	}
	for range 2 {
		p, err := use.Start(ctx, w, nil)
		if err != nil {
			return err
		}
		if err := p.Wait(ctx); err != nil {
			return err
		}
	}
	return w.Close()
}

func main() {
	proc.Main()
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}
