package main

import (
	"context"

	"github.com/shmkit/shmkit/semaphore"
)

// semaphorePair is our semaphore with one permit.
var semaphorePair = locking[semaphore.Semaphore]{
	name: "Semaphore",
	init: func(s *semaphore.Semaphore) error { return s.Init(1, 1) },
	run: func(s *semaphore.Semaphore, counter *uint64) func(n int) error {
		ctx := context.Background()
		return func(n int) error {
			for range n {
				if err := s.Acquire(ctx, 1); err != nil {
					return err
				}
				*counter++
				if err := s.Release(1); err != nil {
					return err
				}
			}
			return nil
		}
	},
	take: func(s *semaphore.Semaphore) error { return s.Acquire(context.Background(), 1) },
	give: func(s *semaphore.Semaphore) error { return s.Release(1) },
}.pair()
