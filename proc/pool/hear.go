package pool

import (
	"fmt"
	"time"

	"github.com/shmkit/shmkit/ringbuf"
)

// hear takes one answer. An error says that no worker would give it.
func (c *core) hear(w *worker, a answer) error {
	switch a.kind {
	case answerReady:
		c.isReady(w)
		return nil
	case answerBroken:
		if c.opts.Init == nil {
			return fmt.Errorf("%w: answer of an initializer", ringbuf.ErrCorrupt)
		}
		c.breaks(decodeError(a.body, c.opts.Init.name, w.process.PID()))
		return nil
	}
	w.heard = true
	if a.kind == answerSkipped {
		return c.skipped(w, a.seq)
	}
	b := w.flight[a.seq%places].Load()
	if b == nil || b.seq != a.seq {
		return fmt.Errorf("%w: answer for batch %d", ringbuf.ErrCorrupt, a.seq)
	}
	if b.load != nil && a.kind == answerRun && a.index == b.next && a.count <= b.until-b.next && b.load.run(a.index, a.count, a.body) {
		b.next += a.count
		b.tries = 0
		w.done += a.count
		if b.next == b.until {
			c.arrived(w, b)
		}
		return nil
	}
	if a.index != b.next || a.count != 1 || b.load == nil || a.kind > answerError || a.kind == answerCargo && w.side == nil {
		return fmt.Errorf("%w: answer for task %d of batch %d, where %d is next", ringbuf.ErrCorrupt, a.index, a.seq, b.next)
	}
	var err error
	failed := a.kind == answerError
	if failed {
		err = decodeError(a.body, b.name, w.process.PID())
	} else if verr := b.take(w, a); verr != nil {
		failed, err = true, fmt.Errorf("%w: %w", ErrResult, verr)
	}
	if failed {
		b.load.fail(b.next, err)
	}
	b.next++
	b.tries = 0
	w.done++ // read under mu, and by statistics only
	if failed {
		w.failed++
	}
	if b.next == b.until {
		c.arrived(w, b)
	}
	return nil
}

// skipped ends the passage of a ghost. The worker may have seen that its batch was taken
// back before recall has put the ghost into its place: that has come about under mu.
func (c *core) skipped(w *worker, seq uint64) error {
	c.mu.Lock()
	defer c.unlock()
	b := w.flight[seq%places].Load()
	if b == nil || b.seq != seq || b.load != nil {
		return fmt.Errorf("%w: batch %d skipped", ringbuf.ErrCorrupt, seq)
	}
	c.land(w, b)
	c.relist(w)
	c.pump()
	return nil
}

// take takes a result.
func (b *batch) take(w *worker, a answer) error {
	switch a.kind {
	case answerCargo:
		w.fetch(b)
		return nil
	case answerNil:
		a.body = nil
	}
	return guarded(func() error { return b.load.value(b.next, a.body, nil) })
}

// arrived ends the passage of a batch whose tasks have all been answered for.
func (c *core) arrived(w *worker, b *batch) {
	finished, late := b.next == b.n, b.late
	now := time.Now()
	c.mu.Lock()
	c.land(w, b)
	c.count(w)
	c.stillborn = 0
	took := now.Sub(w.lastEnd)
	w.lastEnd = now
	c.pace += (took - c.pace) / 8
	if b.timed { // before it may be another worker's
		b.load.took(b.until-b.began, took)
	}
	switch {
	case finished:
		b.where = over
		b.reading = late
	case c.unwanted(b) != nil:
		b.where, finished = over, true
		c.giveUp(b, c.unwanted(b))
	default:
		c.again(b)
	}
	if w.quota <= 0 && w.flights == 0 {
		w.dismiss()
	}
	if finished && late { // the pool does not end before it
		c.finishing++
	}
	c.relist(w)
	c.pump()
	c.unlock()
	switch {
	case finished && late:
		c.finishAll([]*batch{b})
	case finished:
		b.load.finish(b)
	}
}

// count adds what the worker has done since to the statistics.
func (c *core) count(w *worker) {
	c.stats.Done += w.done - w.counted
	c.stats.Failed += w.failed - w.countedFailed
	w.counted, w.countedFailed = w.done, w.failed
}
