//go:build !explore

package semaphore_test

import (
	"errors"
	"fmt"
	"os"

	"github.com/shmkit/shmkit/semaphore"
)

// The name goes when the last process closes the semaphore.
func ExampleOwner() {
	o := &semaphore.OpenOptions{Create: true, Exist: semaphore.ExistOpen, Value: 3, Owner: semaphore.OwnerUsers}
	name := fmt.Sprintf("/example-owner-%d", os.Getpid())
	n, err := semaphore.Open(name, o)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(n.Value())
	fmt.Println(n.Close())
	fmt.Println(errors.Is(n.Unlink(), semaphore.ErrNotExist))
	// Output:
	// 3
	// <nil>
	// true
}
