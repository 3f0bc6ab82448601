package semaphore

import (
	"errors"
	"fmt"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/robust"
)

// heal opens the seats that a dead writer has left closed, or that were closed
// when there was no writer. It is what a writer does that changes its mind, but
// it never waits: a reader that has been let in, and waits for the queue while
// the queue's holder waits for it to come and leave, would wait for ever. So
// what holds it up is returned, with the reason: ErrLocked, it lives, or
// errDying. nil: the seats are open, or r may enter anyway. ErrOwnerDied: a
// writer had died inside after all.
func (r *rwReader) heal() (*robust.Cell, error) {
	rw := r.rw
	if err := rw.seizeQueue(); err != nil {
		return &rw.queue.cell, err
	}
	crashpoint.Hit("rwmutex.healqueued")
	if r.called() { // by whoever had the queue before
		rw.leaveQueue()
		return nil, nil
	}
	if err := seize(&rw.gate); err != nil {
		rw.leaveQueue()
		return &rw.gate, err
	}
	crashpoint.Hit("rwmutex.healgated")
	died := rw.dirty.Load() != 0 // behind the fence
	rw.exit()
	if died {
		return nil, ErrOwnerDied
	}
	return nil, nil
}

// seizeQueue locks the queue if it can do so at once. There is nothing to repair
// in it.
func (rw *RWMutex) seizeQueue() error {
	if err := seize(&rw.queue.cell); err != nil {
		return err
	}
	return queueErr(rw.queue.locked())
}

// seize makes this process the holder of c without waiting, from a dead one too.
// ErrLocked: somebody who lives holds it; errDying: somebody who is dead but may
// still store.
func seize(c *robust.Cell) error {
	for {
		w := c.Word.Load()
		var err error
		switch robust.StateOf(w) {
		case robust.Present:
			return ErrLocked
		case robust.Dead:
			if !c.Gone() {
				return errDying
			}
			err = c.TakeOver(noWait, w)
		case robust.Vacant:
			err = c.Take(w, w&robust.Waiters)
		}
		switch {
		case err == nil:
			return nil
		case errors.Is(err, robust.ErrHeld):
		case errors.Is(err, noWait.Err()):
			return errDying // another one has been faster, and died
		default:
			return fmt.Errorf("lock: %w", err)
		}
	}
}
