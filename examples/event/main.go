package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/shmkit/shmkit/proc"
	"github.com/shmkit/shmkit/semaphore"
	"github.com/shmkit/shmkit/shm"
)

type event = *shm.Object[semaphore.Event]

var wait = proc.Register("wait", func(ctx context.Context, e event) error {
	if err := e.Ptr().Wait(ctx); err != nil {
		return err
	}
	fmt.Println("patient: it is set")
	return nil
})

var waitAMoment = proc.Register("wait a moment", func(ctx context.Context, e event) error {
	ctx, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	if err := e.Ptr().Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	fmt.Println("impatient: not yet")
	return nil
})

func run(ctx context.Context) error {
	e, err := shm.NewObject[semaphore.Event]("", nil)
	if err != nil {
		return err
	}
	defer e.Close()
	patient, err := wait.Start(ctx, e, nil)
	if err != nil {
		return err
	}
	impatient, err := waitAMoment.Start(ctx, e, nil)
	if err != nil {
		return err
	}
	if err := impatient.Wait(ctx); err != nil {
		return err
	}

	fmt.Println("set")
	e.Ptr().Set()
	return patient.Wait(ctx)
}

func main() {
	proc.Main()
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}
