package main

import (
	"context"
	"fmt"
	"log"
	"slices"

	"github.com/shmkit/shmkit/proc"
	"github.com/shmkit/shmkit/proc/manager"
)

type job struct {
	Dict    *manager.Dict[any, any]
	Numbers *manager.List[int]
	N       int
}

var work = proc.Register("work", func(ctx context.Context, j job) error {
	if err := j.Dict.Set(ctx, j.N, "1"); err != nil {
		return err
	}
	if err := j.Dict.SetAll(ctx, map[any]any{"2": 2, 0.25: nil}); err != nil {
		return err
	}
	return j.Numbers.Append(ctx, j.N)
})

func run(ctx context.Context) error {
	m, err := manager.Start(ctx, nil)
	if err != nil {
		return err
	}
	defer m.Close()
	d, err := manager.NewDict[any, any](ctx, m)
	if err != nil {
		return err
	}
	numbers, err := manager.NewList[int](ctx, m)
	if err != nil {
		return err
	}
	var workers []*proc.Process
	for n := range 10 {
		p, err := work.Start(ctx, job{d, numbers, n}, nil)
		if err != nil {
			return err
		}
		workers = append(workers, p)
	}
	for _, p := range workers {
		if err := p.Wait(ctx); err != nil {
			return err
		}
	}
	return show(ctx, d, numbers)
}

func show(ctx context.Context, d *manager.Dict[any, any], numbers *manager.List[int]) error {
	all, err := d.Copy(ctx)
	if err != nil {
		return err
	}
	fmt.Println(len(all), "keys")
	quarter := all[0.25]
	if quarter == nil {
		quarter = "nothing"
	}
	fmt.Println(all[int64(9)], all["2"], quarter) // a number that comes back as any is an int64
	sorted, err := numbers.Copy(ctx)
	if err != nil {
		return err
	}
	slices.Sort(sorted)
	for i, n := range sorted {
		if i > 0 {
			fmt.Print(" ")
		}
		fmt.Print(n)
	}
	fmt.Println()
	return nil
}

func main() {
	proc.Main()
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}
