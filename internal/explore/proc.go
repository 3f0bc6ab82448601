//go:build explore

package explore

import (
	"iter"
	"runtime/debug"
)

// abandoned unwinds the coroutine of a process that will not move again. It
// does so after the schedule has ended, when no deferred function can do harm.
type abandoned struct{}

func (p *Proc) start(program func(*Proc)) {
	p.next, p.stop = iter.Pull(func(yield func(struct{}) bool) {
		p.yield = yield
		defer func() {
			switch v := recover(); v.(type) {
			case nil, abandoned:
			default:
				p.run.violate("P%d panicked: %v\n%s", p.ID, v, debug.Stack())
			}
		}()
		program(p)
	})
}

// resume lets the process make the step before which it stands, and go on to
// before the next one.
func (p *Proc) resume() {
	r := p.run
	// Code looks at its context between the steps.
	if p.cancelled() {
		p.learn(1)
	} else {
		p.learn(0)
	}
	p.state = ready
	r.moving, r.acting = p, p
	_, more := p.next()
	r.moving, r.acting = nil, nil
	if !more && p.state != dead {
		p.state = done
		r.note("P%d ends", p.ID)
		r.markCells(p)
	}
}

// canMove says whether a step of the process is possible.
func (p *Proc) canMove() bool {
	switch p.state {
	case ready:
		return true
	case asleep:
		return p.sleep.woken || ended(p.sleep.ctx) != nil
	case waiting:
		return p.until()
	}
	return false
}

// die is SIGKILL.
func (p *Proc) die() {
	p.state = dead
	p.run.note("P%d is killed", p.ID)
	for i := range p.run.quiet {
		p.run.quiet[i].left(p)
	}
	p.run.markCells(p)
}

// Before implements mem.Observer. A process's private words are nobody else's
// business.
func (r *run) Before(w any) {
	if off, shared := r.offset(w); r.moving != nil && shared && !r.quiet[off/4].named {
		r.before()
	}
}

// before ends the moving process's step: it stands before the next one.
func (r *run) before() {
	p := r.moving
	switch {
	case p == nil || p.atomic:
		return // the explorer itself is at work, or this is no step
	case r.over:
		panic(abandoned{})
	}
	if !p.yield(struct{}{}) {
		panic(abandoned{})
	}
}

// After implements mem.Observer: the step was made.
func (r *run) After(op string, w any, learnt uint64) {
	off, shared := r.offset(w)
	if r.moving == nil || !shared {
		return
	}
	q := &r.quiet[off/4]
	if q.named && !q.tally && r.begun && !q.use(r.moving, op != "load") {
		r.violate("P%d %ss [%d], which is not quiet", r.moving.ID, op, off)
	}
	if r.trace != nil {
		switch {
		case op == "cas" && learnt == 0:
			op = "fails to cas"
		case op == "cas":
			op = "cas sets"
		default:
			op += "s"
		}
		r.note("P%d %s %s", r.moving.ID, op, word{r, w})
	}
	if !q.tally {
		r.moving.learn(learnt)
	}
}

// quietWord is a word of the shared memory, which may be quiet.
type quietWord struct {
	named, tally  bool
	used, written uint16 // by whom
}

// use notes who uses a quiet word, and says whether that is all right.
func (q *quietWord) use(p *Proc, writes bool) bool {
	me := uint16(1) << p.ID
	q.used |= me
	if writes {
		q.written |= me
	}
	return q.written == 0 || q.used == q.written && q.used&(q.used-1) == 0
}

// left forgets the uses of a process that will make none any more.
func (q *quietWord) left(p *Proc) {
	q.used &^= 1 << p.ID
	q.written &^= 1 << p.ID
}

// after notes what the moving process did, and what it learnt.
func (r *run) after(learnt uint64, format string, args ...any) {
	if r.trace != nil {
		r.note("P%d "+format, append([]any{r.moving.ID}, args...)...)
	}
	r.moving.learn(learnt)
}
