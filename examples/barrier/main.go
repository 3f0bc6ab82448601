package main

import (
	"context"
	"fmt"
	"log"

	"github.com/shmkit/shmkit/proc"
	"github.com/shmkit/shmkit/semaphore"
	"github.com/shmkit/shmkit/shm"
)

type guest struct {
	Barrier *shm.Object[semaphore.Barrier]
	Number  int
}

var party = proc.Register("party", func(ctx context.Context, g guest) error {
	fmt.Println("here is", g.Number)
	if _, err := g.Barrier.Ptr().Wait(ctx); err != nil {
		return err
	}
	fmt.Println("all are here, says", g.Number)
	return nil
})

func run(ctx context.Context) error {
	barrier, err := shm.NewObject[semaphore.Barrier]("", nil)
	if err != nil {
		return err
	}
	defer barrier.Close()
	if err := barrier.Ptr().Init(3); err != nil {
		return err
	}
	var processes []*proc.Process
	for i := range 3 {
		p, err := party.Start(ctx, guest{barrier, i}, nil)
		if err != nil {
			return err
		}
		processes = append(processes, p)
	}
	for _, p := range processes {
		if err := p.Wait(ctx); err != nil {
			return err
		}
	}
	return nil
}

func main() {
	proc.Main()
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}
