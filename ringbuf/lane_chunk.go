package ringbuf

import (
	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/mem"
	"github.com/shmkit/shmkit/internal/robust"
)

// Sparse lanes (Options.Grow). The records of a lane lie in chunks, which have memory
// while there is something to receive in them. Chunk c is the bytes from index c times
// the size of a chunk on; it lies in slot c mod n, and comes there in turn c / n. A
// record lies wholly in one chunk and ends 8 bytes before its end at the latest, so there
// is always memory for a filler at the tail, which leads to the beginning of a later
// chunk, over any number of others.
//
//	Empty -> Live     producer, before it allocates the memory: whoever dies there leaves
//	                  a word that says there may be some
//	Live -> Freeing   whoever gives the memory back: the head has left the chunk, and the
//	                  next one too, and what is held where it lies is finished (lane_fate.go)
//	Freeing -> Empty  it has done so
//	Live -> Live      producer, in a later turn: nobody has given it back
//	Freeing -> Live   producer, alike, when the freer has gone
//
// Each is one CAS from the value that was read. Only the freer punches, and while it is
// not gone nobody uses the chunk: so one that is stopped for an hour before it punches
// destroys nothing, and costs the lane one chunk, which the producer passes over.
//
// One chunk behind the head's stays, since consumers that read there when others are
// faster would otherwise meet holes all the time. A read through the map gives a hole a
// page: who finds that it has read in a chunk that is empty by now punches once more. Who
// has no role can be named by no word, and may not: it says that there may be memory. If
// the chunk is being freed, perhaps it was punched already: the freer hears of it.
//
//	Empty -> Live         who has no role and has read there; then it lowers the lane's low
//	Freeing -> Touched    anybody who has read there
//	Touched -> Freeing    the freer, which punches once more
//
// In all else Touched is Freeing.

// chunkWord is the state of a slot.
//
//	bits  0-1   phase
//	bits  2-11  who frees it: a seat, or maxEnds plus a lane
//	bits 12-37  and its Arrivals then
//	bits 38-63  turn, also when it is empty
type chunkWord uint64

const (
	chunkEmpty chunkWord = iota
	chunkLive
	chunkFreeing
	chunkTouched
	chunkPhase chunkWord = 3

	freerShift = 2
	freerMask  = 1<<10 - 1
	cameShift  = 12
	cameMask   = 1<<26 - 1
	turnShift  = 38

	// chunkSize is that of a chunk, chunkMost the largest message in a record of one,
	// leastChunks how many a lane has at least: two that hold what was received last,
	// one that a stopped freer may keep, one for the next message.
	chunkSize   = 1 << 18
	chunkMost   = 1 << 15
	leastChunks = 4
)

func (w chunkWord) phase() chunkWord { return w & chunkPhase }

func (w chunkWord) freeing() bool { return w.phase() >= chunkFreeing }

// empty and live are the states in w's turn.
func (w chunkWord) empty() chunkWord { return w >> turnShift << turnShift }
func (w chunkWord) live() chunkWord  { return w.empty() | chunkLive }

// since is by how many turns w is later than that one, negative if it is earlier.
func (w chunkWord) since(turn uint64) int32 { return int32(uint32(uint64(w>>turnShift)-turn)<<6) >> 6 }

// nobody is who has no role, and frees nothing.
const nobody = chunkPhase

// freer is how a word names the end in that place, a seat or maxEnds plus a lane.
func freer(place int, p *robust.Presence) chunkWord {
	return chunkWord(place)<<freerShift | chunkWord(p.Arrivals.Load()&cameMask)<<cameShift
}

// freerGone says whether the end that w names will not do anything any more.
func (s *shared) freerGone(w chunkWord) bool {
	var p *robust.Presence
	place := int(w >> freerShift & freerMask)
	switch lane := place - maxEnds; {
	case lane >= 0 && lane < len(s.lanes):
		p = &s.lanes[lane].Presence
	case lane < 0 && place < len(s.seats):
		p = &s.seats[place].Presence
	default: // nobody's
		return true
	}
	if uint64(p.Arrivals.Load()&cameMask) != uint64(w>>cameShift&cameMask) {
		return true // whoever has come since has waited for its end
	}
	switch robust.StateOf(p.Word.Load()) {
	case robust.Vacant:
		return true
	case robust.Dead:
		return p.Gone()
	}
	return false
}

func (s *shared) sparse() bool { return s.geo.chunk != 0 }

func (s *shared) chunkOf(index uint64) uint64 { return index / uint64(s.geo.chunk) }

// slotsIn is how many chunks of a lane can have memory at a time.
func (s *shared) slotsIn() uint64 { return uint64(s.geo.capacity / s.geo.chunk) }

func (s *shared) turnOf(c uint64) uint64 { return c / s.slotsIn() }

func (s *shared) chunkWord(i int, c uint64) *mem.Uint64 {
	words := slotsOf[mem.Uint64](s.bytes[s.geo.at(i)+s.geo.words:], int(s.slotsIn()))
	return &words[c%s.slotsIn()]
}

// chunkAt is where in the file chunk c of lane i lies.
func (s *shared) chunkAt(i int, c uint64) int64 {
	return int64(s.geo.at(i)+s.geo.slots) + int64(c%s.slotsIn())*int64(s.geo.chunk)
}

