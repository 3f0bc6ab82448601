package main

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// opsPerLook is how many operations pass before a contending side looks at
// the clock and at the stop flag; mutex.c has the same number.
const opsPerLook = 256

// lockLoop is what a lock contender brings: run locks the i-th of two mutexes,
// counts counter up, and unlocks, n times.
type lockLoop func(i int) (run func(n int) error)

// contend runs until stop is set, or until the deadline (zero: none), at
// which it sets stop; it returns how many operations it did.
func contend(run func(n int) error, stop *atomic.Uint32, deadline time.Time) (ops int64, err error) {
	for stop.Load() == 0 {
		if err := run(opsPerLook); err != nil {
			return ops, err
		}
		ops += opsPerLook
		if !deadline.IsZero() && !time.Now().Before(deadline) {
			stop.Store(1)
		}
	}
	return ops, nil
}

// goroutines measures n goroutines of this process at once, each on a lock of
// its own.
func (l lockLoop) goroutines(o *order, n int) (*outcome, error) {
	var ready, done sync.WaitGroup
	ready.Add(n)
	outs, errs := make([]*outcome, n), make([]error, n)
	for i := range n {
		run := l(i)
		done.Go(func() {
			ready.Done()
			ready.Wait()
			outs[i], errs[i] = o.measure(run)
		})
	}
	done.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	out := &outcome{}
	for _, one := range outs {
		out.ops += one.ops
		out.elapsed += one.elapsed
		out.samples = append(out.samples, one.samples...)
	}
	out.extra = map[string]float64{typical: median(out.samples)}
	return out, nil
}

// alone does the jobs of one process.
func (l lockLoop) alone(o *order) (*outcome, error) {
	switch o.Job {
	case jobUncontended:
		return o.measure(l(0))
	case jobOne:
		return l.goroutines(o, 1)
	case jobTwo:
		return l.goroutines(o, 2)
	}
	return countCosts(o, l(0))
}

// Go's own mutex, for one process.
var syncMutexes [2]struct {
	mu      sync.Mutex
	counter uint64
	_       [128]byte
}

func syncLoop(i int) func(n int) error {
	m := &syncMutexes[i]
	return func(n int) error {
		for range n {
			m.mu.Lock()
			m.counter++
			m.mu.Unlock()
		}
		return nil
	}
}
