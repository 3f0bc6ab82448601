package semaphore

import (
	"context"
	"errors"
	"fmt"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/robust"
)

// queue takes n permits, more than one, when they could not be had at once.
//
// Those who want several wait for the turn, and only the one that has it waits
// for the value: it would be woken with too few and have to wake another one,
// who would have to wake it in its turn. The turn is a claim:
//
//	free → holder  one CAS, which also names it
//	holder → free  and one who waits for it is woken, in one system call
//
// A turn whose holder was killed is found by the looks of those who wait for it.
// One whose holder was stopped stays taken: but nobody needs the turn to take
// permits, so those who wait for it try for themselves, one a process, as often
// as a look finds that there are some. That is slow, but it goes on. The same
// helps who wants fewer permits than the holder, and where garbage lies in the
// turn.
func (s *Semaphore) queue(ctx context.Context, n int) error {
	turn := &s.sem.turn
	for {
		holder, err := turn.Take()
		if err == nil {
			break
		}
		if !errors.Is(err, robust.ErrHeld) {
			return fmt.Errorf("acquire: %w", err)
		}
		// The holder will wake one when it goes, so no wake is lost by leaving.
		if err := s.TryAcquire(n); !errors.Is(err, ErrNoPermits) {
			return err
		}
		if err = ctx.Err(); err == nil {
			err = futex.Sleep(ctx, turn.Word(), holder, s.worthTrying)
		}
		crashpoint.Hit("semaphore.queued")
		if errors.Is(err, futex.ErrFault) {
			return fmt.Errorf("acquire: %w", err)
		}
		if err != nil {
			turn.Pass()
			return err
		}
	}
	crashpoint.Hit("semaphore.turn")
	err := s.wait(ctx, uint32(n))
	if !errors.Is(err, futex.ErrFault) { // or the memory is gone, and the turn with it
		turn.Drop()
	}
	return err
}

// worthTrying says whether one who waits for the turn should stop doing so.
func (s *Semaphore) worthTrying() bool {
	return s.sem.turn.Free() || s.Value() > 1 || s.gone()
}
