package pool

import (
	"fmt"
	"slices"

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
