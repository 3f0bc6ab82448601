//go:build !explore

package semaphore_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/shmkit/shmkit/semaphore"
	"github.com/shmkit/shmkit/shm"
)

// Whoever maps the event waits until somebody says that the work may begin.
func ExampleEvent() {
	begin, err := shm.NewObject[semaphore.Event]("", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer begin.Close()

	e := begin.Ptr()
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	fmt.Println(errors.Is(e.Wait(ctx), context.DeadlineExceeded))

	e.Set()
	fmt.Println(e.Wait(context.Background()), e)
	e.Clear()
	fmt.Println(e)
	// Output:
	// true
	// <nil> Event(set)
	// Event(unset)
}
