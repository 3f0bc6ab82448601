package ringbuf

import (
	"fmt"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/robust"
	"github.com/shmkit/shmkit/internal/shmfile"
)

// held is a message that a consumer holds in an extent.
type held struct {
	e      *extent // nil: none
	l      *lane
	state  extentState
	off, n uint64 // where in the file, and how long
	size   uint64 // to be given back to the system, 0 for what stays
}

// table is lane i's table of extents, as far as it was ever used.
func (s *shared) table(i int) []extent {
	n := s.geo.table
	if s.opts.Leases {
		n = int(min(s.lanes[i].entries.Load(), uint32(n)))
	}
	return s.entries(i, n)
}

// entries are the first n of lane i's table.
func (s *shared) entries(i, n int) []extent {
	if n == 0 {
		return nil
	}
	return slotsOf[extent](s.bytes[s.geo.at(i):], n)
}

// inExtents says whether every message lies in an extent, so that what a consumer holds
// is known.
func (s *shared) inExtents() bool { return s.opts.Redeliver || s.opts.Leases }

// freeExtents counts the free extents of lane i. Only its producer uses them up.
func (s *shared) freeExtents(i int) (n uint32) {
	table := s.table(i)
	for k := range table {
		if extentState(table[k].state.Load()).phase() == phaseFree {
			n++
		}
	}
	return n
}

// hold takes the message in entry e of lane i, whose state is s, for seat x. It
// returns false if somebody else was first.
func (s *shared) hold(i int, e *extent, was extentState, x int) (h held, ok bool, err error) {
	state := was.generation() | was&redelivered | heldBy(x)
	if !e.state.CompareAndSwap(uint64(was), uint64(state)) { // acquire: extent
		return h, false, nil
	}
	crashpoint.Hit("lane.held")
	off, n := e.offset.Load(), e.length.Load()
	g := s.geo
	if n > uint64(g.held+g.big) || off > uint64(g.held+g.big)-n || n > uint64(s.opts.MaxMessage) {
		return h, false, fmt.Errorf("%w: extent of %d bytes at %d", ErrCorrupt, n, off)
	}
	h = held{e: e, l: &s.lanes[i], state: state, off: uint64(g.at(i)+g.hold) + off, n: n}
	if off >= uint64(g.held) {
		h.size = min(uint64(roundUp(int(max(n, 1)), zoneUnit)), uint64(g.held+g.big)-off)
	}
	return h, true, nil
}

func (s *shared) message(h held) []byte { return s.bytes[h.off : h.off+h.n : h.off+h.n] }

// release gives back what h holds. It says whether that was still held.
//
// release: extent. Pairs with "acquire: extent" where the producer reads that it is
// free.
func (s *shared) release(h held) bool {
	free := h.state.free()
	if h.size == 0 {
		if !h.e.state.CompareAndSwap(uint64(h.state), uint64(free)) {
			return false // somebody has overwritten it
		}
	} else {
		// Only whoever has won this may punch: afterwards the memory can be another's.
		freeing := h.state&^phaseMask | phaseFreeing
		if !h.e.state.CompareAndSwap(uint64(h.state), uint64(freeing)) {
			return false
		}
		crashpoint.Hit("lane.freeing")
		if shmfile.Punch(s.file, int64(h.off), int64(h.size)) != nil {
			free |= unpunched
		}
		h.e.state.CompareAndSwap(uint64(freeing), uint64(free))
	}
	crashpoint.Hit("lane.released")
	s.freed(h.l)
	return true
}

// freed wakes the lane's producer, if it waits for an extent, and whoever waits for
// the end of a stream whose last messages are held, or until all are finished.
func (s *shared) freed(l *lane) {
	if l.asleep.Load() == forExtent {
		_ = futex.WakeClear(&l.asleep)
	}
	if s.opts.Redeliver && s.h.ended.Load() != 0 {
		s.wakeAll()
	}
	if s.opts.Leases {
		s.countDown()
	}
}

// giveUp makes what a consumer held, which will not receive any more, available
// again, or free. was is the state that it was seen in. Its pages, if it is big, are
// left to the producer: it may be somebody else's before this process comes to it.
func (s *shared) giveUp(l *lane, e *extent, was extentState) (again bool) {
	next := was.free() | unpunched
	if s.opts.Redeliver && was.phase() == phaseHeld {
		next = (was.generation() + oneUse) | phaseAgain | redelivered
	}
	if !e.state.CompareAndSwap(uint64(was), uint64(next)) {
		return false
	}
	crashpoint.Hit("lane.buried")
	if next.phase() == phaseAgain {
		return true
	}
	s.freed(l)
	return false
}

// bury gives up everything that the consumer in seat x held. gone is asked after
// each state has been read, and says that what this state says is a consumer's who
// will do nothing any more: then the state, which is never the same twice, may be
// changed at any time. bury says whether it was so to the end.
func (s *shared) bury(x int, gone func() bool) bool {
	again := false
	for i := range s.usedLanes() {
		table := s.table(i)
		for k := range table {
			e := &table[k]
			was := extentState(e.state.Load())
			if p := was.phase(); p != phaseHeld && p != phaseFreeing || was.seat() != x {
				continue
			}
			if !gone() {
				return false
			}
			again = s.giveUp(&s.lanes[i], e, was) || again
		}
	}
	if again || s.opts.Redeliver {
		s.h.again.Add(1)
		crashpoint.Hit("lane.offered")
		s.wakeOne(x)
	}
	return true
}

// tidy buries every consumer that has died and can do nothing any more. It says
// whether there was one. Any end that waits does it, and where messages are received
// again a consumer now and then. Of the living it reads no more than the presence.
func (s *shared) tidy() (did bool) {
	used := s.usedSeats()
	for x := range used {
		c := &used[x]
		w, arrivals := c.Word.Load(), c.Arrivals.Load()
		if robust.StateOf(w) != robust.Dead || c.buried.Load() == arrivals+1 || !c.Gone() {
			continue
		}
		if s.bury(x, func() bool {
			return robust.StateOf(c.Word.Load()) == robust.Dead && c.Arrivals.Load() == arrivals && c.Gone()
		}) {
			c.buried.Store(arrivals + 1) // a hint: not again for this one
			did = true
		}
	}
	return did
}

// undone says whether there is a dead consumer to bury. The look asks it.
func (s *shared) undone() bool {
	used := s.usedSeats()
	for x := range used {
		c := &used[x]
		if robust.StateOf(c.Word.Load()) == robust.Dead && c.buried.Load() != c.Arrivals.Load()+1 && c.Gone() {
			return true
		}
	}
	return false
}

// heldByOthers says whether consumers other than x hold messages that may have to be
// received again, or some wait to be.
func (s *shared) heldByOthers(x int) bool {
	for i := range s.usedLanes() {
		table := s.table(i)
		for k := range table {
			was := extentState(table[k].state.Load())
			if was.phase() == phaseAgain || was.phase() == phaseHeld && was.seat() != x {
				return true
			}
		}
	}
	return false
}
