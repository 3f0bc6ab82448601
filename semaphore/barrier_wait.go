package semaphore

import (
	"context"
	"errors"
	"fmt"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/mem"
)

// Wait waits until all parties have come, and returns how many had come before
// this one: each number from 0 to Parties()-1 once.
//
// If the error is not nil the index is -1. ErrBroken: not all came, or b was
// broken before. When ctx ends first, b is broken for all, and the error wraps
// ErrBroken and the context's error; but where everybody else has come already,
// Wait returns nil. If ctx has no deadline the default timeout holds
// (SetTimeout), with context.DeadlineExceeded. See Join for its other errors;
// ErrCorrupt: the memory holds what no operation leaves there. A party that was
// stopped while more than 16 phases came and went, by Resets, gets ErrBroken even
// if its own was complete.
//
// If more than Parties() wait at once, those who come too early wait for the
// next phase. One whose time ends while it waits for another's action to finish
// has not come, breaks nothing, and gets the context's error only.
func (b *Barrier) Wait(ctx context.Context) (index int, err error) {
	s, err := b.enter()
	if err != nil {
		return -1, fmt.Errorf("wait at a barrier: %w", err)
	}
	defer s.inside.Add(-1) // also when the memory's file was truncated and pass panics
	return b.pass(ctx, s, nil)
}

// WaitAction is Wait, but if this party is the last one to come it runs action
// before anybody may go on. (The others' actions are not run. If the last one
// came with Wait, none is.)
//
// If action fails, or panics, or exits its goroutine, b is broken; the error
// wraps ErrBroken and action's. ctx does not bound the action; if b is broken or
// reset while it runs, WaitAction returns ErrBroken, and others may have begun
// the next phase meanwhile. An action must not wait at b.
func (b *Barrier) WaitAction(ctx context.Context, action func() error) (index int, err error) {
	s, err := b.enter()
	if err != nil {
		return -1, fmt.Errorf("wait at a barrier: %w", err)
	}
	defer s.inside.Add(-1)
	return b.pass(ctx, s, action)
}

// pass is a call to Wait. The word goes, in each phase p:
//
//	arrive    arrived += 1                       death after it: those who wait find the
//	                                             seat, and break p
//	complete  p + 1, arrived = 0                 in one step with the last arrival, or
//	                                             after its action
//	break     broken = 1                         by anybody, as long as p is open
//	reset     p + 1, arrived = 0, broken = 0
//
// The last three clear sleepers and wake. A process that is killed before the
// wake leaves a changed word, which the sleepers' looks find.
//
// The last to arrive makes sure that nobody has died: one who has joined and
// died breaks the barrier even if enough others come.
func (b *Barrier) pass(ctx context.Context, s *barrierSeat, action func() error) (int, error) {
	for {
		// Before the arrival: a Reset that ends this phase counts after it.
		resets := b.resets.Load()
		w := barrierWord(b.word.Load())
		n, come, p := b.parties.Load(), w.arrived(), w.phase()
		switch {
		case n == 0:
			return -1, fmt.Errorf("wait at a barrier: %w", ErrNotInitialized)
		case w.broken():
			return -1, ErrBroken
		case n > maxParties || come > n:
			return -1, fmt.Errorf("wait at a barrier: %w: %d of %d parties", ErrCorrupt, come, n)
		case come == n: // an action runs
			if err := b.sleep(ctx, s, p, false); err != nil {
				return -1, fmt.Errorf("wait at a barrier for an action to end: %w", err)
			}
			continue
		case come < n-1:
			if b.set(w, w+barrierArrival) {
				crashpoint.Hit("barrier.arrived")
				return b.await(ctx, s, p, resets, int(come))
			}
			continue
		}
		if b.bereft() {
			b.breakPhase(p)
			continue
		}
		if action != nil {
			if b.set(w, w+barrierArrival) {
				return b.act(p, resets, int(come), action)
			}
			continue
		}
		if b.set(w, w.next(0)) {
			crashpoint.Hit("barrier.completed")
			b.wake(w)
			crashpoint.Hit("barrier.woke")
			return int(come), nil
		}
	}
}

// await waits for the end of phase p, in which this party is number index.
func (b *Barrier) await(ctx context.Context, s *barrierSeat, p, resets uint32, index int) (int, error) {
	rounds := s.spin.Rounds()
	if rounds == 0 && b.yield(p) {
		return b.end(p, resets, index)
	}
	for ; rounds > 0; rounds-- {
		if !barrierWord(b.word.Load()).open(p) {
			s.spin.Won()
			return b.end(p, resets, index)
		}
		mem.Pause(1)
	}
	err := b.sleep(ctx, s, p, index == 0)
	switch {
	case errors.Is(err, futex.ErrFault):
		return -1, fmt.Errorf("wait at a barrier: %w", err)
	case err != nil && b.breakPhase(p):
		return -1, fmt.Errorf("wait at a barrier: %w: %w", ErrBroken, err)
	}
	return b.end(p, resets, index)
}

// yield lets others run on the only processor that there is, and says whether
// they have ended phase p: nobody has to sleep and be woken then, which costs
// three times as much.
func (b *Barrier) yield(p uint32) (ended bool) {
	for range barrierYields {
		futex.Yield()
		if !barrierWord(b.word.Load()).open(p) {
			return true
		}
	}
	return false
}

const barrierYields = 2

// act runs the action of the last party and completes phase p.
func (b *Barrier) act(p, resets uint32, index int, action func() error) (int, error) {
	crashpoint.Hit("barrier.acting")
	succeeded := false
	defer func() {
		if !succeeded {
			b.breakPhase(p)
		}
	}()
	if err := action(); err != nil {
		return -1, fmt.Errorf("action of a barrier: %w: %w", ErrBroken, err)
	}
	crashpoint.Hit("barrier.acted")
	succeeded = true
	for w := barrierWord(b.word.Load()); w.open(p); w = barrierWord(b.word.Load()) {
		if b.set(w, w.next(0)) {
			crashpoint.Hit("barrier.completed.action")
			b.wake(w)
			return index, nil
		}
	}
	return b.end(p, resets, index)
}

// end returns what party number index of phase p, which is not open any more,
// gets to know.
func (b *Barrier) end(p, resets uint32, index int) (int, error) {
	w := barrierWord(b.word.Load())
	if err := w.outcome(p, b.resets.Load() != resets); err != nil {
		return -1, err
	}
	return index, nil
}

func (b *Barrier) set(old, new barrierWord) bool {
	return b.word.CompareAndSwap(uint64(old), uint64(new))
}

// wake wakes those who sleep, if w, which is not the word any more, says so.
func (b *Barrier) wake(w barrierWord) {
	if w.sleepers() {
		futex.WakeAll(low(&b.word))
	}
}
