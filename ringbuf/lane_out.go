package ringbuf

// What is out: the messages that somebody holds, or that wait to be received again.

// trace is how far a walk through all that is out has come: through a lane's table, and
// then its chunks.
type trace struct {
	lane, entry int
	chunk       uint64
	place       int
}

// eachOut calls f, from a trace on, with the messages that somebody holds, or that wait to
// be received again, or whose extents are being freed, and their traces, until f returns
// false. It reads holes only where others were faster, which it tidies up as the end me.
func (s *shared) eachOut(from trace, me chunkWord, f func(p spot, was extentState, at trace) bool) {
	for i := range s.usedLanes() {
		if i < from.lane {
			continue
		}
		if i > from.lane {
			from = trace{lane: i}
		}
		if !s.outOfTable(from, f) || s.fated() && !s.outOfChunks(from, me, f) {
			return
		}
	}
}

func (s *shared) outOfTable(at trace, f func(p spot, was extentState, at trace) bool) bool {
	table := s.table(at.lane)
	for ; at.entry < len(table); at.entry++ {
		e := &table[at.entry]
		was := extentState(e.state.Load())
		if (was.out() || was.phase() == phaseFreeing) && !f(spot{at.lane, &e.state, e, 0}, was, at) {
			return false
		}
	}
	return true
}

// outOfChunks looks where low and the head say that there may be something, and at the
// record at the head: who has taken that may have been stopped.
func (s *shared) outOfChunks(at trace, me chunkWord, f func(p spot, was extentState, at trace) bool) bool {
	i, n := at.lane, s.slotsIn()
	l := &s.lanes[i]
	for range enough {
		low := l.low.Load() // before the head
		head, end := l.head.Load(), s.end(l)
		last := s.chunkOf(head)
		if last >= n {
			low = max(low, last-n+1)
		}
		for p := max(min(low, last), at.chunk); p <= last; p++ {
			if p != at.chunk {
				at.chunk, at.place = p, 0
			}
			if !s.outOfChunk(at, head, me, f) {
				return false
			}
		}
		r, ok := s.first(i, head, end)
		if ok && r.e == nil && r.now.in(chunkWord(r.ready)) && r.now.out() && !f(r.spot, r.now, at) {
			return false
		}
		if l.head.Load() == head {
			break
		}
		at.chunk, at.place = last, s.placeOf(head) // it has passed what is there
	}
	return true
}

// outOfChunk looks at the chunk that lies in the slot of chunk at.chunk: that one or an
// earlier one, in which something is held since.
func (s *shared) outOfChunk(at trace, head uint64, me chunkWord, f func(p spot, was extentState, at trace) bool) bool {
	i := at.lane
	w := chunkWord(s.chunkWord(i, at.chunk).Load())
	since := w.since(s.turnOf(at.chunk))
	if w.phase() != chunkLive || since > 0 {
		return true
	}
	c := at.chunk + uint64(int64(since))*s.slotsIn()
	fates := s.fates(i, c)
	at.place = max(at.place, s.floor(s.floorWord(i, c).Load(), c))
	goOn := true
	for end := s.passed(head, c); goOn && at.place < end; at.place++ {
		if was := extentState(fates[at.place].Load()); was.out() && was.in(w) {
			goOn = f(spot{i, &fates[at.place], nil, s.indexOf(c, at.place)}, was, at)
		}
	}
	s.touchUp(i, c, me)
	return goOn
}
