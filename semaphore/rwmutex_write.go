package semaphore

import (
	"context"
	"errors"
	"fmt"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/robust"
)

// What a writer does, with what its death leaves:
//
//	queue        taken over from a dead one by whoever comes: nothing to repair in it
//	gate         from here on readers may be shut out: the next writer, or any of
//	             these readers (heal), takes the gate over and opens the seats
//	seats closed, readers drained
//	dirty := 1   inside; death: ErrOwnerDied for all until LockRepair
//	dirty := 0   death: as with the gate
//	seats opened, gate, queue, bell
//
// A dead one's marks come one by one, so its queue may be found marked and its
// gate not yet; and its threads may still store. What counts is read again once
// the gate has been taken over behind the fence.

// lock locks rw for writing. repair is nil for those who cannot repair.
func (rw *RWMutex) lock(ctx context.Context, repair func() error) error {
	if !rw.aligned() {
		return fmt.Errorf("lock an RWMutex at %p: %w", rw, ErrInvalid)
	}
	if err := rw.queue.waitRepair(ctx, noRepair); err != nil {
		return queueErr(err)
	}
	crashpoint.Hit("rwmutex.queued")
	return rw.lockQueued(ctx, repair)
}

// queueErr is what it means for the RWMutex that its queue cannot be locked.
func queueErr(err error) error {
	if errors.Is(err, ErrNotRecoverable) { // which no Go process leaves there
		return fmt.Errorf("%w: the writers' mutex is not recoverable", ErrCorrupt)
	}
	return err
}

// lockQueued is lock with queue held.
func (rw *RWMutex) lockQueued(ctx context.Context, repair func() error) error {
	if repair == nil && rw.dirty.Load() != 0 {
		rw.leaveQueue()
		return ErrOwnerDied
	}
	if err := rw.takeGate(ctx); err != nil {
		if !errors.Is(err, futex.ErrFault) { // or the memory is gone, and all locks in it
			rw.leaveQueue()
		}
		return err
	}
	crashpoint.Hit("rwmutex.gated")
	died := rw.dirty.Load() != 0
	if died && repair == nil {
		rw.exit()
		return ErrOwnerDied
	}
	if err := rw.shut(ctx); err != nil {
		if !errors.Is(err, futex.ErrFault) {
			rw.exit()
		}
		return err
	}
	crashpoint.Hit("rwmutex.shut")
	rw.dirty.StoreRelease(1) // who does not see it passes the fence, and reads it again
	crashpoint.Hit("rwmutex.inside")
	if !died {
		return nil
	}
	return rw.repair(repair)
}

// repair runs f inside. Unless f succeeds, rw is a dead writer's again.
func (rw *RWMutex) repair(f func() error) error {
	done := false
	defer func() {
		if !done {
			rw.exit()
		}
	}()
	if err := f(); err != nil {
		return fmt.Errorf("repair: %w", err)
	}
	done = true
	return nil
}

// takeGate takes the gate, from a dead writer too. Queue is held, so whoever
// lives and has the gate is about to die, or garbage.
func (rw *RWMutex) takeGate(ctx context.Context) error {
	c := &rw.gate
	for {
		w := c.Word.Load()
		var err error
		switch robust.StateOf(w) {
		case robust.Vacant:
			err = c.Take(w, w&robust.Waiters)
		case robust.Dead:
			err = c.TakeOver(ctx, w)
		case robust.Present:
			if err := ctx.Err(); err != nil {
				return err
			}
			if w&robust.Waiters == 0 && !c.Word.CompareAndSwap(w, w|robust.Waiters) {
				continue
			}
			if err = futex.Sleep(ctx, &c.Word, w|robust.Waiters, c.CheckOwner); err == nil {
				continue
			}
		}
		switch {
		case err == nil:
			return nil
		case errors.Is(err, robust.ErrHeld):
		case errors.Is(err, ctx.Err()):
			return err
		default:
			return fmt.Errorf("lock: %w", err)
		}
	}
}

// exit ends a writer's part, or that of one who wanted to be: if what rw protects
// is in order, the seats are opened. The gate is held.
func (rw *RWMutex) exit() {
	if rw.dirty.Load() != 0 {
		rw.gate.Abandon()
	} else {
		// New seats may have been closed by their tenants.
		for i := range rw.count() {
			rw.seat(i).open()
		}
		rw.gate.Release()
	}
	crashpoint.Hit("rwmutex.released")
	rw.leaveQueue()
}

// leaveQueue lets the next writer come, and tells the readers.
func (rw *RWMutex) leaveQueue() {
	rw.queue.cell.Release()
	crashpoint.Hit("rwmutex.dequeued")
	rw.ring()
}

// tryLock is lock for one who does not wait.
func (rw *RWMutex) tryLock() error {
	if !rw.aligned() {
		return fmt.Errorf("lock an RWMutex at %p: %w", rw, ErrInvalid)
	}
	err := rw.seizeFree()
	if err == nil {
		err = tried(rw.lockQueued(noWait, nil))
	}
	if errors.Is(err, ErrLocked) && tries.Add(1)%triesPerCheck == 0 {
		rw.suspect()
	}
	return err
}

// seizeFree seizes the queue, unless somebody reads: those who come meanwhile
// need not be shut out.
func (rw *RWMutex) seizeFree() error {
	err := rw.seizeQueue()
	if errors.Is(err, errDying) {
		return ErrLocked
	}
	if err != nil {
		return err
	}
	for i := range rw.count() {
		s := rw.seat(i)
		w := rwWord(s.word.Load())
		if w&rwActives == 0 && (w&rwGrants == 0 || w&rwAbsent != 0) || s.tidy() {
			continue
		}
		rw.leaveQueue()
		return ErrLocked
	}
	return nil
}

// suspect asks about everybody who may be in the way. Nobody looks after one who
// never sleeps.
func (rw *RWMutex) suspect() {
	rw.queue.cell.CheckOwner()
	rw.gate.CheckOwner()
	for i := range rw.count() {
		s := rw.seat(i)
		w := rwWord(s.word.Load())
		switch {
		case w&rwMustDrain == 0 || s.cell.CheckOwner():
		case w&rwActives == 0:
			s.word.CompareAndSwap(uint64(w), uint64(w|rwAbsent))
		}
	}
}
