package ringbuf

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/shmkit/shmkit/internal/mem"
)

// callContext is what a handler gets. It ends when the caller gives up or dies, when
// Serve's context ends, or when the handler has returned. A worker uses it for one
// call after another, as long as no handler has asked for its channel: so a call
// costs no allocation.
type callContext struct {
	parent context.Context
	turn   mem.Uint64    // private: which call it is for, see callWorker.turn; 0 for none
	ended  atomic.Uint64 // the turn that has ended before its handler returned

	mu     sync.Mutex
	done   chan struct{} // nil until somebody asks for it
	closed bool
	worn   atomic.Bool // done was made
}

// Deadline is Serve's context's. The caller's does not travel.
func (c *callContext) Deadline() (time.Time, bool) { return c.parent.Deadline() }

// Value is Serve's context's.
func (c *callContext) Value(key any) any { return c.parent.Value(key) }

// Err says whether the context has ended.
func (c *callContext) Err() error {
	if err := c.parent.Err(); err != nil {
		return err
	}
	if turn := c.turn.Load(); turn == 0 || c.ended.Load() == turn {
		return context.Canceled
	}
	return nil
}

// Done returns a channel that is closed when the context ends.
func (c *callContext) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done == nil {
		c.done = make(chan struct{})
		c.worn.Store(true)
		if c.Err() != nil {
			c.close()
		}
	}
	return c.done
}

func (c *callContext) close() {
	if c.done != nil && !c.closed {
		close(c.done)
		c.closed = true
	}
}

// cancel ends the call of a turn, if it is still under way.
func (c *callContext) cancel(turn uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if turn != 0 && c.turn.Load() == turn {
		c.ended.Store(turn)
		c.close()
	}
}

// finish ends the context for good, when its handler has returned.
func (c *callContext) finish() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.turn.Store(0)
	c.close()
}
