package main

import (
	"context"
	_ "embed"
	"fmt"
	"log"

	"github.com/shmkit/shmkit/proc"
	"github.com/shmkit/shmkit/shm"
)

//go:embed worker.py
var program string

func main() {
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	shared, err := shm.Create("", 8*512, nil)
	if err != nil {
		return err
	}
	defer shared.Close()
	numbers, err := shm.ViewSlice[int64](shared, 0, 512)
	if err != nil {
		return err
	}
	for i := range numbers {
		numbers[i] = int64(i)
	}
	worker := proc.Command("python3", "-c", program)
	worker.Pass("numbers", shared) // SHMKIT_NUMBERS=fd=3;kind=shm.segment;size=4096
	p, err := worker.Start(ctx)
	if err != nil {
		return err
	}
	if err := p.Wait(ctx); err != nil {
		return err
	}
	fmt.Println("the last one is", numbers[len(numbers)-1])
	return nil
}
