//go:build !explore

package semaphore_test

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/shmkit/shmkit/semaphore"
	"github.com/shmkit/shmkit/shm"
)

// At most three processes at a time.
func ExampleSemaphore() {
	obj, err := shm.NewObject[semaphore.Semaphore]("", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer obj.Close()

	s := obj.Ptr()
	if err := s.Init(3, 3); err != nil {
		fmt.Println(err)
		return
	}
	if err := s.Acquire(context.Background(), 2); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(s)
	fmt.Println(errors.Is(s.TryAcquire(2), semaphore.ErrNoPermits))
	fmt.Println(s.Release(2))
	fmt.Println(errors.Is(s.Release(1), semaphore.ErrOverflow))
	// Output:
	// Semaphore(1 of 3)
	// true
	// <nil>
	// true
}

// A semaphore with a name, as C programs open it with sem_open("/printers", 0).
func ExampleNamed() {
	name := fmt.Sprintf("printers-%d", os.Getpid())
	n, err := semaphore.Open(name, &semaphore.OpenOptions{
		Create: true,
		Exist:  semaphore.ExistOpen,
		Value:  2,
		Max:    2,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer n.Close()
	defer n.Unlink()

	if err := n.Acquire(context.Background(), 1); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(n.Value())
	fmt.Println(n.Release(1))
	// Output:
	// 1
	// <nil>
}
