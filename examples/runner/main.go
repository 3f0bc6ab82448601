package main

import (
	"context"
	"fmt"
	"log"

	"github.com/shmkit/shmkit/proc"
)

type squarer struct{ Number int }

var squarers = proc.RegisterRunner[squarer]("squarer")

func start(ctx context.Context, number int) (*proc.Process, error) {
	name := fmt.Sprintf("squarer-%d", number)
	return squarers.Start(ctx, squarer{number}, &proc.Options{Name: name})
}

func (s squarer) Run(context.Context) error {
	fmt.Println(proc.Current().Name(), "says", s.Number*s.Number)
	return nil
}

func main() {
	proc.Main()
	ctx := context.Background()
	var processes []*proc.Process
	for _, n := range []int{2, 3, 4} {
		p, err := start(ctx, n)
		if err != nil {
			log.Fatal(err)
		}
		processes = append(processes, p)
	}
	for _, p := range processes {
		if err := p.Wait(ctx); err != nil {
			log.Fatal(err)
		}
	}
}
