package pool

import (
	"fmt"
)

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
