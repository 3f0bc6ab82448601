package main

import (
	"context"
	"fmt"
	"log"

	"github.com/shmkit/shmkit/proc"
	"github.com/shmkit/shmkit/shm"
)

type shared struct {
	Number  *shm.Value[float64]
	Numbers *shm.Array[int32]
}

var change = proc.Register("change", func(_ context.Context, s shared) error {
	if err := s.Number.Store(2.5); err != nil {
		return err
	}
	if err := s.Numbers.Lock(); err != nil {
		return err
	}
	defer s.Numbers.Unlock()
	for i := range s.Numbers.Slice() {
		s.Numbers.Slice()[i] *= -1
	}
	return nil
})

func run(ctx context.Context) error {
	number, err := shm.NewValue("", 0.0, nil)
	if err != nil {
		return err
	}
	defer number.Close()
	numbers, err := shm.NewArray[int32]("", 5, nil)
	if err != nil {
		return err
	}
	defer numbers.Close()
	for i := range numbers.Slice() {
		numbers.Slice()[i] = int32(i + 1)
	}

	p, err := change.Start(ctx, shared{number, numbers}, nil)
	if err != nil {
		return err
	}
	if err := p.Wait(ctx); err != nil {
		return err
	}

	x, err := number.Load()
	fmt.Println(x)
	for _, n := range numbers.All() {
		fmt.Println(n)
	}
	return err
}

func main() {
	proc.Main()
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}
