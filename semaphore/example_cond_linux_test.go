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

// A mailbox for one letter that processes share.
func ExampleCond() {
	type mailbox struct {
		mu      semaphore.Mutex
		changed semaphore.Cond
		letter  int64 // 0: none
	}
	box, err := shm.NewObject[mailbox]("", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer box.Close()
	b := box.Ptr()

	go func() { // as well in another process
		if err := b.mu.Lock(); err != nil {
			fmt.Println(err)
			return
		}
		b.letter = 42
		b.mu.Unlock()
		b.changed.Signal()
	}()

	if err := b.mu.Lock(); err != nil {
		fmt.Println(err)
		return
	}
	for b.letter == 0 {
		if err := b.changed.Wait(&b.mu); err != nil {
			fmt.Println(err) // the lock is not held if this is ErrRelock
			return
		}
	}
	fmt.Println(b.letter)
	fmt.Println(&b.changed)
	b.mu.Unlock()
	// Output:
	// 42
	// Cond(nobody waits)
}

// A wait that does not last for ever, with a lock that recurses.
func ExampleCond_WaitFor() {
	type state struct {
		mu      semaphore.RecursiveMutex
		changed semaphore.Cond
		ready   bool
	}
	obj, err := shm.NewObject[state]("", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer obj.Close()
	s := obj.Ptr()

	h := s.mu.Holder()
	if err := h.Lock(); err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	err = s.changed.WaitFor(ctx, h, func() bool { return s.ready })
	if errors.Is(err, semaphore.ErrRelock) {
		return // the lock is not held: its owner has died, for instance
	}
	fmt.Println(err)
	h.Unlock()
	// Output: context deadline exceeded
}

// What waits under either kind of lock takes a CondLocker.
func ExampleCondLocker() {
	type state struct {
		mu      semaphore.Mutex
		deep    semaphore.RecursiveMutex
		changed semaphore.Cond
	}
	obj, err := shm.NewObject[state]("", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer obj.Close()
	s := obj.Ptr()

	briefly := func(lock semaphore.CondLocker) error {
		ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		defer cancel()
		return s.changed.WaitContext(ctx, lock)
	}
	h := s.deep.Holder()
	if err := errors.Join(s.mu.Lock(), h.Lock(), h.Lock()); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(briefly(&s.mu))
	fmt.Println(briefly(h), h.Depth())
	h.Unlock()
	h.Unlock()
	fmt.Println(errors.Is(briefly(h), semaphore.ErrNotHeld))
	s.mu.Unlock()
	// Output:
	// context deadline exceeded
	// context deadline exceeded 2
	// true
}
