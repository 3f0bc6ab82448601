package main

import (
	"context"
	"errors"
	"io/fs"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/shmkit/shmkit/semaphore"
	"github.com/shmkit/shmkit/shm"
)

// board is what two processes contend for: two mutexes, each with the counter
// that it protects, far enough apart to be nobody else's cache line.
type board struct {
	locks [2]struct {
		mu      semaphore.Mutex
		_       [128 - 48]byte
		counter uint64
		_       [128 - 8]byte
	}
	ready, stop atomic.Uint32
	peerOps     atomic.Int64 // -1 as long as side b has not ended
}

func unlink(name string) {
	if err := shm.Unlink(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		panic(err)
	}
}

// boardName is the end of the shared object's name.
const boardName = "-board"

// mutexPair is our mutex.
var mutexPair = &pair{
	name: "Mutex",
	tidy: func(name string) { unlink(name + boardName) },
	a:    mutexMeasuring,
	b:    mutexServing,
}

func mutexMeasuring(o *order) (*outcome, error) {
	name := ""
	if o.Job == jobContended {
		name = o.Name + boardName
	}
	object, err := shm.NewObject[board](name, nil)
	if err != nil {
		return nil, err
	}
	b := object.Ptr()
	if o.Job != jobContended {
		return lockLoop(b.loop).alone(o)
	}
	b.peerOps.Store(-1)
	for b.ready.Load() == 0 {
		runtime.Gosched()
	}
	t0 := time.Now()
	mine, err := contend(b.loop(0), &b.stop, t0.Add(o.Timing.Run))
	elapsed := time.Since(t0)
	if err != nil {
		return nil, err
	}
	for b.peerOps.Load() < 0 {
		runtime.Gosched()
	}
	theirs := b.peerOps.Load()
	if b.locks[0].counter != uint64(mine+theirs) {
		return nil, errMiscounted
	}
	return &outcome{ops: mine + theirs, elapsed: elapsed,
		extra: map[string]float64{"share": float64(min(mine, theirs)) / float64(mine+theirs)}}, nil
}

func mutexServing(o *order) (*outcome, error) {
	object, err := shm.OpenObject[board](context.Background(), o.Name+boardName, &shm.OpenOptions{Wait: true})
	if err != nil {
		return nil, err
	}
	if err := object.Unlink(); err != nil {
		return nil, err
	}
	b := object.Ptr()
	b.ready.Store(1)
	ops, err := contend(b.loop(0), &b.stop, time.Time{})
	if err != nil {
		return nil, err
	}
	b.peerOps.Store(ops)
	return nil, nil
}

func (b *board) loop(i int) func(n int) error {
	l := &b.locks[i]
	return func(n int) error {
		for range n {
			if err := l.mu.Lock(); err != nil {
				return err
			}
			l.counter++
			l.mu.Unlock()
		}
		return nil
	}
}

var errMiscounted = errors.New("the counter under the lock is wrong")
