package manager

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"
)

// Operations of a barrier.
const (
	barWait      op = iota + 1 // flag: it has an action; flag: it has a deadline; ticket; returns what and a number
	barInterrupt               // ticket; returns whether it is known
	barActed                   // round; flag: the action has not failed; returns the index
	barReset
	barAbort
	barState   // returns parties, how many wait, and whether it is broken
	barTimeout // nanoseconds
)

// What a wait returns, and the number with it.
const (
	barPassed uint64 = iota // index
	barAct                  // round: it is to run its action, and to say barActed
	barLate                 // 0: it was interrupted before its round began
)

var barKind = kind("Barrier", newBarObject)

// barObject is the object of a Barrier.
//
// Those who have come are in the line. When as many are there as it takes, the last one's
// action is run, if it has one; the others are this round's meanwhile, and whoever comes
// then waits in the line for the next round. As with conditions a client has its wait
// interrupted by ticket and never gives it up by itself: so a round is complete for all of
// its clients that live, or for none.
//
// A session is involved once for each wait, until that is answered, and once while it acts.
type barObject struct {
	parties int

	mu      sync.Mutex
	broken  bool
	timeout time.Duration // of waits without a deadline; 0: none
	line    []*barWaiter
	round   uint64       // the number of the one that is complete
	acting  *session     // whose action is run; nil: nobody's
	others  []*barWaiter // of its round
}

type barWaiter struct {
	*parked
	sess   *session
	acts   bool
	ticket uint64
	timer  *time.Timer // nil: none
}

// newBarObject has one argument: the parties.
func newBarObject(x *request, _ *node) (object, error) {
	n := x.number()
	if n < 1 || n > math.MaxInt32 {
		return nil, fmt.Errorf("%w: barrier of %d parties", ErrOption, int64(n))
	}
	return &barObject{parties: int(n)}, nil
}

func (b *barObject) serve(x *request) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch x.op {
	case barWait:
		return b.wait(x)
	case barInterrupt:
		ticket := x.number()
		if err := x.args(); err != nil {
			return err
		}
		x.out.flag(b.interrupt(x.sess, ticket, nil))
		return nil
	case barActed:
		round, fine := x.number(), x.flag()
		if err := x.args(); err != nil {
			return err
		}
		x.out.number(uint64(b.parties - 1)) // it was the last
		return b.acted(x.sess, round, fine)
	case barReset, barAbort:
		if err := x.args(); err != nil {
			return err
		}
		b.crash()
		b.broken = x.op == barAbort
		return nil
	case barState:
		x.out.number(uint64(b.parties))
		x.out.number(uint64(len(b.line) + len(b.others)))
		x.out.flag(b.broken)
		return x.args()
	case barTimeout:
		d := x.number()
		if err := x.args(); err != nil {
			return err
		}
		b.timeout = time.Duration(min(d, math.MaxInt64))
		return nil
	}
	return x.unknown()
}

func (b *barObject) wait(x *request) error {
	w := &barWaiter{sess: x.sess, acts: x.flag()}
	deadline := x.flag()
	w.ticket = x.number()
	if err := x.args(); err != nil {
		return err
	}
	if b.broken {
		return ErrBroken
	}
	w.parked = x.park(func(*parked) { b.withdraw(w) })
	x.sess.involve(b)
	b.line = append(b.line, w)
	if !deadline && b.timeout > 0 {
		w.timer = time.AfterFunc(b.timeout, func() { b.late(w) })
	}
	b.advance()
	return nil
}

// advance begins a round if all have come, and completes it if there is no action.
func (b *barObject) advance() {
	for b.acting == nil && len(b.line) >= b.parties {
		round := slices.Clone(b.line[:b.parties])
		b.line = slices.Delete(b.line, 0, b.parties)
		b.round++
		last := round[b.parties-1]
		if !last.acts {
			b.pass(round)
			continue
		}
		b.acting, b.others = last.sess, round[:b.parties-1]
		b.acting.involve(b)
		if !b.answer(last, barAct, b.round) {
			b.crash() // it has died
			b.broken = true
		}
	}
}

func (b *barObject) pass(round []*barWaiter) {
	for i, w := range round {
		b.answer(w, barPassed, uint64(i))
	}
}

// answer ends the wait of one that is in no line any more.
func (b *barObject) answer(w *barWaiter, what, n uint64) (wanted bool) {
	var out writer
	out.number(what)
	out.number(n)
	wanted = w.send(out)
	b.settle(w)
	return wanted
}

func (b *barObject) settle(w *barWaiter) {
	if w.timer != nil {
		w.timer.Stop()
	}
	w.sess.release(b)
}

// acted ends the round whose action was run.
func (b *barObject) acted(s *session, round uint64, fine bool) error {
	if b.acting != s || b.round != round {
		return ErrBroken // it was broken or reset meanwhile
	}
	if !fine {
		b.crash()
		b.broken = true
		return nil
	}
	others := b.others
	b.actingEnds()
	b.pass(others)
	b.advance()
	return nil
}

func (b *barObject) actingEnds() {
	b.acting.release(b)
	b.acting, b.others = nil, nil
}

// crash ends all waits with ErrBroken.
func (b *barObject) crash() {
	for _, w := range slices.Concat(b.others, b.line) {
		w.fail(ErrBroken)
		b.settle(w)
	}
	b.line = nil
	if b.acting != nil {
		b.actingEnds()
	}
}

// lose takes out one whose wait ends early. That breaks the barrier, unless it had come
// before its round began. why is what it hears besides; may be nil.
func (b *barObject) lose(w *barWaiter, why error) {
	if b.acting != nil && leaveLine(&b.line, w) {
		b.answer(w, barLate, 0)
		return
	}
	if leaveLine(&b.line, w) || leaveLine(&b.others, w) {
		err := ErrBroken
		if why != nil {
			err = fmt.Errorf("%w: %w", err, why)
		}
		w.fail(err)
		b.settle(w)
		b.crash()
		b.broken = true
	}
}

// interrupt ends a wait early, and says whether it is known.
func (b *barObject) interrupt(s *session, ticket uint64, why error) bool {
	for _, line := range [][]*barWaiter{b.line, b.others} {
		for _, w := range line {
			if w.sess == s && w.ticket == ticket {
				b.lose(w, why)
				return true
			}
		}
	}
	return false
}

func (b *barObject) late(w *barWaiter) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lose(w, context.DeadlineExceeded)
}

func (b *barObject) withdraw(w *barWaiter) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lose(w, nil)
}

func (b *barObject) left(s *session) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.acting == s {
		b.crash()
		b.broken = true
	}
	for _, w := range slices.Concat(b.others, b.line) {
		if w.sess == s {
			b.lose(w, nil)
		}
	}
}

func (b *barObject) died() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.crash()
	b.broken = true
}
