//go:build !explore

package semaphore_test

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/shmkit/shmkit/semaphore"
	"github.com/shmkit/shmkit/shm"
)

// Three parties meet twice. They are goroutines here, and processes elsewhere:
// each opens the object by its name.
func ExampleBarrier() {
	obj, err := shm.NewObject[semaphore.Barrier]("", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer obj.Close()
	b := obj.Ptr()
	if err := b.Init(3); err != nil {
		fmt.Println(err)
		return
	}

	var parties sync.WaitGroup
	for range 3 {
		parties.Go(func() {
			for round := range 2 {
				_, err := b.WaitAction(context.Background(), func() error {
					fmt.Println("all have come to round", round)
					return nil
				})
				if err != nil {
					fmt.Println(err)
				}
			}
		})
	}
	parties.Wait()
	fmt.Println(b)
	b.Abort()
	_, err = b.Wait(context.Background())
	fmt.Println(errors.Is(err, semaphore.ErrBroken), b)
	// Output:
	// all have come to round 0
	// all have come to round 1
	// Barrier(0 of 3 waiting)
	// true Barrier(broken, 3 parties)
}