// spent says whether the head, which has left chunk c of lane i, leaves to be freed what
// w, the word of its slot, speaks of: that chunk or an earlier one. me is who asks.
func (s *shared) spent(i int, w chunkWord, c uint64, me chunkWord) bool {
	since := w.since(s.turnOf(c))
	if since > 0 {
		return false
	}
	if w.freeing() {
		return s.freerGone(w)
	}
	return w.phase() == chunkLive && s.drained(i, c+uint64(int64(since))*s.slotsIn(), me)
}

// freeChunk gives the memory of chunk c of lane i back, if its word is still was.
func (s *shared) freeChunk(i int, c uint64, was, me chunkWord) {
	word := s.chunkWord(i, c)
	freeing := was.empty() | me | chunkFreeing
	if !word.CompareAndSwap(uint64(was), uint64(freeing)) {
		return
	}
	crashpoint.Hit("chunk.freeing")
	for range enough {
		next := was.empty()
		if s.punch(s.chunkAt(i, c), int64(s.geo.chunk)) != nil {
			next = was.live()
		}
		crashpoint.Hit("chunk.punched")
		if word.CompareAndSwap(uint64(freeing), uint64(next)) || !word.CompareAndSwap(uint64(freeing|chunkTouched), uint64(freeing)) {
			break
		}
		crashpoint.Hit("chunk.again")
	}
	crashpoint.Hit("chunk.empty")
	s.chunkFreed(&s.lanes[i])
}

// chunkFreed wakes the lane's producer, if it waits for a chunk.
func (s *shared) chunkFreed(l *lane) {
	if l.asleep.Load() == forChunk {
		_ = futex.WakeClear(&l.asleep)
	}
}

// left is where in lane l the chunks begin and end that the head has left and that may
// have memory: one behind the head's is none of them.
func (s *shared) left(l *lane) (from, to uint64) {
	head, n := s.chunkOf(l.head.Load()), s.slotsIn()
	if head == 0 {
		return 0, 0
	}
	from, to = l.low.Load(), head-1
	if head >= n {
		from = max(from, head-n+1)
	}
	return min(from, to), to
}

// reclaim frees what the head of lane i has left, in so many chunks at most at either
// end of where there may be some.
func (s *shared) reclaim(i int, most uint64, me chunkWord) {
	from, to := s.left(&s.lanes[i])
	for c := from; c < to; c++ {
		if c == from+most {
			c = max(c, to-min(to, most))
		}
		if w := chunkWord(s.chunkWord(i, c).Load()); s.spent(i, w, c, me) {
			s.freeChunk(i, c, w, me)
		}
	}
	s.raiseLow(i)
}

// raiseLow raises the lane's low over what has been freed. No slot of a chunk below it
// holds anything of that chunk's turn or an older one, but what a later one's word
// speaks of, too.
func (s *shared) raiseLow(i int) {
	l := &s.lanes[i]
	for range s.slotsIn() {
		low := l.low.Load()
		from, to := s.left(l)
		if low >= to {
			return
		}
		if from == low {
			w := chunkWord(s.chunkWord(i, low).Load())
			if w.phase() != chunkEmpty && w.since(s.turnOf(low)) <= 0 {
				return
			}
			from++
		}
		if !l.low.CompareAndSwap(low, from) {
			continue
		}
		crashpoint.Hit("chunk.raised")
		// Who has read in it may have said meanwhile that there is something, and seen
		// that low is not above it yet.
		if w := chunkWord(s.chunkWord(i, low).Load()); from == low+1 && w.phase() == chunkLive && w.since(s.turnOf(low)) <= 0 {
			l.lowerLow(low)
			return
		}
	}
}

// lowerLow makes low at most c.
func (l *lane) lowerLow(c uint64) {
	for range enough {
		if low := l.low.Load(); low <= c || l.low.CompareAndSwap(low, c) {
			return
		}
	}
}

// sweep frees what the heads of all lanes have left.
func (s *shared) sweep(me chunkWord) {
	if !s.sparse() {
		return
	}
	for i := range s.usedLanes() {
		if from, to := s.left(&s.lanes[i]); from < to {
			s.reclaim(i, s.slotsIn(), me)
		}
	}
}

// touchUp is called by who has read in chunk c of lane i without knowing that the head
// stays there: it gives back the pages that this may have brought, or has others do it.
func (s *shared) touchUp(i int, c uint64, me chunkWord) {
	l := &s.lanes[i]
	if c+1 >= s.chunkOf(l.head.Load()) {
		return
	}
	word := s.chunkWord(i, c)
	for range enough {
		switch w := chunkWord(word.Load()); {
		case w.phase() == chunkLive:
			return
		case w.freeing():
			if word.CompareAndSwap(uint64(w), uint64(w|chunkTouched)) {
				crashpoint.Hit("chunk.marked")
				return
			}
		case me != nobody:
			s.freeChunk(i, c, w, me)
			return
		case word.CompareAndSwap(uint64(w), uint64(w.live())):
			crashpoint.Hit("chunk.touched")
			l.lowerLow(c)
			return
		}
	}
}
