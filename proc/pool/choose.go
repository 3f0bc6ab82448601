package pool

import (
	"slices"
	"time"
)

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
