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

	sleep  sleep
	until  func() bool
	locals map[*robust.Anchor]robust.Local
}

type state byte

const (
	ready   state = iota
	asleep        // in a futex call
	waiting       // in Until
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
