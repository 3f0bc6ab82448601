package pool

import (
	"slices"
	"time"
)

// recall takes a batch that its worker has not begun back from it. The worker still has
// to skip it, so its place stays taken, by a ghost.
func (c *core) recall(w *worker, b *batch) bool {
	if !w.desk.revoke(b.seq) {
		return false
	}
	c.ghost(w, b)
	return true
}

// ghost leaves the place of b, which was revoked, to a ghost.
func (c *core) ghost(w *worker, b *batch) {
	c.refund(w, b)
	w.flight[b.seq%places].Store(&batch{seq: b.seq, room: b.room, where: over})
	c.weigh(w, -1)
}

// steal puts batches that wait behind others back into the queue, if there are workers
// that have nothing to do.
func (c *core) steal() bool {
	if len(c.idle) == 0 || c.spare == 0 || c.terminated {
		return false
	}
	if c.pace < wakeCost && !c.patient { // they are done sooner where they are
		if !c.looking {
			c.lookAgain()
		}
		return false
	}
	var rich *worker
	for _, ref := range c.at {
		if w := ref.Load(); w != nil && w.batches > 1 && (rich == nil || w.batches > rich.batches) {
			rich = w
		}
	}
	if rich == nil {
		return false
	}
	var stolen []*batch // the oldest that have not begun
	most := rich.batches / 2
	for b := range rich.has {
		if len(stolen) == most {
			break
		}
		if rich.movable(b) && c.recall(rich, b) {
			stolen = append(stolen, b)
		}
	}
	for _, b := range slices.Backward(stolen) {
		c.again(b)
	}
	return len(stolen) > 0
}

// lookAgain looks a moment later whether batches wait behind others in vain, because they
// take longer than those before; and again and again while some wait, ever less often,
// until others come to wait.
func (c *core) lookAgain() {
	switch {
	case c.look == nil:
		c.look = time.AfterFunc(aMoment, c.looks)
	case !c.looking, c.pause > aMoment:
		c.look.Reset(aMoment)
	}
	c.looking, c.pause = true, aMoment
}

func (c *core) looks() {
	c.mu.Lock()
	c.looking = c.spare > 0
	if c.looking {
		if len(c.idle) == 0 && c.live < c.most && len(c.coming) == 0 {
			c.hire()
		}
		c.pause = min(2*c.pause, aWhile)
		c.look.Reset(c.pause)
		c.patient = true // it has waited
		c.pump()
		c.patient = false
	}
	c.unlock()
}

const aMoment = 200 * time.Microsecond

// overlook looks from time to time, while batches are under way or workers are coming,
// whether some lie at workers that do not begin them, such as one that is stopped, while
// others have nothing to do; and whether workers are late. Moving a batch that has not begun
// is always right, and so is starting a worker, so nothing is concluded from time.
func (c *core) overlook() {
	if c.overlooking {
		return
	}
	c.overlooking = true
	time.AfterFunc(aWhile, func() {
		c.mu.Lock()
		c.overlooking = false
		c.noteLate()
		for _, ref := range c.at {
			w := ref.Load()
			switch {
			case w == nil, w.batches == 0, c.terminated:
			case len(c.idle) > 0:
				c.relieve(w)
			case c.live < c.most && len(c.coming) == 0 && c.overdue(w):
				c.hire()
			}
		}
		c.pump()
		if c.expected > 0 || len(c.coming) > 0 {
			c.overlook()
		}
		c.unlock()
	})
}

const aWhile = 20 * time.Millisecond

// overdue says whether the worker has not begun the first of its batches since overlook
// came last: it may be stopped.
func (c *core) overdue(w *worker) bool {
	for b := range w.has {
		if !w.movable(b) {
			continue
		}
		if _, began := w.desk.running(b.seq); began {
			return false
		}
		late := b.seen == b.seq
		b.seen = b.seq
		return late
	}
	return false
}

// relieve takes back what the worker had and had not begun when overlook came last.
func (c *core) relieve(w *worker) {
	var back []*batch
	for b := range w.has {
		switch {
		case !w.movable(b):
		case b.seen != b.seq:
			b.seen = b.seq
		case c.recall(w, b):
			back = append(back, b)
		}
	}
	for _, b := range slices.Backward(back) {
		c.again(b)
	}
}
