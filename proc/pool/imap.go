package pool

import (
	"context"
	"iter"
)

// Imap is Map as a sequence: each result comes as soon as it and all before it are there,
// in the order of the inputs, with the error of its task (as it is, not an *ItemError).
// Inputs are taken as they are needed, a bounded number ahead of the results
// (MapOptions.Window), by the goroutine that takes the results. One task's error does not
// end the sequence.
//
// The sequence ends after the last result; or with one error more: that of ctx, when that
// ends, that of MapOptions.Err, or ErrClosed when the pool was closed. Who leaves it early
// drops what has not begun and cancels the rest. Each time that it is ranged over it
// begins anew, with the inputs anew.
func (t *Task[A, R]) Imap(ctx context.Context, p *Pool, inputs iter.Seq[A], o *MapOptions) iter.Seq2[R, error] {
	return t.imap(ctx, p, inputs, o, true)
}

// ImapUnordered is Imap with the results in the order in which their tasks end.
func (t *Task[A, R]) ImapUnordered(ctx context.Context, p *Pool, inputs iter.Seq[A], o *MapOptions) iter.Seq2[R, error] {
	return t.imap(ctx, p, inputs, o, false)
}

func (t *Task[A, R]) imap(ctx context.Context, p *Pool, inputs iter.Seq[A], o *MapOptions, ordered bool) iter.Seq2[R, error] {
	return func(yield func(R, error) bool) {
		m, err := newMapping(ctx, t, p, o)
		if err != nil {
			yield(*new(R), err)
			return
		}
		next, stop := iter.Pull(inputs)
		defer stop()
		defer func() { m.abandon(ErrCancelled) }()
		s := &stream[A, R]{mapping: m, next: next, ordered: ordered, at: make(map[int]*lot[A, R])}
		if err := s.run(yield); err != nil {
			yield(*new(R), err)
		}
	}
}

// stream is an Imap under way.
type stream[A, R any] struct {
	*mapping[A, R]
	next    func() (A, bool)
	ended   bool // the input has
	ordered bool

	at    map[int]*lot[A, R] // over, by their first tasks
	order []*lot[A, R]       // what comes next
	turn  int                // the first task that was not handed out, if ordered
	taken int                // tasks whose results were handed out
}

// run hands out all results, and returns the error that ends the sequence. It is nil too
// if the receiver has left.
func (s *stream[A, R]) run(yield func(R, error) bool) error {
	for {
		if s.wants() {
			s.pull()
		}
		l := s.first()
		switch {
		case l != nil:
			for i, r := range l.out {
				err := l.errs[i]
				s.taken++
				if !yield(r, err) {
					return nil
				}
				if err != nil && s.opts.StopOnError {
					s.report(true)
					return nil
				}
				if s.wants() {
					s.pull()
				}
			}
			s.reuse(l)
		case s.wants():
		case s.ended && !s.left() && len(s.at) == 0:
			s.report(true)
			if err := s.failure(); err != nil {
				return err
			}
			return s.inputErr()
		default:
			s.submitOpen()
			if !s.left() {
				if err := s.failure(); err != nil { // what was refused leaves a gap before what is in at
					s.report(true)
					return err
				}
				continue
			}
			if err := s.wait(); err != nil {
				return err
			}
		}
		if err := s.ctx.Err(); err != nil {
			return err
		}
	}
}

// wants says whether to take more from the input.
func (s *stream[A, R]) wants() bool {
	if s.ended {
		return false
	}
	if s.opts.Window > 0 {
		return s.added-s.taken < s.opts.Window
	}
	return !s.full() && len(s.at)+len(s.order) < s.core.size*windowLots
}

func (s *stream[A, R]) pull() {
	a, ok := s.next()
	if ok {
		_, ok = s.add(a)
	}
	if !ok {
		s.ended = true
		s.submitOpen()
	}
}

// first returns the lot that is to be handed out, nil if that is not there.
func (s *stream[A, R]) first() *lot[A, R] {
	for _, l := range s.take() {
		if s.ordered {
			s.at[l.first] = l
		} else {
			s.order = append(s.order, l)
		}
	}
	if s.ordered {
		l := s.at[s.turn]
		if l != nil {
			delete(s.at, s.turn)
			s.turn += l.n
		}
		return l
	}
	if len(s.order) == 0 {
		return nil
	}
	l := s.order[0]
	s.order[0] = nil
	s.order = s.order[1:]
	return l
}
