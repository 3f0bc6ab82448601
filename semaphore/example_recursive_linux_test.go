//go:build !explore

package semaphore_test

import (
	"errors"
	"fmt"

	"github.com/shmkit/shmkit/semaphore"
	"github.com/shmkit/shmkit/shm"
)

// ledger is a function of the program that locks, and may be called with the
// lock held.
type ledger struct {
	mu      semaphore.RecursiveMutex
	entries [16]int64
	n       int64
}

func (l *ledger) add(h *semaphore.Holder, amount int64) error {
	if err := h.Lock(); err != nil {
		return err // NOT held
	}
	defer h.Unlock()
	l.entries[l.n] = amount
	l.n++
	return nil
}

func (l *ledger) transfer(h *semaphore.Holder, amount int64) error {
	if err := h.Lock(); err != nil {
		return err
	}
	defer h.Unlock()
	return errors.Join(l.add(h, -amount), l.add(h, amount))
}

// A holder may lock again what it holds; another one may not.
func ExampleRecursiveMutex() {
	obj, err := shm.NewObject[ledger]("", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer obj.Close()

	l := obj.Ptr()
	h := l.mu.Holder()
	if err := l.transfer(h, 100); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(l.n, l.entries[:l.n])

	if err := h.Lock(); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(errors.Is(l.mu.Holder().TryLock(), semaphore.ErrLocked))
	h.Unlock()
	fmt.Println(&l.mu)
	// Output:
	// 2 [-100 100]
	// true
	// RecursiveMutex(free)
}
