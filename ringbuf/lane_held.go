package ringbuf

import (
	"fmt"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/mem"
	"github.com/shmkit/shmkit/internal/robust"
	"github.com/shmkit/shmkit/internal/shmfile"
)

// spot is where in a lane a message lies that can be held: in an extent, or, where lanes
// are sparse, in a record that has a fate.
type spot struct {
	lane  int
	state *mem.Uint64
	e     *extent // nil: a record
	at    uint64  // of a record: its index
}

// held is a message that a consumer holds.
type held struct {
	spot   // state is nil: none
	was    extentState
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

// holds says whether every message that a consumer receives is held by it until it is
// done with it: it lies in an extent, or has a fate.
func (s *shared) holds() bool { return s.opts.Redeliver || s.opts.Leases }

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

// hold takes the message at p, whose state is was, for seat x. It returns false if
// somebody else was first.
func (s *shared) hold(p spot, was extentState, x int) (h held, ok bool, err error) {
	state := was.generation() | was&redelivered | heldBy(x)
	if !p.state.CompareAndSwap(uint64(was), uint64(state)) { // acquire: extent
		return h, false, nil
	}
	crashpoint.Hit("lane.held")
	h = held{spot: p, was: state}
	g := s.geo
	if p.e == nil {
		if h.off, h.n, ok = s.recorded(p); !ok {
			return held{}, false, fmt.Errorf("%w: record at %d of lane %d, which is held", ErrCorrupt, p.at, p.lane)
		}
		return h, true, nil
	}
	off, n := p.e.offset.Load(), p.e.length.Load()
	if n > uint64(g.held+g.big) || off > uint64(g.held+g.big)-n || n > uint64(s.opts.MaxMessage) {
		return held{}, false, fmt.Errorf("%w: extent of %d bytes at %d", ErrCorrupt, n, off)
	}
	h.off, h.n = uint64(g.at(p.lane)+g.hold)+off, n
	if off >= uint64(g.held) {
		h.size = min(uint64(roundUp(int(max(n, 1)), zoneUnit)), uint64(g.held+g.big)-off)
	}
	return h, true, nil
}

func (s *shared) message(h held) []byte { return s.bytes[h.off : h.off+h.n : h.off+h.n] }

// release gives back what h holds, as the end me. It says whether that was still held.
//
// release: extent. Pairs with "acquire: extent" where the producer reads that it is
// free, and where whoever frees a chunk does.
func (s *shared) release(h held, me chunkWord) bool {
	free := h.was.free()
	if h.size == 0 {
		if !h.state.CompareAndSwap(uint64(h.was), uint64(free)) {
			return false // somebody has overwritten it
		}
	} else {
		// Only whoever has won this may punch: afterwards the memory can be another's.
		freeing := h.was&^phaseMask | phaseFreeing
		if !h.state.CompareAndSwap(uint64(h.was), uint64(freeing)) {
			return false
		}
		crashpoint.Hit("lane.freeing")
		if shmfile.Punch(s.file, int64(h.off), int64(h.size)) != nil {
			free |= unpunched
		}
		h.state.CompareAndSwap(uint64(freeing), uint64(free))
	}
	crashpoint.Hit("lane.released")
	s.freed(h.spot, me)
	return true
}

// freed gives the memory of what was at p back, if that was the last in its chunk, and
// wakes the lane's producer, if it waits for an extent, and whoever waits for the end of
// a stream whose last messages are held, or until all are finished.
func (s *shared) freed(p spot, me chunkWord) {
	if p.e == nil {
		s.settle(p.lane, s.chunkOf(p.at), me)
	} else if l := &s.lanes[p.lane]; l.asleep.Load() == forExtent {
		_ = futex.WakeClear(&l.asleep)
	}
	if s.opts.Redeliver && s.h.ended.Load() != 0 {
		s.wakeAll()
	}
	if s.opts.Leases {
		s.countDown()
	}
}

// giveUp makes what a consumer held at p, which will not receive any more, available
// again, or free. was is the state that it was seen in. The pages of a big extent are
// left to the producer: it may be somebody else's before this process comes to it.
func (s *shared) giveUp(p spot, was extentState, me chunkWord) (again bool) {
	next := was.free()
	if p.e != nil {
		next |= unpunched
	}
	if s.opts.Redeliver && was.phase() == phaseHeld {
		next = was.nextUse(p.e == nil) | phaseAgain | redelivered
	}
	if !p.state.CompareAndSwap(uint64(was), uint64(next)) {
		return false
	}
	crashpoint.Hit("lane.buried")
	if next.phase() == phaseAgain {
		return true
	}
	s.freed(p, me)
	return false
}

// bury gives up everything that the consumer in seat x held. gone is asked after
// each state has been read, and says that what this state says is a consumer's who
// will do nothing any more: then the state, which is never the same twice, may be
// changed at any time. bury says whether it was so to the end. me is who buries.
func (s *shared) bury(x int, me chunkWord, gone func() bool) bool {
	again, all := false, true
	s.eachOut(trace{}, me, func(p spot, was extentState, _ trace) bool {
		if was.phase() == phaseAgain || was.seat() != x {
			return true
		}
		if all = gone(); all {
			again = s.giveUp(p, was, me) || again
		}
		return all
	})
	if !all {
		return false
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
// again a consumer now and then. Of the living it reads no more than the presence. me is
// who does it, nobody for a process without a role.
func (s *shared) tidy(me chunkWord) (did bool) {
	used := s.usedSeats()
	for x := range used {
		c := &used[x]
		w, arrivals := c.Word.Load(), c.Arrivals.Load()
		if robust.StateOf(w) != robust.Dead || c.buried.Load() == arrivals+1 || !c.Gone() {
			continue
		}
		if s.bury(x, me, func() bool {
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
func (s *shared) heldByOthers(x int) (held bool) {
	s.eachOut(trace{}, nobody, func(_ spot, was extentState, _ trace) bool {
		held = was.phase() == phaseAgain || was.phase() == phaseHeld && was.seat() != x
		return !held
	})
	return held
}
