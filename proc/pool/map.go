package pool

import (
	"context"
	"errors"
	"iter"
	"slices"
)

// Map has the workers run the task with each of the inputs and returns the results, in
// the order of the inputs. o may be nil. For a slice there is MapSlice.
//
// All inputs are tried, whatever becomes of others (but see MapOptions.StopOnError). The
// error is an *ItemError for the first input, in their order, whose task failed: its result
// is the zero value, and the others are in their places. When ctx ends, Map returns at
// once, with its error and what is there by then; tasks that run find their contexts
// cancelled. If the pool is closed meanwhile, what was submitted is done, and the error
// is ErrClosed. An input that panics makes Map panic, and the pool goes on.
func (t *Task[A, R]) Map(ctx context.Context, p *Pool, inputs iter.Seq[A], o *MapOptions) ([]R, error) {
	m, err := newMapping(ctx, t, p, o)
	if err != nil {
		return nil, err
	}
	defer func() { m.abandon(ErrCancelled) }() // whatever happens, nothing is left behind
	c := newCollection(m, 0)
	for a := range inputs {
		sent, ok := m.add(a)
		if !ok || sent && !c.gather(m.full) {
			break
		}
	}
	return c.result()
}

// MapSlice is Map for the inputs in a slice, which must not change meanwhile: those without
// pointers are copied from there into shared memory, many at once. MapOptions.Total is its
// length.
func (t *Task[A, R]) MapSlice(ctx context.Context, p *Pool, inputs []A, o *MapOptions) ([]R, error) {
	m, err := newMapping(ctx, t, p, o)
	if err != nil {
		return nil, err
	}
	defer func() { m.abandon(ErrCancelled) }()
	m.opts.Total = len(inputs)
	c := newCollection(m, len(inputs))
	for len(inputs) > 0 {
		n, ok := m.addSome(inputs)
		inputs = inputs[n:]
		if !ok || !c.gather(m.full) {
			break
		}
	}
	return c.result()
}

// collection is what a Map has got.
type collection[A, R any] struct {
	*mapping[A, R]
	results []R
	first   *ItemError // of the first input whose task failed
	input   error
	stopped error // ctx's error
}

func newCollection[A, R any](m *mapping[A, R], n int) *collection[A, R] {
	m.patient = m.opts.Progress == nil && !m.opts.StopOnError
	return &collection[A, R]{mapping: m, results: make([]R, 0, n)}
}

// gather takes what is over, and waits for more while enough is not reached. False says
// that there is no point in going on.
func (c *collection[A, R]) gather(more func() bool) bool {
	for {
		for _, l := range c.take() {
			c.put(l)
			c.reuse(l)
		}
		if c.first != nil && c.opts.StopOnError {
			return false
		}
		if !more() {
			return true
		}
		if c.stopped = c.wait(); c.stopped != nil {
			return false
		}
	}
}

// put puts the results of a lot where they belong.
func (c *collection[A, R]) put(l *lot[A, R]) {
	if end := l.first + l.n; end > len(c.results) {
		c.results = slices.Grow(c.results, end-len(c.results))[:end]
	}
	copy(c.results[l.first:], l.out)
	for i, err := range l.errs {
		if index := l.first + i; c.first == nil || index < c.first.Index {
			c.first = &ItemError{index, err}
		}
	}
}

// result waits for what is left.
func (c *collection[A, R]) result() ([]R, error) {
	c.input = c.inputErr()
	c.submitOpen()
	c.gather(c.left)
	c.report(true)
	switch {
	case c.stopped != nil:
		return c.results, c.stopped
	case c.first != nil && !errors.Is(c.first.Err, ErrTerminated):
		return c.results, c.first
	case c.failure() != nil:
		return c.results, c.failure()
	case c.first != nil:
		return c.results, c.first
	}
	return c.results, c.input
}
