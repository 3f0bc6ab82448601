package pool

import (
	"context"
	"errors"
	"time"

	"github.com/shmkit/shmkit/ringbuf"
)

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

// refund is for a batch that does not count for the worker's MaxTasks.
func (c *core) refund(w *worker, b *batch) {
	if c.opts.MaxTasks > 0 {
		w.quota += b.until - b.next
	}
}
