package pool

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/proc"
	"github.com/shmkit/shmkit/ringbuf"
)

// await makes somebody wait for answers: the collector, a goroutine that sleeps on the
// bell while answers are expected, in one system call whatever the number of workers.
func (c *core) await() {
	if !c.collecting {
		c.collecting = true
		go c.collect()
	}
	if c.expected == 1 {
		c.collected.Broadcast()
	}
}

func (c *core) collect() {
	var spin futex.Spinner
	c.board.bell.awake.Store(1)
	for {
		c.mu.Lock()
		for c.expected == 0 && !c.finished {
			c.board.bell.awake.Store(0)
			c.collected.Wait()
			c.board.bell.awake.Store(1)
		}
		over := c.finished
		c.mu.Unlock()
		if over {
			c.bury()
			return
		}
		if c.gather() {
			continue
		}
		if !c.opts.Block && c.board.spin(&spin, c.board.anyRung) {
			continue
		}
		began := time.Now()
		c.board.sleep(&c.poked)
		spin.Slept(time.Since(began))
	}
}

// poke makes the collector look again whether it is needed.
func (c *core) poke() {
	c.poked.Store(true)
	c.board.wake()
}

// gather reads the answers of all workers who rang.
func (c *core) gather() (any bool) {
	for i := range c.board.desks {
		d := &c.board.desks[i]
		if d.rung.Load() == 0 { // acquire: rung
			continue
		}
		any = true
		d.rung.Store(0) // what is published from now on is rung for again
		if w := c.at[i].Load(); w != nil {
			c.read(w)
		}
	}
	return any
}

// read reads all answers of a worker.
func (c *core) read(w *worker) {
	w.rx.Lock()
	defer w.rx.Unlock()
	for {
		msg, err := w.answers.TryNext()
		if err != nil {
			return // there are none; or the worker has ended, for which lost is there
		}
		w.sent.Acquire()
		a, err := parseAnswer(msg)
		if err == nil {
			err = c.hear(w, a)
		}
		w.answers.Release()
		if err != nil {
			w.process.Kill() // it is out of its mind
			return
		}
	}
}

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

// isReady says that the worker's initializer is through.
func (c *core) isReady(w *worker) {
	c.mu.Lock()
	if w.waited {
		w.waited = false
		c.expected--
		w.ready = true
		c.came(w, true)
		c.list(w)
		c.collected.Broadcast()
	}
	c.pump()
	c.unlock()
}

// breaks ends the pool because of an initializer.
func (c *core) breaks(why error) {
	c.mu.Lock()
	dropped := c.breakDown(why)
	c.finishing++
	c.mu.Unlock()
	c.finishAll(dropped)
}

// breakDown is breaks under mu. It returns what has to be finished.
func (c *core) breakDown(why error) []*batch {
	if c.broken == nil {
		c.broken = fmt.Errorf("%w: %w", ErrInit, why)
	}
	dropped := c.drop()
	for _, b := range dropped {
		c.giveUp(b, c.broken)
	}
	c.most = 0
	for _, ref := range c.at { // those that are through finish what they have
		if o := ref.Load(); o != nil && o.ready {
			c.unlist(o) // nothing is taken from others for it
			o.dismiss()
		}
	}
	c.collected.Broadcast()
	return dropped
}

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
