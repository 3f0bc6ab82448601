package pool

import (
	"context"
	"fmt"
	"slices"

	"github.com/shmkit/shmkit/proc"
)

// lost is called when the worker's process has ended, to its last thread: whatever it has
// done can be seen.
func (c *core) lost(w *worker) {
	c.mu.Lock()
	dismissed := w.leaving
	w.leaving = true // nobody gives it anything from now on
	c.unlist(w)
	c.mu.Unlock()
	w.senders.Wait()
	c.read(w)
	exit := w.exit()
	c.mu.Lock()
	c.came(w, false)
	orderly := dismissed && w.flights == 0 && exit.Code == 0
	early := w.waited && !c.terminated && c.broken == nil
	begun := w.heard || w.hasBegun()
	unborn := early || w.flights > 0 && !begun
	if w.waited {
		w.waited = false
		c.expected--
	}
	c.at[w.index].Store(nil)
	w.ready = false
	c.count(w)
	if orderly {
		c.stats.Retired++
	} else {
		c.stats.Died++
	}
	ended := c.inherit(w, exit)
	switch {
	case early && exit.Signal == 0: // it ended itself
		ended = append(ended, c.breakDown(exit)...)
	case unborn:
		c.stillborn++
	case begun:
		c.stillborn = 0
	}
	if c.stillborn >= maxStillborn {
		c.stillborn = 0
		c.stats.lastStart = exit
		for _, b := range c.drop() {
			c.giveUp(b, fmt.Errorf("%w: %w", ErrStart, exit))
			ended = append(ended, b)
		}
	}
	c.mu.Unlock()
	w.tell.Wait()
	w.desk.awake.Store(0)
	w.close()
	c.closeSide(w)
	for _, b := range ended {
		b.load.finish(b)
	}
	c.mu.Lock() // until here the pool has not ended
	c.live--
	c.seqs[w.index] = w.seq
	c.free = append(c.free, w.index)
	c.collected.Broadcast()
	c.pump()
	c.unlock()
	c.poke()
}

// maxStillborn is how many workers in a row may die before they have begun anything, or be
// killed before their initializers are through, until it is given up to wait for one.
const maxStillborn = 16

// inherit takes what a dead worker had. The task that ran is at its end, or is tried
// again; the others go to other workers. It returns the batches that are over.
func (c *core) inherit(w *worker, exit *proc.ExitError) (ended []*batch) {
	var back []*batch
	for b := range w.has {
		c.land(w, b)
		if b.load == nil {
			continue // a ghost
		}
		if ran, ok := w.desk.running(b.seq); ok && ran >= b.next && ran < b.until {
			if n := ran - b.next; n > 0 && n <= trayBytes && b.load.run(b.next, n, w.desk.inTray(n, b.load.width())) {
				b.next, b.tries = ran, 0
				c.stats.Done += n
			}
			c.mourn(w, b, exit)
		}
		if err := c.unwanted(b); err != nil {
			c.giveUp(b, err)
		}
		if b.next == b.n {
			b.where = over
			ended = append(ended, b)
		} else {
			back = append(back, b)
		}
	}
	for _, b := range slices.Backward(back) {
		c.again(b)
	}
	return ended
}

// unwanted says why what is left of b is not to be run again, nil if it is.
func (c *core) unwanted(b *batch) error {
	switch {
	case c.terminated:
		return ErrTerminated
	case c.broken != nil:
		return c.broken
	}
	return b.unwanted
}

// mourn decides what becomes of the task that the worker ran when it died.
func (c *core) mourn(w *worker, b *batch, exit *proc.ExitError) {
	err := fmt.Errorf("%w: task %s: %w", ErrWorkerDied, b.name, exit)
	switch w.desk.verdict.Load() {
	case verdictTimeout:
		err = fmt.Errorf("%w: %w", context.DeadlineExceeded, err)
	case verdictCancel:
		err = fmt.Errorf("%w: %w", ErrCancelled, err)
	default:
		if c.terminated {
			err = ErrTerminated
		} else if b.tries < b.retries {
			b.tries++
			c.stats.Retried++
			return
		}
	}
	b.load.fail(b.next, err)
	b.next++
	b.tries = 0
	c.stats.Done++
	c.stats.Failed++
}
