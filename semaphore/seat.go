package semaphore

import (
	"context"
	"errors"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/mem"
	"github.com/shmkit/shmkit/internal/robust"
)

// seats is a table in shared memory of robust cells, one for each process that
// takes part in something. A process takes a seat when it first needs one and
// keeps it until Forget, or until it dies: then the kernel marks the cell.
//
// used is how many seats have ever been taken: whoever visits all seats stops
// there. It is raised before the cell is taken, so that no dead process is
// overlooked.
//
// What a seat says besides its cell is brought into order by tidy, which
// any process may call for a seat whose holder is dead and gone, any number of
// times, at the same time as others. So a dead seat needs no owner to be
// cleaned, and nobody who is stopped on the way stands in between.
type seats struct {
	n    int
	used *mem.Uint32
	cell func(i int) *robust.Cell
	tidy func(i int) error
}

// take makes this process the holder of a seat: the first that is vacant, or a
// dead one's, once that one is gone and the seat is tidy. ErrTooManyProcesses:
// living processes hold all.
func (s seats) take(ctx context.Context) (int, error) {
	for {
		dying := -1
		for i := 0; i < s.n; i++ {
			err := s.takeAt(ctx, i)
			switch {
			case err == nil:
				return i, nil
			case errors.Is(err, errDying):
				dying = i
			case !errors.Is(err, robust.ErrBusy):
				return 0, err
			}
		}
		if dying < 0 {
			return 0, ErrTooManyProcesses
		}
		if err := s.cell(dying).AwaitGone(ctx, nil); err != nil {
			return 0, err
		}
	}
}

// errDying says that a seat's holder is dead but may still store.
var errDying = errors.New("semaphore: seat of a dying process")

// takeAt takes seat i. ErrBusy: a living process holds it.
func (s seats) takeAt(ctx context.Context, i int) error {
	c := s.cell(i)
	for {
		w := c.Word.Load()
		var err error
		switch robust.StateOf(w) {
		case robust.Present:
			if !c.CheckOwner() {
				return robust.ErrBusy
			}
			continue
		case robust.Dead:
			if !c.Gone() {
				return errDying
			}
			if err := s.tidy(i); err != nil {
				return err
			}
			s.raise(i)
			err = c.TakeOver(ctx, w)
		case robust.Vacant:
			s.raise(i)
			err = c.Take(w, w&robust.Waiters)
		}
		if errors.Is(err, robust.ErrHeld) {
			continue
		}
		if err != nil {
			return err
		}
		crashpoint.Hit("seat.taken")
		// Between tidy and TakeOver others may have come and died, and garbage
		// may lie in a vacant seat.
		if err := s.tidy(i); err != nil {
			c.Release()
			return err
		}
		return nil
	}
}

// raise makes seat i one of those that are visited.
func (s seats) raise(i int) {
	raiseUsed(s.used, i)
	crashpoint.Hit("seat.used")
}

func raiseUsed(used *mem.Uint32, i int) {
	for u := used.Load(); u <= uint32(i) && !used.CompareAndSwap(u, uint32(i)+1); u = used.Load() {
	}
}

// count returns how many seats there are to visit.
func (s seats) count() int { return int(min(s.used.Load(), uint32(s.n))) }

// dead says whether the holder of seat i is dead, as far as the kernel's mark
// says.
func (s seats) dead(i int) bool {
	return robust.StateOf(s.cell(i).Word.Load()) == robust.Dead
}
