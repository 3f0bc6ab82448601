package pool

import (
	"context"
	"fmt"
	"time"

	"github.com/shmkit/shmkit/proc"
)

// lot is a batch with its arguments and results. They are kept until it is over.
type lot[A, R any] struct {
	batch
	task     *Task[A, R]
	first    int // number of the first task, among all of a Map
	bytes    int
	most     int  // tasks, if their arguments have one length
	borrowed bool // args are the caller's
	args     []A
	out      []R
	errs     map[int]error
	then     func(*lot[A, R])
	speed    *sizer // may be nil
	core     *core  // that it was submitted to
	kept     []kept // results to be read when it is over
	failed   int    // tasks that had failed before

	before, after *lot[A, R] // of the same Map
}

// init makes l an empty lot.
func (l *lot[A, R]) init(t *Task[A, R], then func(*lot[A, R])) {
	l.name, l.stride, l.load, l.timeout, l.retries = t.name, t.args.stride(), l, t.limits.Timeout, t.limits.Retries
	l.task, l.then = t, then
}

// add adds a task. If alone is true it must be the only one, and nothing was added if
// there are others. An error says that the argument cannot travel, or is larger than limit.
func (l *lot[A, R]) add(a A, limit int) (alone bool, err error) {
	if l.stride >= 0 {
		l.args = append(l.args, a)
		l.n++
		return false, nil
	}
	part, cargo, err := l.task.args.encode(&a)
	switch {
	case err != nil:
		return false, fmt.Errorf("%w: %w", ErrArgument, err)
	case len(part) > limit:
		return false, tooLarge(len(part), limit)
	case cargo && l.n > 0:
		return true, nil
	case cargo:
		l.cargo = a
	default:
		l.parts = append(l.parts, part)
		l.bytes += 8 + len(part)
	}
	l.n++
	return cargo, nil
}

// submit gives the lot to the pool.
func (l *lot[A, R]) submit(c *core) error {
	if l.stride >= 0 {
		l.flat = bytesIn(&l.args, l.stride)
	}
	if cap(l.out) < l.n {
		l.out = make([]R, l.n)
	}
	l.out = l.out[:l.n]
	l.core = c
	return c.submit(&l.batch)
}

// value implements load.
func (l *lot[A, R]) value(i int, body []byte, side *proc.Conn) error {
	if side != nil {
		return side.Recv(context.Background(), &l.out[i])
	}
	if l.task.result.carries { // which it may do with the help of its own methods
		l.keep(i, body)
		return nil
	}
	return l.task.result.decode(body, &l.out[i])
}

// run implements load.
func (l *lot[A, R]) run(i, n int, bodies []byte) bool {
	f := &l.task.result
	if f.tray() == 0 || n < 1 || i+n > len(l.out) || len(bodies) != n*f.size {
		return false
	}
	copy(bytesIn(&l.out, f.size)[i*f.size:], bodies)
	return true
}

// width implements load.
func (l *lot[A, R]) width() int { return l.task.result.size }

// fail implements load.
func (l *lot[A, R]) fail(i int, err error) {
	if l.errs == nil {
		l.errs = make(map[int]error)
	}
	if i < len(l.out) {
		l.out[i] = *new(R) // which may be half set
	}
	l.errs[i] = err
}

// finish implements load.
func (l *lot[A, R]) finish(*batch) {
	l.flat, l.parts, l.cargo = nil, nil, nil
	if l.stride < 0 {
		l.args = nil
	}
	if l.late {
		l.failed = len(l.errs)
		l.core.hold()
		go l.read()
		return
	}
	l.then(l)
}

// took implements load.
func (l *lot[A, R]) took(n int, d time.Duration) { l.speed.took(n, d) }
