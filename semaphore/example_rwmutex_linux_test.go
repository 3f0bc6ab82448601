//go:build !explore

package semaphore_test

import (
	"fmt"

	"github.com/shmkit/shmkit/semaphore"
	"github.com/shmkit/shmkit/shm"
)

// A table that many processes read and one changes now and then.
func ExampleRWMutex() {
	type table struct {
		rw    semaphore.RWMutex
		price [8]int64
	}
	obj, err := shm.NewObject[table]("", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer obj.Close()

	t := obj.Ptr()
	if err := t.rw.Lock(); err != nil {
		fmt.Println(err) // not held
		return
	}
	t.price[3] = 100
	t.rw.Unlock()

	if err := t.rw.RLock(); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(t.price[3])
	fmt.Println(t.rw.TryLock())
	fmt.Println(&t.rw)
	t.rw.RUnlock()
	// Output:
	// 100
	// semaphore: locked
	// RWMutex(readers: 1)
}
