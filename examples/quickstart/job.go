package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/shmkit/shmkit/proc"
	"github.com/shmkit/shmkit/shm"
)

// A job is one run over all files.
type job struct {
	files   [][]byte
	hash    bool
	workers int
	kill    bool
	// results has a slot for each file, so that doing a file twice changes
	// nothing.
	results  *shm.Array[Result]
	progress func()       // called for each finished file
	note     func(string) // tells the user what happened to a worker
	// took is the time of the work alone: processes have been started before.
	took time.Duration
}

// share starts the workers, shares the files out, and waits for the end of all.
// When a worker dies, the others do its unfinished files.
func (j *job) share(ctx context.Context, start func(context.Context) (*proc.Process, link, error)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends those that still run if we return early
	q := newQueue(len(j.files), j.workers)
	crew := make([]*worker, j.workers)
	for i := range crew {
		p, l, err := start(ctx)
		if err != nil {
			return fmt.Errorf("start worker: %w", err)
		}
		defer l.close()
		crew[i] = &worker{job: j, queue: q, number: i, process: p, link: l}
	}
	began := time.Now()
	var wg sync.WaitGroup
	for _, w := range crew {
		wg.Go(func() {
			if err := w.serve(ctx); err != nil {
				w.note(err.Error())
			}
		})
	}
	if j.kill {
		// In the middle of the work: when a third of it is done.
		wg.Go(func() {
			if q.await(len(j.files) / 3) {
				crew[0].process.Kill()
			}
		})
	}
	wg.Wait()
	j.took = q.ended.Sub(began)
	return q.err()
}
