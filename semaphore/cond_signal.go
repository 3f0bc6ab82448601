package semaphore

import (
	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/robust"
)

// The life of a signal, and what a death leaves:
//
//	open+1            a waiter, m held; dead: its seat is skipped
//	open-1, granted+1 one CAS of the signaller; dead before the wake: the waiter's
//	                  look finds the changed word
//	consumed+1        the waiter, when it has locked m again; dead before: the
//	                  seat says granted != consumed, and whoever finds that
//	                  (tidy) wakes everybody before it ends the seat's use
//
// Passing the lost signal on to one waiter would not do: that could be one who
// came after it. The end of a dead seat's use is one CAS from the word that was
// looked at; a tidier that dies before it costs one more broadcast.

func condOpen(w uint64) int      { return int(w & condOpenMask / condOne) }
func condGrants(w uint64) uint32 { return uint32(w) & condGranted }
func condIdle(w uint64) uint64   { return w&condGenMask + condGen + uint64(condGrants(w)) }
func condGrant(w, n uint64) uint64 {
	return (w-n*condOne)&^(condSleepers|condGranted) | uint64(condGrants(uint64(uint32(w)+uint32(n))))
}

// Signal ends one wait, if anybody waits. To end n waits, call it n times. The
// caller may hold the lock or not; where the processes share a processor it is
// cheaper to unlock first, because whoever is woken then finds the lock free.
func (c *Cond) Signal() {
	// Seats are visited one after the other. Meanwhile another Signal may take the
	// waiter that this one was for, and leave a later one, for whom that other
	// one was, in a seat that has been visited. So nobody waits only when no signal
	// was given since the visit before.
	for before := uint64(0); ; {
		given, grants := c.visit()
		if given || grants == before {
			return
		}
		before = grants
	}
}

// visit gives a signal to the first seat in turn that takes one. If none does, it
// returns a number that differs from another visit's if a signal was given
// since that one has ended; 0 if there are no seats.
func (c *Cond) visit() (given bool, grants uint64) {
	n := c.count()
	grants = uint64(n) << 40 // above the sum of all counts
	first := int(c.cond.turn.Load())
	if first >= n {
		first = 0
	}
	for k := range n {
		i := first + k
		if i >= n {
			i -= n
		}
		s := &c.cond.seats[i]
		if s.grant(false) {
			if next := i + 1; next != first && n > 1 {
				c.cond.turn.StoreRelaxed(uint32(next))
			}
			return true, 0
		}
		c.pass(i)
		grants += uint64(condGrants(s.word.Load()))
	}
	return false, grants
}

// Broadcast ends the waits of all who wait. The caller may hold the lock or not.
func (c *Cond) Broadcast() {
	c.grantAll()
	for i := range c.count() {
		c.pass(i)
	}
}

func (c *Cond) grantAll() {
	for i := range c.count() {
		c.cond.seats[i].grant(true)
	}
}

// grant gives a signal to the seat, or one to each who waits there, unless nobody
// who lives does.
func (s *condSeat) grant(all bool) bool {
	for {
		w := s.word.Load()
		open := condOpen(w)
		if open == 0 || w&condActive == 0 || robust.StateOf(s.cell.Word.Load()) != robust.Present {
			return false
		}
		if !all {
			open = 1
		}
		// release: cond
		if !s.word.CompareAndSwap(w, condGrant(w, uint64(open))) {
			continue
		}
		crashpoint.Hit("cond.granted")
		if w&condSleepers != 0 {
			futex.WakeAll(low(&s.word))
			crashpoint.Hit("cond.woke")
		}
		return true
	}
}

// count returns how many seats there are to visit.
func (c *Cond) count() int { return int(min(c.cond.used.Load(), condSeats)) }

// pass passes on what a dead process took with it, where the kernel has marked
// that it is dead.
func (c *Cond) pass(i int) {
	s := &c.cond.seats[i]
	if robust.StateOf(s.cell.Word.Load()) == robust.Dead && s.due() {
		c.tidy(i, false)
	}
}

// passAll is pass for all seats, also where no mark tells.
func (c *Cond) passAll() {
	for i := range c.count() {
		if c.cond.seats[i].due() {
			c.tidy(i, false)
		}
	}
}

// due says whether the seat's holder is dead and gone and has taken a signal with
// it.
func (s *condSeat) due() bool {
	w := s.word.Load()
	return w&condActive != 0 && condGrants(w) != s.consumed.Load() && s.cell.CheckOwner() && s.cell.Gone()
}

// gone says whether the seat's holder is dead and cannot act any more.
func (s *condSeat) gone() bool {
	return robust.StateOf(s.cell.Word.Load()) == robust.Dead && s.cell.Gone() &&
		robust.StateOf(s.cell.Word.Load()) == robust.Dead
}

// tidy ends a dead process's use of seat i. What it took with it is passed on
// first. If mine, this process has just taken the seat, and what is there is
// a dead one's.
func (c *Cond) tidy(i int, mine bool) {
	s := &c.cond.seats[i]
	for {
		// First the word, then who is dead: a word that is still the same at the
		// CAS was the dead one's last.
		w, consumed := s.word.Load(), s.consumed.Load()
		if w&condActive == 0 || !(mine && s.cell.Mine()) && !s.gone() {
			return
		}
		if condGrants(w) != consumed {
			c.grantAll()
			crashpoint.Hit("cond.passed")
		}
		if s.word.CompareAndSwap(w, condIdle(w)) {
			crashpoint.Hit("cond.tidied")
			return
		}
	}
}
