package manager

import (
	"fmt"
	"math"
	"slices"
)

// Operations of a condition, besides those of its lock.
const (
	condWait      = lockOps + iota // object of the lock, holder, ticket; returns whether it was interrupted
	condInterrupt                  // ticket; returns whether it is known
	condNotify                     // number
)

var condKind = kind("Condition", newCondObject)

// condObject is the object of a Condition. Everything in it is guarded by the lock's mutex.
//
// A waiter is in the condition's line until it is notified or interrupted, then in the
// lock's; with the lock it gets its reply. A client never gives up a wait by itself, since
// it could not know whether it holds the lock: it has the manager interrupt it, by the
// ticket that it chose. So only waiters that die are withdrawn. If one was notified, also
// if it got the lock with that and has not released it, another one is notified instead.
type condObject struct {
	lock *lockObject
	id   uint64 // the condition's
	over uint64 // the lock's; 0: it is the condition's own
	line []*lockWaiter
}

// newCondObject has one argument: the lock, 0 for one of its own.
func newCondObject(x *request, n *node) (object, error) {
	c := &condObject{id: n.id, over: x.number()}
	if c.over == 0 {
		c.lock = &lockObject{recursive: true}
	} else {
		if err := x.server.graph.take(&n.owner, []uint64{c.over}); err != nil {
			return nil, err
		}
		_, over := x.server.graph.find(c.over)
		ok := false
		if c.lock, ok = over.(*lockObject); !ok {
			return nil, fmt.Errorf("%w: a condition needs a lock", ErrKind)
		}
	}
	c.lock.mu.Lock()
	defer c.lock.mu.Unlock()
	c.lock.conds = append(c.lock.conds, c)
	return c, nil
}

func (c *condObject) serve(x *request) error {
	c.lock.mu.Lock()
	defer c.lock.mu.Unlock()
	switch x.op {
	case condWait:
		return c.wait(x)
	case condInterrupt:
		ticket := x.number()
		if err := x.args(); err != nil {
			return err
		}
		x.out.flag(c.interrupt(x.sess, ticket))
		return nil
	case condNotify:
		n := x.number()
		if err := x.args(); err != nil {
			return err
		}
		if c.lock.levels == 0 || c.lock.by.sess != x.sess {
			return ErrNotHeld
		}
		c.notify(int(min(n, math.MaxInt)))
		return nil
	}
	return c.lock.operate(x)
}

func (c *condObject) wait(x *request) error {
	l, over := c.lock, x.number()
	by := holding{x.sess, x.number()}
	ticket := x.number()
	if err := x.args(); err != nil {
		return err
	}
	if over != c.id && (over != c.over || over == 0) {
		return fmt.Errorf("%w: it is a condition over another lock", ErrNotHeld)
	}
	if l.levels == 0 || l.by != by {
		return ErrNotHeld
	}
	w := &lockWaiter{by: by, levels: l.levels, ticket: ticket}
	w.reply.flag(false)
	w.parked = x.park(func(*parked) { l.withdraw(w) })
	x.sess.involve(l)
	c.line = append(c.line, w)
	l.free()
	return nil
}

// notify has the n who have waited longest go on.
func (c *condObject) notify(n int) {
	for ; n > 0 && len(c.line) > 0; n-- {
		w := c.line[0]
		c.line = c.line[1:]
		w.told = c
		c.resume(w)
	}
}

// interrupt has a waiter go on without a notification, and says whether it is known.
func (c *condObject) interrupt(s *session, ticket uint64) bool {
	is := func(w *lockWaiter) bool { return w.by.sess == s && w.ticket == ticket }
	if i := slices.IndexFunc(c.line, is); i >= 0 {
		w := c.line[i]
		c.line = slices.Delete(c.line, i, i+1)
		w.reply = writer{}
		w.reply.flag(true)
		c.resume(w)
		return true
	}
	return slices.ContainsFunc(c.lock.line, is)
}

// resume has a waiter wait for the lock.
func (c *condObject) resume(w *lockWaiter) {
	c.lock.queue(w)
	w.by.sess.release(c.lock) // it was involved here
}

func (c *condObject) left(*session) {} // the lock is told

func (c *condObject) died() {
	c.lock.mu.Lock()
	for _, w := range c.line {
		w.fail(ErrGone)
		w.by.sess.release(c.lock)
	}
	c.line = nil
	leaveLine(&c.lock.conds, c)
	c.lock.mu.Unlock()
	if c.over == 0 {
		c.lock.died()
	}
}
