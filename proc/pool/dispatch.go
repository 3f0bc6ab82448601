package pool

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/shmkit/shmkit/ringbuf"
)

// submit takes a batch over. An error means that it was not taken.
func (c *core) submit(b *batch) error {
	if b.stride > c.opts.MaxMessage {
		return tooLarge(b.stride, c.opts.MaxMessage)
	}
	c.mu.Lock()
	defer c.unlock()
	switch {
	case c.broken != nil:
		return c.broken
	case c.terminated, c.closed:
		return ErrClosed
	}
	c.most = c.size // a start that failed may succeed now
	c.stats.Submitted += b.n
	c.queue = append(c.queue, b)
	c.pending++
	c.waiting += b.n
	c.pump()
	return nil
}

// tooLarge is the error for an argument of n bytes.
func tooLarge(n, limit int) error {
	return fmt.Errorf("%w: %w: %d bytes of at most %d", ErrArgument, ringbuf.ErrTooLarge, n, limit)
}

// front returns the first batch of the queue, nil if there is none.
func (c *core) front() *batch {
	for {
		q := c.next()
		if q == nil {
			return nil
		}
		if b := *q; b.where == queued {
			return b
		}
		c.pop() // it was cancelled
	}
}

// next returns where the first batch of the queue is, of which it is nil if it is empty:
// the last one that came back, or the first one that is new.
func (c *core) next() **batch {
	switch {
	case len(c.back) > 0:
		return &c.back[len(c.back)-1]
	case len(c.queue) > 0:
		return &c.queue[0]
	}
	return nil
}

// pop takes it out.
func (c *core) pop() {
	*c.next() = nil
	if n := len(c.back); n > 0 {
		c.back = c.back[:n-1]
	} else {
		c.queue = c.queue[1:]
	}
}

// again puts a batch that was under way back, in front of all others.
func (c *core) again(b *batch) {
	b.where, b.w = queued, nil
	c.back = append(c.back, b)
	c.pending++
	c.waiting += b.n - b.next
}

// withdraw takes a batch that is cancelled out of the queue. It is still there, until it
// comes to the front, or until there are more like it than others.
func (c *core) withdraw(b *batch) {
	b.where = over
	c.pending--
	c.waiting -= b.n - b.next
	if len(c.queue)+len(c.back) > 2*c.pending+leastSweep {
		gone := func(b *batch) bool { return b.where != queued }
		c.queue, c.back = slices.DeleteFunc(c.queue, gone), slices.DeleteFunc(c.back, gone)
	}
}

// leastSweep is how many cancelled batches may lie in the queue in any case.
const leastSweep = 64

// pump gives the batches in the queue to workers, and starts these.
func (c *core) pump() {
	for {
		b := c.front()
		if b == nil && !c.steal() {
			break
		}
		if b == nil {
			continue
		}
		w := c.pick(b)
		if w == nil {
			break
		}
		c.pop()
		c.pending--
		c.waiting -= b.n - b.next
		c.assign(w, b)
	}
	if c.closed && c.pending == 0 && c.under == 0 {
		for _, w := range c.idle {
			w.listed = false
			w.dismiss()
		}
		c.idle = nil
	}
}

// pick finds a worker for b: an idle one, the one that was busy last, before all others.
//
// But if batches take less than it takes to wake a sleeping worker, one that is awake and
// has not too many gets it.
func (c *core) pick(b *batch) *worker {
	if c.pace < wakeCost && len(c.roomy) > 0 && !c.patient {
		if w := c.roomy[0]; w.flights < crowd && w.takes(b) {
			c.lookAgain()
			return w
		}
	}
	for n := len(c.idle); n > 0; n-- {
		w := c.idle[n-1]
		c.idle[n-1] = nil
		c.idle = c.idle[:n-1]
		w.listed = false
		if w.takes(b) {
			return w
		}
	}
	for c.live < c.most && len(c.coming) < c.pending {
		c.hire()
	}
	for range len(c.roomy) {
		w := c.roomy[0]
		c.roomy[0] = nil
		c.roomy = c.roomy[1:]
		w.listed = false
		if w.takes(b) {
			return w
		}
		if w.takes(nil) {
			c.list(w) // others may fit
		}
	}
	return nil
}

// wakeCost is what it takes to wake a process, and crowd how many batches that are shorter
// may wait for one that is awake.
const (
	wakeCost = 10 * time.Microsecond
	crowd    = places * 3 / 4
)

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

// list puts a worker where pick finds it.
func (c *core) list(w *worker) {
	if w.listed || !w.takes(nil) {
		return
	}
	w.listed = true
	if w.flights == 0 {
		c.idle = append(c.idle, w)
	} else {
		c.roomy = append(c.roomy, w)
	}
}

// relist is list for a worker that has become idle.
func (c *core) relist(w *worker) {
	if w.flights == 0 {
		c.unlist(w)
	}
	c.list(w)
}

