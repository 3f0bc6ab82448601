package semaphore

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/robust"
)

// barrierSeat is what this process keeps to itself about a barrier: its seat.
type barrierSeat struct {
	b      *Barrier
	held   atomic.Uint64 // the seat's number + 1 in the high half, the cell's TID in the low one; 0: none
	inside atomic.Int32  // calls to Wait under way
	spin   futex.Spinner
	asked  atomic.Uint32 // which seat the look asked last
	alarm  func() bool   // sits for the method value alarmed, which would be allocated each time

	mu   sync.Mutex // held by who takes a seat or gives it back
	left bool       // this is not the barrier's barrierSeat any more
}

// errSeatLeft says that the memory was forgotten: there has to be a new
// barrierSeat.
var errSeatLeft = errors.New("semaphore: seat was left")

// Join lets this process take part: from now on its death breaks b. A process's
// first Wait does the same. To join again does nothing.
//
// Errors: ErrTooManyProcesses, when 256 living processes have joined; ErrBroken,
// when 256 have, of which some are dead; ErrNotInitialized; ErrInvalid, of a
// barrier that is not aligned; ErrClosed; a failure of the system. Then this
// process has not joined.
func (b *Barrier) Join() error {
	s, err := b.enter()
	if err != nil {
		return fmt.Errorf("join a barrier: %w", err)
	}
	s.inside.Add(-1)
	return nil
}

// Leave is the opposite of Join: from now on the death of this process does not
// concern b. It is not counted as a party for that: those who wait go on doing
// so. Forget, and Close of the memory, do the same. ErrBusy, and nothing has
// changed: a goroutine of this process is inside Wait.
func (b *Barrier) Leave() error {
	s := robust.LocalOf[barrierSeat](&b.anchor)
	if s == nil {
		return nil
	}
	return s.leave(false)
}

// enter begins a call of this process, which must be counted out of inside
// again: until then the process keeps its seat.
func (b *Barrier) enter() (*barrierSeat, error) {
	if s := robust.LocalOf[barrierSeat](&b.anchor); s != nil {
		if s.reenter() {
			return s, nil
		}
	}
	return b.enterFirst()
}

// reenter is enter for a process that has a seat.
func (s *barrierSeat) reenter() (ok bool) {
	s.inside.Add(1)
	defer func() {
		if !ok { // also after a fault
			s.inside.Add(-1)
		}
	}()
	return s.taken()
}

// enterFirst is enter for a process that has no seat.
func (b *Barrier) enterFirst() (*barrierSeat, error) {
	if !b.aligned() {
		return nil, fmt.Errorf("barrier at %p: %w", b, ErrInvalid)
	}
	for {
		s := robust.LocalOf[barrierSeat](&b.anchor)
		if s == nil {
			s = &barrierSeat{b: b}
			s.alarm = s.alarmed
			var err error
			if s, err = robust.SetLocal(&b.anchor, s); err != nil {
				return nil, err
			}
		}
		if err := s.enter(); !errors.Is(err, errSeatLeft) {
			return s, err
		}
	}
}

// taken says whether this process has a seat. (The cell can say otherwise if
// somebody has called Init, or overwritten it.)
func (s *barrierSeat) taken() bool {
	h := s.held.Load()
	i := uint32(h >> 32)
	return i != 0 && s.b.seats[(i-1)%barrierSeats].Word.Load()&robust.TIDMask == uint32(h)
}

func (s *barrierSeat) enter() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.left {
		return errSeatLeft
	}
	if !s.taken() {
		i, err := s.b.claim()
		if err != nil {
			return err
		}
		tid := s.b.seats[i].Word.Load() & robust.TIDMask
		s.held.Store(uint64(i+1)<<32 | uint64(tid))
	}
	s.inside.Add(1)
	return nil
}

// claim takes a vacant seat. A dead process's is never taken: it is what tells
// everybody of the death, until a Reset.
func (b *Barrier) claim() (int, error) {
	if b.parties.Load() == 0 {
		return 0, ErrNotInitialized
	}
	dead := false
	for i := range barrierSeats {
		c := &b.seats[i]
		for w := c.Word.Load(); robust.StateOf(w) == robust.Vacant; w = c.Word.Load() {
			// Before the seat is taken, so that nobody overlooks the death of its
			// holder, and Reset no dead one.
			raiseUsed(&b.used, i)
			crashpoint.Hit("barrier.used")
			err := c.Take(w, w&robust.Waiters)
			if err == nil {
				crashpoint.Hit("barrier.joined")
				futex.WakeAll(&b.used) // the one who watches (sleepWatching) watches this seat, too
				return i, nil
			}
			if !errors.Is(err, robust.ErrHeld) {
				return 0, err
			}
		}
		dead = dead || robust.StateOf(c.Word.Load()) == robust.Dead
	}
	for i := range barrierSeats { // in case a mark got lost
		dead = b.seats[i].CheckOwner() || dead
	}
	if dead {
		b.Abort()
		return 0, ErrBroken
	}
	return 0, ErrTooManyProcesses
}

// Leave implements robust.Local.
func (s *barrierSeat) Leave() error { return s.leave(true) }

// leave gives the seat back. Whoever enters meanwhile either is seen here to be
// inside, or sees that there is no seat, and comes to enter, where mu makes it
// wait.
func (s *barrierSeat) leave(final bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.held.Swap(0)
	if s.inside.Load() != 0 {
		s.held.Store(h)
		return fmt.Errorf("leave a barrier: %w", ErrBusy)
	}
	if i := uint32(h >> 32); i != 0 {
		s.b.seats[(i-1)%barrierSeats].Release()
		crashpoint.Hit("barrier.left")
	}
	s.left = final
	return nil
}
