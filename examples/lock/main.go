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
	Lock   *shm.Object[semaphore.Mutex]
	Number int
}

var greet = proc.Register("greet", func(_ context.Context, g guest) error {
	lock := g.Lock.Ptr()
	if err := lock.Lock(); err != nil {
		return err
	}
	defer lock.Unlock()
	fmt.Println("hello", g.Number)
	fmt.Println("goodbye", g.Number)
	return nil
})

func run(ctx context.Context) error {
	lock, err := shm.NewObject[semaphore.Mutex]("", nil)
	if err != nil {
		return err
	}
	defer lock.Close()
	var processes []*proc.Process
	for i := range 10 {
		p, err := greet.Start(ctx, guest{lock, i}, nil)
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