// unlist is the opposite of list.
func (c *core) unlist(w *worker) {
	if w.listed {
		same := func(o *worker) bool { return o == w }
		c.idle, c.roomy = slices.DeleteFunc(c.idle, same), slices.DeleteFunc(c.roomy, same)
		w.listed = false
	}
}

// assign makes b the worker's.
func (c *core) assign(w *worker, b *batch) {
	n := b.n - b.next
	if c.opts.MaxTasks > 0 {
		n = min(n, w.quota)
		w.quota -= n
	}
	w.seq++
	b.began, b.until, b.where, b.w, b.seq = b.next, b.next+n, underWay, w, w.seq
	size := b.size(b.next, b.until)
	b.room = recordSize(size)
	if w.flights == 0 {
		w.lastEnd = time.Now()
	}
	c.fly(w)
	c.overlook()
	w.bytes += b.room
	w.desk.offer(b.seq)
	w.flight[b.seq%places].Store(b)
	if c.heavy(b, size) {
		w.alone, b.heavy = true, true
		w.senders.Add(1)
		go c.sendHeavy(w, b, b.seq, size)
		return
	}
	// An error means that the worker has gone: who buries it finds the batch.
	if room, err := w.requests.Reserve(context.Background(), size); err == nil {
		b.put(room)
		w.sent.ReleaseMerge()
		_ = w.requests.Commit(size)
	}
	c.list(w)
}

// fly counts a batch in.
func (c *core) fly(w *worker) {
	w.flights++
	c.expected++
	c.weigh(w, 1)
	c.await()
}

// weigh counts the batches of a worker.
func (c *core) weigh(w *worker, n int) {
	c.spare -= max(w.batches-1, 0)
	w.batches += n
	c.under += n
	c.spare += max(w.batches-1, 0)
}

// heavy says whether a message goes to a worker that has no other, and is copied while
// the pool goes on.
func (c *core) heavy(b *batch, size int) bool { return b.cargo != nil || size > c.ring/4 }

// sendHeavy sends what is heavy. Nobody takes the batch back meanwhile.
func (c *core) sendHeavy(w *worker, b *batch, seq uint64, size int) {
	defer w.senders.Done() // until then the worker has not ended for the pool
	err := w.sendHeavy(b, size)
	c.mu.Lock()
	w.alone = false
	if w.leaving { // dismiss has left this to who uses the ring
		_ = w.requests.CloseSend()
	}
	gone := errors.Is(err, ringbuf.ErrNoConsumer) || errors.Is(err, ringbuf.ErrPeerDied) || errors.Is(err, ringbuf.ErrClosed)
	failed := err != nil && !gone && b.where == underWay && b.seq == seq && w.desk.revoke(seq)
	if failed { // the worker has never heard of it
		c.refund(w, b)
		c.land(w, b)
		b.where = over
		c.stats.Done += b.n - b.next
		c.stats.Failed += b.n - b.next
	}
	unwanted := b.unwanted
	c.relist(w)
	c.pump()
	c.unlock()
	switch {
	case failed:
		b.failRest(err)
		b.load.finish(b)
	case unwanted != nil:
		c.cancel(b, unwanted)
	}
}

// land takes b from its place at the worker.
func (c *core) land(w *worker, b *batch) {
	w.flight[b.seq%places].Store(nil)
	w.bytes -= b.room
	w.flights--
	c.expected--
	if b.load != nil {
		c.weigh(w, -1)
	}
}

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

// refund is for a batch that does not count for the worker's MaxTasks.
func (c *core) refund(w *worker, b *batch) {
	if c.opts.MaxTasks > 0 {
		w.quota += b.until - b.next
	}
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

// cancel takes b back if no worker has begun it: then it ends with err, and the answer is
// true. Otherwise its worker is told.
func (c *core) cancel(b *batch, err error) bool {
	c.mu.Lock()
	w, seq := b.w, b.seq
	switch {
	case b.where == over:
		cancelled := b.cancelled
		c.mu.Unlock()
		return cancelled
	case b.where == queued:
		c.withdraw(b)
	case w.alone && w.seq == seq: // its arguments are being read: sendHeavy comes back to it
		b.unwanted = err
		c.mu.Unlock()
		return false
	case b.told == seq: // more would only fill the pipe of a worker that is stopped
		c.mu.Unlock()
		return false
	case !c.recall(w, b):
		b.unwanted, b.told = err, seq
		w.tell.Go(func() { writeCancel(w.control, seq) })
		c.mu.Unlock()
		return false
	}
	// What went to a worker before, and comes back from it, has begun.
	b.where, b.cancelled = over, b.next == 0 && b.tries == 0
	cancelled := b.cancelled
	c.giveUp(b, err)
	c.finishing++
	c.pump()
	c.mu.Unlock()
	c.finishAll([]*batch{b})
	return cancelled
}

// began says whether a worker has begun b.
func (c *core) began(b *batch) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if b.where != underWay {
		return b.reading
	}
	_, ok := b.w.desk.running(b.seq)
	return ok
}
