package main

import (
	"context"
	"fmt"
	"log"

	"github.com/shmkit/shmkit/proc"
	"github.com/shmkit/shmkit/proc/manager"
)

type maths struct{}

func (*maths) Add(x, y int) int { return x + y }
func (*maths) Mul(x, y int) int { return x * y }

var mathsType = manager.RegisterType("Maths", func(context.Context, struct{}) (*maths, error) {
	return &maths{}, nil
}, nil)

func run(ctx context.Context) error {
	m, err := manager.Start(ctx, nil)
	if err != nil {
		return err
	}
	defer m.Close()
	o, err := mathsType.New(ctx, m, struct{}{})
	if err != nil {
		return err
	}
	sum, err := manager.Call[int](ctx, o, "Add", 4, 3)
	if err != nil {
		return err
	}
	fmt.Println(sum)
	product, err := manager.Call[int](ctx, o, "Mul", 7, 8)
	if err != nil {
		return err
	}
	fmt.Println(product)
	return nil
}

func main() {
	proc.Main()
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}
