package main

import (
	"errors"
	"sync"
	"time"
)

// locking is how a lock of type L is used. An operation takes it, counts the
// board's counter up, or only reads it where holders do not exclude each
// other, and gives it back.
type locking[L any] struct {
	name   string
	init   func(l *L) error                              // nil: zero is ready
	run    func(l *L, counter *uint64) func(n int) error // n operations
	take   func(l *L) error
	give   func(l *L) error
	shared bool // holders do not exclude each other
}

// pair returns the contender.
func (k locking[L]) pair() *pair {
	return &pair{
		name: k.name,
		link: func(o *order) (*link, error) { return linkBoard(o, k.init) },
		a: func(o *order) (*outcome, error) {
			if o.alone() {
				return lockLoop(k.loop).alone(o)
			}
			b, err := openBoard[L](o)
			if err != nil {
				return nil, err
			}
			t0 := time.Now()
			if err := k.compete(o, b); err != nil {
				return nil, err
			}
			return b.sum(o, time.Since(t0), k.shared)
		},
		b: func(o *order) (*outcome, error) {
			b, err := openBoard[L](o)
			if err != nil {
				return nil, err
			}
			return nil, k.compete(o, b)
		},
	}
}

// loop makes a lock for one process.
func (k locking[L]) loop() (func(n int) error, error) {
	object, err := newBoard(k.init)
	if err != nil {
		return nil, err
	}
	b := object.Ptr()
	return k.run(&b.item, &b.counter), nil
}

// compete is one side's part of a job of several.
func (k locking[L]) compete(o *order, b *board[L]) error {
	deadline := time.Now().Add(o.Timing.Run)
	if o.Job == jobContended {
		return b.contend(k.run(&b.item, &b.counter), deadline)
	}
	return b.handOver(func() error { return k.take(&b.item) }, func() error { return k.give(&b.item) }, deadline)
}

// lockLoop makes a lock and returns what does n operations with it.
type lockLoop func() (run func(n int) error, err error)

// alone does the jobs of one process.
func (l lockLoop) alone(o *order) (*outcome, error) {
	switch o.Job {
	case jobOne:
		return l.goroutines(o, 1)
	case jobTwo:
		return l.goroutines(o, 2)
	}
	run, err := l()
	if err != nil {
		return nil, err
	}
	if o.Job == jobUncontended {
		return o.measure(run)
	}
	return countCosts(o, run)
}

// goroutines measures n goroutines of this process at once, each on a lock of
// its own.
func (l lockLoop) goroutines(o *order, n int) (*outcome, error) {
	var ready, done sync.WaitGroup
	ready.Add(n)
	outs, errs := make([]*outcome, n), make([]error, n)
	for i := range n {
		run, err := l()
		if err != nil {
			return nil, err
		}
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

// Go's own mutex, for one process.
func syncMutexLoop() (func(n int) error, error) {
	m := new(struct {
		_       [128]byte
		mu      sync.Mutex
		counter uint64
		_       [128]byte
	})
	return func(n int) error {
		for range n {
			m.mu.Lock()
			m.counter++
			m.mu.Unlock()
		}
		return nil
	}, nil
}

// Go's own lock for readers.
func syncRWMutexLoop() (func(n int) error, error) {
	m := new(struct {
		_       [128]byte
		mu      sync.RWMutex
		counter uint64
		_       [128]byte
	})
	var seen uint64
	return func(n int) error {
		for range n {
			m.mu.RLock()
			seen += m.counter
			m.mu.RUnlock()
		}
		return nil
	}, nil
}
