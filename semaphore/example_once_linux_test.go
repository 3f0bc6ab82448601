//go:build !explore

package semaphore_test

import (
	"context"
	"fmt"

	"github.com/shmkit/shmkit/semaphore"
	"github.com/shmkit/shmkit/shm"
)

// A table that one of the processes fills, whichever comes first.
func ExampleOnce() {
	type table struct {
		once    semaphore.Once
		squares [10]uint64
	}
	obj, err := shm.NewObject[table]("", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer obj.Close()

	t := obj.Ptr()
	for range 2 {
		err := t.once.Do(context.Background(), func() error {
			fmt.Println("filling")
			for i := range t.squares {
				t.squares[i] = uint64(i * i)
			}
			return nil
		})
		if err != nil {
			fmt.Println(err)
			return
		}
	}
	fmt.Println(t.squares)
	fmt.Println(&t.once)
	// Output:
	// filling
	// [0 1 4 9 16 25 36 49 64 81]
	// Once(done)
}
