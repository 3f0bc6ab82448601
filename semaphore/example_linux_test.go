//go:build !explore

package semaphore_test

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/shmkit/shmkit/semaphore"
	"github.com/shmkit/shmkit/shm"
	"golang.org/x/sys/unix"
)

// An account that processes share: a lock, and what it protects.
func ExampleMutex() {
	type account struct {
		mu      semaphore.Mutex
		balance int64
	}
	acct, err := shm.NewObject[account]("", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer acct.Close()

	a := acct.Ptr()
	if err := a.mu.Lock(); err != nil {
		fmt.Println(err) // not held
		return
	}
	a.balance += 100
	fmt.Println(a.balance)
	fmt.Println(errors.Is(a.mu.TryLock(), semaphore.ErrLocked))
	a.mu.Unlock()
	fmt.Println(&a.mu)
	// Output:
	// 100
	// true
	// Mutex(free)
}

// Whoever takes over from a process that died in the middle of a change brings
// the data into order first.
func ExampleMutex_LockRepair() {
	type transfer struct {
		mu       semaphore.Mutex
		from, to int64
	}
	obj, err := shm.NewObject[transfer]("", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer obj.Close()

	t := obj.Ptr()
	err = t.mu.LockRepair(context.Background(), func() error {
		t.to = 100 - t.from // from ground truth: together they are always 100
		return nil
	})
	if err != nil {
		fmt.Println(err) // not held: what the repair returned, for instance
		return
	}
	defer t.mu.Unlock()
	fmt.Println("in order")
	// Output: in order
}

// Memory that did not come from package shm: the kernel must not find its locks
// any more when it is unmapped.
func ExampleForget() {
	b, err := unix.Mmap(-1, 0, os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_ANON)
	if err != nil {
		fmt.Println(err)
		return
	}
	mu := mutexAt(b)
	if err := mu.Lock(); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(errors.Is(semaphore.Forget(b), semaphore.ErrBusy))
	mu.Unlock()
	fmt.Println(semaphore.Forget(b))
	fmt.Println(unix.Munmap(b))
	// Output:
	// true
	// <nil>
	// <nil>
}
