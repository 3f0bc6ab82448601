package manager

import (
	"fmt"
	"math"
	"slices"
	"sync"
)

// Operations of a semaphore.
const (
	semAcquire op = iota + 1 // returns when it has a permit
	semTry
	semRelease
	semValue // returns a number
)

var (
	semKind        = kind("Semaphore", newSemObject(false))
	boundedSemKind = kind("BoundedSemaphore", newSemObject(true))
)

// semObject is the object of a Semaphore or a BoundedSemaphore. A session is involved once
// while it waits, for each wait, and once for each permit. In a bounded one, the value and
// what all hold are always as many as there were in the beginning.
type semObject struct {
	bounded bool

	mu    sync.Mutex
	value int
	held  []permits // whoever has had some for longest is first
	line  []*semWaiter
}

type permits struct {
	sess *session
	n    int
}

type semWaiter struct {
	*parked
	sess *session
}

// newSemObject has one argument: the value.
func newSemObject(bounded bool) func(x *request, n *node) (object, error) {
	return func(x *request, _ *node) (object, error) {
		value := x.number()
		if value > math.MaxInt32 {
			return nil, fmt.Errorf("%w: semaphore of %d", ErrOption, int64(value))
		}
		return &semObject{bounded: bounded, value: int(value)}, nil
	}
}

func (o *semObject) serve(x *request) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := x.args(); err != nil {
		return err
	}
	switch x.op {
	case semAcquire, semTry:
		if x.op == semTry && o.value == 0 {
			return ErrLocked
		}
		w := &semWaiter{sess: x.sess}
		w.parked = x.park(func(*parked) { o.withdraw(w) })
		x.sess.involve(o)
		o.line = append(o.line, w)
		o.pass()
		return nil
	case semRelease:
		return o.release(x.sess)
	case semValue:
		x.out.number(uint64(o.value))
		return nil
	}
	return x.unknown()
}

// pass gives permits to those who wait.
func (o *semObject) pass() {
	for len(o.line) > 0 && o.value > 0 {
		w := o.line[0]
		o.line = o.line[1:]
		if !w.ok() {
			w.sess.release(o)
			continue
		}
		o.value--
		if i := o.of(w.sess); i >= 0 {
			o.held[i].n++
		} else {
			o.held = append(o.held, permits{w.sess, 1})
		}
	}
}

func (o *semObject) of(s *session) int {
	return slices.IndexFunc(o.held, func(p permits) bool { return p.sess == s })
}

// release takes a permit from s; if it has none, from whoever has had some for longest; if
// nobody has any it makes one.
func (o *semObject) release(s *session) error {
	i := max(o.of(s), 0)
	switch {
	case i < len(o.held):
		o.held[i].sess.release(o)
		if o.held[i].n--; o.held[i].n == 0 {
			o.held = slices.Delete(o.held, i, i+1)
		}
	case o.bounded:
		return ErrNotHeld
	case o.value >= math.MaxInt32:
		return fmt.Errorf("%w: semaphore of more than %d", ErrOption, math.MaxInt32)
	}
	o.value++
	o.pass()
	return nil
}

func (o *semObject) withdraw(w *semWaiter) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.drop(w, ErrGone)
}

func (o *semObject) drop(w *semWaiter, err error) {
	if leaveLine(&o.line, w) {
		w.fail(err)
		w.sess.release(o)
	}
}

func (o *semObject) left(s *session) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, w := range slices.Clone(o.line) {
		if w.sess == s {
			o.drop(w, ErrManagerGone)
		}
	}
	if i := o.of(s); i >= 0 {
		o.value += o.held[i].n
		o.held = slices.Delete(o.held, i, i+1)
		o.pass()
	}
}

func (o *semObject) died() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, w := range slices.Clone(o.line) {
		o.drop(w, ErrGone)
	}
	for _, p := range o.held {
		for range p.n {
			p.sess.release(o)
		}
	}
	o.held = nil
}
