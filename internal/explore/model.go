//go:build explore

package explore

import (
	"context"
	"fmt"

	"github.com/shmkit/shmkit/internal/mem"
	"github.com/shmkit/shmkit/internal/robust"
)

// Model is a closed world to explore.
type Model struct {
	Memory   int          // bytes of shared memory, a multiple of 8; all 0 at the start of a schedule
	Deaths   int          // how many processes may die, in one schedule
	MaxSteps int          // of one schedule; more are a livelock; 0 is 500
	Setup    func(*World) // makes the world of one schedule

	// Switches, if not 0, bounds the exploration: so many times at most (negative: never)
	// may the next step be another's although who made the last one could go on (Musuvathi and
	// Qadeer, "Iterative Context Bounding for Systematic Testing of Multithreaded
	// Programs", PLDI 2007). Switches away from who sleeps, rests, ends or dies are
	// free, and deaths come anywhere. Few errors need more than two.
	Switches int

	// NoMerge explores what follows from equal states each time again.
	NoMerge bool
}

// World is the world of one schedule.
type World struct {
	// Invariant, if set, is checked after each step; Final at the end, when
	// every process has ended or died. What they read has to follow from the
	// shared memory, in which ghost variables may lie too: schedules that have
	// the same memory are not told apart.
	Invariant func() error
	Final     func() error

	// Excuse, if set, says whether those who still wait may wait for ever, when
	// nobody can move.
	Excuse func() bool

	run   *run
	mem   []byte
	procs []*Proc
	cells []*mem.Uint32

	tallies []uintptr // where they lie
}

// Go adds a process that runs program and then exits.
func (w *World) Go(program func(p *Proc)) *Proc {
	p := &Proc{ID: len(w.procs), run: w.run}
	p.start(program)
	w.procs = append(w.procs, p)
	return p
}

// Robust names words that the kernel marks when the process dies whose TID they
// carry.
func (w *World) Robust(cells ...*mem.Uint32) { w.cells = append(w.cells, cells...) }

// Quiet names words that no two processes contend for: one alone uses them, or
// nobody writes them any more once all programs stand before their first step. An
// access to one is part of the step before it. A process that breaks the promise is
// a violation.
func (w *World) Quiet(words ...any) {
	for _, x := range words {
		off, _ := w.run.offset(x)
		w.run.quiet[off/4].named = true
	}
}

// Tally names words that only count: a process reads them for nothing but what it then
// stores there. An access to one is part of the step before it, and states that differ
// in nothing else are the same.
func (w *World) Tally(words ...*mem.Uint64) {
	for _, x := range words {
		off, _ := w.run.offset(x)
		w.run.quiet[off/4].named, w.run.quiet[off/4].tally = true, true
		w.tallies = append(w.tallies, off)
	}
}

// Deaths returns how many processes have died so far.
func (w *World) Deaths() int { return w.run.deaths }

// Proc is a simulated process. A program must not keep what it learns anywhere
// but in its own variables, and must not read what others learnt.
type Proc struct {
	ID       int
	Immortal bool // set in Setup: the process is never killed

	run    *run
	state  state
	next   func() (struct{}, bool)
	stop   func()
	yield  func(struct{}) bool
	learnt uint64 // hash of all that it has learnt

	ctx    context.Context
	cancel context.CancelFunc

	atomic bool // in Atomically
	sleep  sleep
	until  func() bool
	locals map[*robust.Anchor]robust.Local
}

type state byte

const (
	ready   state = iota
	asleep        // in a futex call
	waiting       // in Until
	resting       // in Rest
	done
	dead
)

// tid is never 0, and no two processes have the same.
func (p *Proc) tid() uint32 { return uint32(p.ID) + 1 }

// Dead says whether the process has died.
func (p *Proc) Dead() bool { return p.state == dead }

// Ended says whether the process has died or come to its program's end.
func (p *Proc) Ended() bool { return p.state == done || p.state == dead }

// Context returns the process's own context, which Cancel ends.
func (p *Proc) Context() context.Context {
	if p.ctx == nil {
		p.ctx, p.cancel = context.WithCancel(context.Background())
	}
	return p.ctx
}

func (p *Proc) cancelled() bool { return p.ctx != nil && p.ctx.Err() != nil }

// Cancel is a step of the running process: it ends p's context.
func (p *Proc) Cancel() {
	p.run.before()
	p.Context()
	p.cancel()
	p.run.after(0, "cancels P%d", p.ID)
}

// Step is a step that does nothing: others may move, and the process may die.
func (p *Proc) Step() {
	p.run.before()
	p.run.after(0, "steps")
}

// Atomically runs fn, which does not sleep, as part of the step before it, or, at the
// beginning of a program, before anybody moves: what the model is not about.
func (p *Proc) Atomically(fn func()) {
	p.atomic = true
	fn()
	p.atomic = false
}

// Rest ends the program, but not the process: it lives on, and may die, until all
// others have ended or rest too. (The end of a process wakes who sleeps on its robust
// words, which would hide that nobody else did.) It does not return.
func (p *Proc) Rest() {
	p.state = resting
	p.learnt = 0
	p.run.note("P%d rests", p.ID)
	p.run.before()
}

// Until waits until cond, a function of the shared memory and of which processes
// have ended, holds.
func (p *Proc) Until(cond func() bool) {
	p.until = cond
	p.state = waiting
	p.run.before()
	p.run.after(0, "has waited long enough")
}

// Forget declares that what the process will do depends on nothing that it has
// learnt so far but values. It lets more schedules meet.
func (p *Proc) Forget(values ...uint64) {
	p.learnt = 0
	for _, v := range values {
		p.learn(v)
	}
}

// Pure runs fn, and remembers only what it returns. Nothing else in the process may
// depend on what fn reads. It lets more schedules meet.
func (p *Proc) Pure(fn func() bool) bool {
	learnt := p.learnt
	v := fn()
	p.learnt = learnt
	if v {
		p.learn(1)
	}
	return v
}

// Forgetting returns a context that never ends. When code asks for its state,
// outside of a sleep, the process does what Forget does, with known's values.
func (p *Proc) Forgetting(known func() []uint64) context.Context {
	return &forgetting{context.Background(), p, known}
}

type forgetting struct {
	context.Context
	p     *Proc
	known func() []uint64
}

func (c *forgetting) Err() error {
	if v := c.known(); v != nil {
		c.p.Forget(v...)
	}
	return nil
}

// ended returns the error of a sleeper's context.
func ended(ctx context.Context) error {
	if _, ok := ctx.(*forgetting); ok || ctx == nil {
		return nil
	}
	return ctx.Err()
}

// Fail ends the schedule as a violation.
func (p *Proc) Fail(format string, args ...any) {
	p.run.violate("P%d: %s", p.ID, fmt.Sprintf(format, args...))
	panic(abandoned{})
}

// learn mixes a value into what the process has learnt (FNV-1a by words, with a
// final shift against its weak low bits).
func (p *Proc) learn(v uint64) {
	h := (p.learnt ^ v ^ 0xcbf29ce484222325) * 0x9e3779b97f4a7c15
	p.learnt = h ^ h>>29
}
