package semaphore

import (
	"context"
	"errors"
	"fmt"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/robust"
)

// waitRepair is LockRepair. The word of a dead owner goes
//
//	DIED → (take-over fence) → TID → repair → held, consistent
//	                              └→ repair fails → DIED
//
// and a process that is killed while it repairs leaves DIED again, by the
// kernel's hand. The fence comes before the take-over, so that the record of
// the dead owner stays for the next one should this one be killed.
func (m *Mutex) waitRepair(ctx context.Context, repair func() error) error {
	c := &m.cell
	for {
		err := m.wait(ctx)
		if !errors.Is(err, ErrOwnerDied) {
			return err
		}
		w := c.Word.Load()
		if w&robust.OwnerDied == 0 {
			continue // somebody else took over
		}
		fence := ctx
		if fence == nil {
			fence = context.Background()
		}
		if err := c.AwaitGone(fence); err != nil {
			return err
		}
		crashpoint.Hit("repair.fenced")
		// Waiters stays set: those who sleep do so until we are done.
		err = c.Take(w, robust.Waiters)
		if errors.Is(err, robust.ErrHeld) {
			continue
		}
		if err != nil {
			return fmt.Errorf("take over lock: %w", err)
		}
		crashpoint.Hit("repair.taken")
		return m.repair(repair)
	}
}

// repair runs f with m held. Unless f succeeds, m is a dead owner's again.
func (m *Mutex) repair(f func() error) error {
	done := false
	defer func() {
		if done {
			return
		}
		m.cell.Abandon()
		crashpoint.Hit("repair.abandoned")
		futex.WakeAll(&m.cell.Word)
	}()
	if err := f(); err != nil {
		return fmt.Errorf("repair: %w", err)
	}
	crashpoint.Hit("repair.done")
	m.cell.Owner.Store(0) // a C owner may have left its "inconsistent"
	done = true
	return nil
}
