package semaphore

import (
	"context"
	"errors"
	"fmt"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/robust"
)

// Abort breaks b: whoever waits, or comes, gets ErrBroken until a Reset. If b is
// broken already, Abort does nothing. It never waits.
func (b *Barrier) Abort() {
	for {
		w := barrierWord(b.word.Load())
		if w.broken() || b.breakPhase(w.phase()) {
			return
		}
	}
}

// breakPhase breaks phase p, unless it is not open any more. It says whether it
// did.
func (b *Barrier) breakPhase(p uint32) bool {
	for {
		w := barrierWord(b.word.Load())
		if !w.open(p) {
			return false
		}
		if b.set(w, w.broke()) {
			crashpoint.Hit("barrier.broken")
			b.wake(w)
			crashpoint.Hit("barrier.broken.woke")
			return true
		}
	}
}

// Reset begins a new phase, in which nobody has come yet, whether b is broken or
// not. Whoever waits gets ErrBroken. The dead are forgotten; living processes
// stay joined.
//
// ctx bounds the wait for those who died but whose threads have not all ended
// yet (at most the time of a system call): before that they could still come. If
// it ends, b is broken, and the error is the context's. ErrNotInitialized: nobody
// has called Init.
func (b *Barrier) Reset(ctx context.Context) error {
	if b.parties.Load() == 0 {
		return fmt.Errorf("reset a barrier: %w", ErrNotInitialized)
	}
	for i := range b.count() {
		if err := b.bury(ctx, i); err != nil {
			return fmt.Errorf("reset a barrier: %w", err)
		}
	}
	for {
		w := barrierWord(b.word.Load())
		b.resets.Add(1)
		crashpoint.Hit("barrier.reset.counted")
		if b.set(w, w.next(1)) {
			crashpoint.Hit("barrier.reset")
			b.wake(w)
			crashpoint.Hit("barrier.reset.woke")
			return nil
		}
	}
}

// bury makes seat i vacant if its holder has died. As long as the seat is
// marked, it breaks every phase; before the mark goes, and once more when it has
// gone, since others may have reset in between, the phase is broken. So whoever
// is killed here leaves a mark or a broken phase.
func (b *Barrier) bury(ctx context.Context, i int) error {
	c := &b.seats[i]
	for c.CheckOwner() { // asked, in case a mark got lost
		w := c.Word.Load()
		if robust.StateOf(w) != robust.Dead {
			continue
		}
		b.Abort()
		err := c.TakeOver(ctx, w)
		if errors.Is(err, robust.ErrHeld) {
			continue
		}
		if err != nil {
			return err
		}
		crashpoint.Hit("barrier.reset.takenover")
		b.Abort()
		c.Release()
		crashpoint.Hit("barrier.reset.buried")
	}
	return nil
}
