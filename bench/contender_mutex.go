package main

import "github.com/shmkit/shmkit/semaphore"

// mutexPair is our mutex.
var mutexPair = locking[semaphore.Mutex]{
	name: "Mutex",
	run: func(mu *semaphore.Mutex, counter *uint64) func(n int) error {
		return func(n int) error {
			for range n {
				if err := mu.Lock(); err != nil {
					return err
				}
				*counter++
				mu.Unlock()
			}
			return nil
		}
	},
	take: (*semaphore.Mutex).Lock,
	give: func(mu *semaphore.Mutex) error { mu.Unlock(); return nil },
}.pair()
