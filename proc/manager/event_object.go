package manager

import (
	"slices"
	"sync"
)

// Operations of an event.
const (
	eventSet op = iota + 1
	eventClear
	eventIsSet // returns a flag
	eventWait  // returns when it is set
)

var eventKind = kind("Event", func(*request, *node) (object, error) { return &eventObject{}, nil })

// eventObject is the object of an Event. A session is involved once for each wait.
type eventObject struct {
	mu   sync.Mutex
	set  bool
	line []*eventWaiter
}

type eventWaiter struct {
	*parked
	sess *session
}

func (e *eventObject) serve(x *request) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := x.args(); err != nil {
		return err
	}
	switch x.op {
	case eventSet:
		e.set = true
		for _, w := range e.line {
			w.ok()
			w.sess.release(e)
		}
		e.line = nil
		return nil
	case eventClear:
		e.set = false
		return nil
	case eventIsSet:
		x.out.flag(e.set)
		return nil
	case eventWait:
		if !e.set {
			w := &eventWaiter{sess: x.sess}
			w.parked = x.park(func(*parked) { e.withdraw(w) })
			x.sess.involve(e)
			e.line = append(e.line, w)
		}
		return nil
	}
	return x.unknown()
}

func (e *eventObject) withdraw(w *eventWaiter) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.drop(w, ErrGone)
}

func (e *eventObject) drop(w *eventWaiter, err error) {
	if leaveLine(&e.line, w) {
		w.fail(err)
		w.sess.release(e)
	}
}

func (e *eventObject) left(s *session) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, w := range slices.Clone(e.line) {
		if w.sess == s {
			e.drop(w, ErrManagerGone)
		}
	}
}

func (e *eventObject) died() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, w := range slices.Clone(e.line) {
		e.drop(w, ErrGone)
	}
}
