package manager

import "sync"

// Operations of a lock. A Condition has them too, for its lock.
const (
	lockAcquire op = iota + 1 // holder; returns when it has the lock
	lockTry                   // holder
	lockRelease               // holder
	lockState                 // returns the levels, and the process that holds them
	lockCount                 // holder; returns the levels that it holds
	lockOps
)

var (
	lockKind  = kind("Lock", func(*request, *node) (object, error) { return &lockObject{}, nil })
	rlockKind = kind("RLock", func(*request, *node) (object, error) { return &lockObject{recursive: true}, nil })
)

// lockObject is the object of a Lock or an RLock, and with it of all conditions over it:
// their waiters go from their lines into its line and back, so one mutex guards them all.
//
// A session is involved once for each waiter in a line, and once if it holds the lock.
type lockObject struct {
	recursive bool

	mu     sync.Mutex
	levels int         // 0: free
	by     holding     // if it is not free
	told   *condObject // has notified the holder, which has not given the lock up since
	line   []*lockWaiter
	conds  []*condObject
}

// holding is who holds a lock: of a process, the holder with that number.
type holding struct {
	sess   *session
	holder uint64
}

// lockWaiter waits for the lock, or to be notified and then for the lock.
type lockWaiter struct {
	*parked
	by     holding
	levels int         // that it gets
	reply  writer      // what it hears then
	told   *condObject // has notified it
	ticket uint64      // by which it can be interrupted, in its session; 0: it cannot
}

func (l *lockObject) serve(x *request) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.operate(x)
}

func (l *lockObject) operate(x *request) error {
	by := holding{sess: x.sess}
	if x.op != lockState {
		by.holder = x.number()
	}
	if err := x.args(); err != nil {
		return err
	}
	switch x.op {
	case lockAcquire, lockTry:
		return l.acquire(x, by)
	case lockRelease:
		if l.levels == 0 || l.recursive && l.by != by {
			return ErrNotHeld
		}
		if l.levels--; l.levels == 0 {
			l.free()
		}
		return nil
	case lockState:
		x.out.number(uint64(l.levels))
		pid := 0
		if l.levels > 0 {
			pid = l.by.sess.pid
		}
		x.out.number(uint64(pid))
		return nil
	case lockCount:
		n := 0
		if l.by == by {
			n = l.levels
		}
		x.out.number(uint64(n))
		return nil
	}
	return x.unknown()
}

func (l *lockObject) acquire(x *request, by holding) error {
	w := &lockWaiter{by: by, levels: 1}
	if x.op == lockTry && !l.isFor(w) {
		return ErrLocked
	}
	w.parked = x.park(func(*parked) { l.withdraw(w) })
	l.queue(w)
	return nil
}

// isFor says whether w can have the lock now. If it is free nobody is in the line.
func (l *lockObject) isFor(w *lockWaiter) bool {
	return l.levels == 0 || l.recursive && l.by == w.by
}

// queue has w wait for the lock, or get it.
func (l *lockObject) queue(w *lockWaiter) {
	w.by.sess.involve(l)
	if l.isFor(w) {
		l.grant(w)
	} else {
		l.line = append(l.line, w)
	}
}

// grant gives the lock to w, which is in no line any more, if its client still waits.
func (l *lockObject) grant(w *lockWaiter) {
	if !w.send(w.reply) {
		w.by.sess.release(l)
		l.tell(w.told)
		return
	}
	if l.levels > 0 {
		w.by.sess.release(l) // it is involved as the holder
	}
	l.by, l.told = w.by, w.told
	l.levels += w.levels
}

// free ends the last level, and lets the next have the lock.
func (l *lockObject) free() {
	l.by.sess.release(l)
	l.levels, l.by, l.told = 0, holding{}, nil
	l.pass()
}

func (l *lockObject) pass() {
	for len(l.line) > 0 && l.isFor(l.line[0]) {
		w := l.line[0]
		l.line = l.line[1:]
		l.grant(w)
	}
}

// tell gives a notification to another waiter, which the one could not use that had it.
func (l *lockObject) tell(c *condObject) {
	if c != nil {
		c.notify(1)
	}
}

// withdraw is told of a waiter that its client has given up.
func (l *lockObject) withdraw(w *lockWaiter) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.drop(w, ErrGone)
}

// drop takes w out of the line it is in; it hears of err, if it hears at all.
func (l *lockObject) drop(w *lockWaiter, err error) {
	in := leaveLine(&l.line, w)
	for _, c := range l.conds {
		in = in || leaveLine(&c.line, w)
	}
	if !in {
		return
	}
	w.fail(err)
	w.by.sess.release(l)
	l.tell(w.told)
}

func (l *lockObject) left(s *session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, w := range l.waiters() {
		if w.by.sess == s {
			l.drop(w, ErrManagerGone)
		}
	}
	if l.levels > 0 && l.by.sess == s {
		told := l.told
		l.free()
		l.tell(told)
	}
}

// waiters returns all that wait, first those that were notified: what those pass on goes
// to another one.
func (l *lockObject) waiters() []*lockWaiter {
	all := append([]*lockWaiter(nil), l.line...)
	for _, c := range l.conds {
		all = append(all, c.line...)
	}
	return all
}

func (l *lockObject) died() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, w := range l.line {
		w.fail(ErrGone)
		w.by.sess.release(l)
	}
	l.line = nil
	if l.levels > 0 {
		l.by.sess.release(l)
	}
}
