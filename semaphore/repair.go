package semaphore

import (
	"context"
	"errors"
	"fmt"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/robust"
)

// waitRepair is LockRepair. The word of a dead owner goes
//
//	DIED → (take-over fence) → TID → repair → held, consistent
//	                              └→ repair fails → DIED
//
// and a process that is killed while it repairs leaves DIED again, by the
// kernel's hand.
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
		err = c.TakeOver(ctx, w)
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
	}()
	if err := f(); err != nil {
		return fmt.Errorf("repair: %w", err)
	}
	crashpoint.Hit("repair.done")
	m.cell.Owner.Store(0) // a C owner may have left its "inconsistent"
	done = true
	return nil
}
