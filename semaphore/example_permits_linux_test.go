//go:build !explore

package semaphore_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/shmkit/shmkit/semaphore"
	"github.com/shmkit/shmkit/shm"
)

// Four connections that processes share. One that dies with two of them gives
// them back.
func ExamplePermits() {
	obj, err := shm.NewObject[semaphore.Permits]("", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer obj.Close()

	connections := obj.Ptr()
	if err := connections.Init(4); err != nil {
		fmt.Println(err)
		return
	}
	if err := connections.Acquire(context.Background(), 3); err != nil {
		fmt.Println(err) // nothing was taken
		return
	}
	fmt.Println(connections.Available(), "of", connections.Total())
	fmt.Println(errors.Is(connections.TryAcquire(2), semaphore.ErrNoPermits))
	mine := semaphore.PermitHolder{PID: os.Getpid(), Permits: 3}
	fmt.Println(slices.Contains(connections.Holders(), mine))
	fmt.Println(connections.Release(3))
	fmt.Println(connections)
	// Output:
	// 1 of 4
	// true
	// true
	// <nil>
	// Permits(4 of 4 free)
}
