package main

import "github.com/shmkit/shmkit/semaphore"

// readerPair is the read side of our lock for readers and writers.
var readerPair = locking[semaphore.RWMutex]{
	name: "RWMutex",
	run: func(rw *semaphore.RWMutex, counter *uint64) func(n int) error {
		var seen uint64
		return func(n int) error {
			for range n {
				if err := rw.RLock(); err != nil {
					return err
				}
				seen += *counter
				rw.RUnlock()
			}
			return nil
		}
	},
	shared: true,
}.pair()
