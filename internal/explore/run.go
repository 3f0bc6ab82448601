//go:build explore

package explore

import (
	"encoding/binary"
	"fmt"
	"hash/maphash"
)

// run is one schedule.
type run struct {
	*search
	world  *World
	moving *Proc // whose step it is; nil while the explorer itself is at work
	acting *Proc // in whose name the code asks who it is
	over   bool
	steps  int
	deaths int
	last   *Proc // who made the last step
	turns  int   // how often somebody else did although last could have gone on
	looked bool
	begun  bool // all programs stand before their first step
	bad    string
	trace  *[]string
}

func (r *run) violate(format string, args ...any) {
	if r.bad == "" {
		r.bad = fmt.Sprintf(format, args...)
		r.note("VIOLATION: %s", r.bad)
	}
}

// play plays the schedule to its end, or to where it meets an earlier one.
func (r *run) play() {
	defer func() {
		r.over = true
		for _, p := range r.world.procs {
			if p.cancel != nil {
				p.cancel()
			}
			r.moving, r.acting = p, p // deferred functions may ask who they are
			p.stop()
		}
		r.moving, r.acting = nil, nil
	}()
	r.model.Setup(r.world)
	// What comes before its first step is nobody's business.
	for _, p := range r.world.procs {
		p.resume()
	}
	r.begun = true
	for {
		if r.world.Invariant != nil && r.bad == "" {
			if err := r.world.Invariant(); err != nil {
				r.violate("invariant: %v", err)
			}
		}
		if r.bad != "" {
			return
		}
		moves, ended := r.moves()
		if ended {
			if r.world.Final != nil {
				if err := r.world.Final(); err != nil {
					r.violate("at the end: %v", err)
				}
			}
			return
		}
		if len(moves) == 0 {
			if r.world.Excuse != nil && r.world.Excuse() {
				return
			}
			r.violate("stuck: nobody can move, and not all have ended")
			return
		}
		if r.steps++; r.steps > r.maxSteps {
			r.violate("livelock: more than %d steps", r.maxSteps)
			return
		}
		if r.meets() {
			return
		}
		r.make(moves[r.choose(len(moves))])
	}
}

// move is one thing that may happen next: p makes a step or dies; nil: the look.
type move struct {
	p    *Proc
	dies bool
}

func (r *run) make(m move) {
	switch {
	case m.p == nil:
		r.looked = true
		r.look()
	case m.dies:
		r.deaths++
		m.p.die()
	default:
		if m.p != r.last {
			if r.last != nil && r.last.canMove() {
				r.turns++
			}
			r.last = m.p
		}
		m.p.resume()
	}
}

// moves returns what may happen next; ended says that everybody has.
func (r *run) moves() (moves []move, ended bool) {
	moves, ended = r.possible[:0], true
	last := r.last != nil && r.last.canMove()
	bound := last && r.model.Switches != 0 && r.turns >= r.model.Switches
	for _, p := range r.world.procs {
		if p.Ended() {
			continue
		}
		if p.state != resting {
			ended = false
		}
		if p.canMove() && !(bound && p != r.last) {
			moves = append(moves, move{p: p})
		}
	}
	if len(moves) == 0 && !ended {
		if !r.lookWouldHelp() {
			return nil, false
		}
		moves = append(moves, move{})
	}
	if r.deaths < r.model.Deaths && !ended {
		for _, p := range r.world.procs {
			if !p.Ended() && !p.Immortal {
				moves = append(moves, move{p, true})
			}
		}
	}
	r.possible = moves
	return moves, ended
}

// lookWouldHelp says whether a look would wake somebody. Asking changes nothing:
// what gone does to memory and sleepers is undone.
func (r *run) lookWouldHelp() bool {
	before := append([]byte(nil), r.world.mem...)
	woken := make([]bool, len(r.world.procs))
	for i, p := range r.world.procs {
		woken[i] = p.sleep.woken
	}
	trace := r.trace
	r.trace = nil
	help := r.look()
	r.trace = trace
	for i, p := range r.world.procs {
		p.sleep.woken = woken[i]
	}
	copy(r.world.mem, before)
	return help
}

// meets says whether an earlier schedule came to the same state; if not, later
// ones will meet this one here.
func (r *run) meets() bool {
	if r.replaying() || r.trace != nil {
		return false
	}
	b := append(r.key[:0], r.world.mem...)
	for _, off := range r.world.tallies {
		clear(b[off:][:8])
	}
	b = append(b, byte(r.deaths))
	for _, p := range r.world.procs {
		flags := byte(p.state)
		if p.state == asleep && p.sleep.woken {
			flags |= 1 << 4
		}
		if p.cancelled() {
			flags |= 1 << 5
		}
		b = append(b, flags)
		if !p.Ended() {
			b = binary.LittleEndian.AppendUint64(b, p.learnt)
		}
	}
	turns := 0
	if r.model.Switches != 0 {
		turns = r.turns
		if r.last != nil && r.last.canMove() {
			b = append(b, byte(r.last.ID))
		}
	}
	r.key = b
	k := key{maphash.Bytes(r.seeds[0], b), maphash.Bytes(r.seeds[1], b)}
	if seen, ok := r.seen[k]; ok && int(seen) <= turns {
		return !r.model.NoMerge
	}
	r.seen[k] = uint16(turns)
	return false
}

func (r *run) note(format string, args ...any) {
	if r.trace != nil {
		*r.trace = append(*r.trace, fmt.Sprintf(format, args...))
	}
}
