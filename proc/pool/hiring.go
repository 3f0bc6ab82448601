package pool

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// A worker is coming from hire until it is ready, or has gone. While one is coming for each
// batch in the queue, no other is hired. But it may be stopped, or its initializer may take
// long. Who has been coming for as long as the pool's tolerance is late: it does not count,
// nor does it keep others from starting, so another one is hired if there is still work for
// it. Nothing is concluded from that: who is late takes part when it is there.
//
// The tolerance is twice what the last start took that was not late, within bounds, and
// doubles when somebody is late: one task does not start all workers because their
// initializer is slow, and each worker that stands still costs the next one some time, once.
const (
	leastTolerance = 500 * time.Millisecond
	mostTolerance  = 10 * time.Second
)

// hire starts a worker.
func (c *core) hire() {
	index := c.free[len(c.free)-1]
	c.free = c.free[:len(c.free)-1]
	c.number++
	w := &worker{index: index, number: c.number, desk: &c.board.desks[index], seq: c.seqs[index], ring: c.ring, quota: int(^uint(0) >> 1)}
	if c.opts.MaxTasks > 0 {
		w.quota = c.opts.MaxTasks
	}
	c.live++
	c.coming = append(c.coming, w)
	c.overlook()
	go func() {
		c.starts <- struct{}{}
		c.mu.Lock()
		w.slot, w.since = true, time.Now()
		c.mu.Unlock()
		err := w.launch(c)
		c.launched(w, err)
	}()
}

// came says that w is not coming any more, because it is there, or never will be.
func (c *core) came(w *worker, ready bool) {
	n := len(c.coming)
	c.coming = slices.DeleteFunc(c.coming, func(o *worker) bool { return o == w })
	if ready && len(c.coming) < n {
		c.tolerance = min(max(2*time.Since(w.since), leastTolerance), mostTolerance)
	}
}

// giveSlot lets another one start.
func (c *core) giveSlot(w *worker) {
	if w.slot {
		w.slot = false
		<-c.starts // which holds what w put there
	}
}

// noteLate takes those that are late from those that are coming.
func (c *core) noteLate() {
	n := len(c.coming)
	c.coming = slices.DeleteFunc(c.coming, func(w *worker) bool {
		if w.since.IsZero() || time.Since(w.since) < c.tolerance {
			return false
		}
		c.giveSlot(w)
		return true
	})
	if len(c.coming) < n {
		c.tolerance = min(2*c.tolerance, mostTolerance)
	}
}

// launched says how launch went.
func (c *core) launched(w *worker, err error) {
	c.mu.Lock()
	c.giveSlot(w)
	c.collected.Broadcast()
	if err != nil {
		failed := c.startFailed(err)
		for _, b := range failed {
			c.giveUp(b, fmt.Errorf("%w: %w", ErrStart, err))
		}
		c.mu.Unlock()
		for _, b := range failed {
			b.load.finish(b)
		}
		c.mu.Lock() // until here the pool has not ended
		c.came(w, false)
		c.live--
		c.free = append(c.free, w.index)
		c.pump()
		c.unlock()
		return
	}
	c.stats.Started++
	c.at[w.index].Store(w)
	if c.opts.Init == nil {
		w.ready = true
		c.came(w, true)
		c.list(w)
	} else {
		w.waited = true
		c.expected++
		c.await()
		w.desk.rung.Store(1) // it may have rung before anybody knew it
		c.board.wake()
	}
	kill := c.terminated
	c.pump()
	c.unlock()
	if kill {
		w.process.Kill()
	}
	go func() {
		<-w.process.Done()
		c.lost(w)
	}()
}

// startFailed returns what nobody will do now.
func (c *core) startFailed(err error) []*batch {
	c.stats.lastStart = err
	c.most = max(c.live-1, 1)
	if c.live > 1 {
		return nil // others live, and do it
	}
	return c.drop()
}

// startAll starts all workers, and others in the place of those that are killed meanwhile,
// and waits until all are ready.
func (c *core) startAll() error {
	c.mu.Lock()
	for c.broken == nil && c.stats.lastStart == nil && c.present() < c.size {
		for c.live < c.size {
			c.hire()
		}
		c.await()
		c.collected.Wait()
	}
	err := c.broken
	if c.stats.lastStart != nil {
		err = errors.Join(err, fmt.Errorf("%w: %w", ErrStart, c.stats.lastStart))
	}
	c.mu.Unlock()
	return err
}

// present is how many workers are ready.
func (c *core) present() (n int) {
	for _, ref := range c.at {
		if w := ref.Load(); w != nil && w.ready {
			n++
		}
	}
	return n
}
