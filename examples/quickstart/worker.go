package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/shmkit/shmkit/proc"
)

// A worker is a worker process as seen from here.
type worker struct {
	*job
	queue   *queue
	number  int
	process *proc.Process
	link    link
}

// A link is this process's side of the connection with one worker. One
// goroutine sends and one receives.
type link interface {
	send(ctx context.Context, index int) error // a whole file
	flush() error                              // what is sent is on its way
	endJobs() error                            // nothing more will be sent
	receive(ctx context.Context) (index int, err error)
	close()
}

// serve keeps the worker busy until there is nothing left to do or the worker
// has ended, and returns how it ended, if not well.
func (w *worker) serve(ctx context.Context) error {
	var wg sync.WaitGroup
	wg.Go(func() { w.feed(ctx) })
	err := w.collect(ctx)
	left := w.queue.leave(w.number)
	wg.Wait()
	if died := w.process.Wait(ctx); died != nil {
		return fmt.Errorf("%w; others do the %d files that it had not finished", died, left)
	}
	if !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

// feed sends files to the worker.
func (w *worker) feed(ctx context.Context) {
	// An error means that the worker has gone. Then collect, which receives what
	// it has still finished, comes to the end too: nothing to do here.
	defer w.link.endJobs()
	for {
		file, ok := w.queue.take(w.number, func() { w.link.flush() })
		if !ok || w.link.send(ctx, file) != nil {
			return
		}
	}
}

// collect receives results until the worker has left: io.EOF if it did so in
// order, over pipes also if not.
func (w *worker) collect(ctx context.Context) error {
	for {
		file, err := w.link.receive(ctx)
		if err != nil {
			return err
		}
		w.queue.finish(file)
		w.progress()
	}
}
