package ringbuf

import (
	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/mem"
)

// Fates. In a sparse lane a message is held where it lies. A chunk is divided into places
// of 32 bytes, and a record begins at one; at the end of the chunk there is a word for
// each place, the fate of the record there. The producer writes it before it publishes the
// record. It is an extentState, whose generation begins with the turn of the chunk:
//
//	(of an earlier turn)    no record begins there
//	       -> Ready         producer, before it publishes the record
//	Ready -> Held           the consumer that takes the message
//	Held  -> Free           it is done with it, or it died or left: finished, for this turn
//	Held  -> Again          it died or left, and the ring redelivers; in the next use
//	Again -> Held           the consumer that takes it then
//
// Each but the first is one CAS from the value that was read. Fates lie at the same bytes
// in every turn, and nothing else ever does; what is punched reads as turn 0, place free.
// So whoever was stopped for an hour before its CAS finds another turn, or another use, and
// changes nothing. A message may be received again 2^21 times before its uses repeat.
//
// Whoever takes makes the fate Held before the head passes the record, so in front of the
// head nothing is Ready, and only the record at the head may be Held behind it. What is
// written and not published is wiped out by whoever publishes next: the producer itself
// where a bound has let it publish less than it wrote, or the lane's next producer.
//
// A chunk has memory until the head has left it and all its records are finished. Its floor,
// a word beside that of the chunk, which is never punched, says before which place all are.
// That is so for ever, in that turn. Whoever finishes a message looks at the fate at the
// floor, and if that one is finished raises the floor over all that are; then looks once
// more at the one where it stopped. Two that finish neighbours: either the one who raises
// sees the other's fate, or the other one sees the new floor. Who moves the head into
// another chunk looks too. So whoever comes last frees the chunk, and pays for no more than
// what it raises the floor over. Who dies between the two leaves a floor that is too low:
// whoever finishes the next message in that chunk finds it, and so does each sweep.
//
// A floor is a word that says where it is in which turn; of another turn it says nothing.
// Who is stopped before raising it finds another word, or raises it in its own turn, which
// says nothing any more.
//
// The producer comes round to a chunk in which something is unfinished and passes over
// it, as over one that a stopped freer has. So what is held longest costs its chunk alone.

const (
	placeSize = 32
	placeBits = 32 // of a floor; above turnShift is the turn
	usesShift = 17 // of a fate's uses, below its turn
)

// fatesIn is how many fates a chunk of that size has: all places that are not fates.
func fatesIn(chunk int) int { return (chunk + placeSize + 7) / (placeSize + 8) }

// fated says whether messages lie in records that have fates.
func (s *shared) fated() bool { return s.geo.fates != 0 }

// slack is what no record of a sparse lane reaches into at the end of its chunk: the
// filler's word, and the fates.
func (g geometry) slack() uint64 { return recordUnit + 8*uint64(g.fates) }

// roomAt is how many bytes of a unit, a power of two, a record at at has that leaves slack at
// its end.
func roomAt(unit, at, slack uint64) uint64 { return max(unit-at&(unit-1), slack) - slack }

// recordSize is what the record of a message of n bytes takes in a lane.
func (s *shared) recordSize(n uint64) uint64 {
	if s.fated() {
		return (n + recordHeader + placeSize - 1) &^ (placeSize - 1)
	}
	return recordSize(n)
}

// extentRecord is what the record of an extent takes.
func (s *shared) extentRecord() uint64 {
	if s.fated() {
		return placeSize
	}
	return extentRecord
}

// nextUse is the generation behind s's, of the same turn if s is a fate.
func (s extentState) nextUse(fate bool) extentState {
	next := s.generation() + oneUse
	if fate {
		next = s>>turnShift<<turnShift | next&(1<<turnShift-1)
	}
	return next
}

// in says whether s is of the turn that w is of.
func (s extentState) in(w chunkWord) bool { return uint64(s)>>turnShift == uint64(w)>>turnShift }

// out says whether s is that of a message that is held, or waits to be received again.
func (s extentState) out() bool {
	p := s.phase()
	return p == phaseHeld || p == phaseAgain
}

// living is the word of chunk c while it has memory.
func (s *shared) living(c uint64) chunkWord {
	return chunkWord(s.turnOf(c)<<turnShift) | chunkLive
}

// fates are those of chunk c of lane i.
func (s *shared) fates(i int, c uint64) []mem.Uint64 {
	end := s.geo.at(i) + s.geo.slots + int(c%s.slotsIn()+1)*s.geo.chunk
	return slotsOf[mem.Uint64](s.bytes[end-8*s.geo.fates:end], s.geo.fates)
}

// fateAt is the fate of the record at index at of lane i, and what it is when that is
// published and not taken.
func (s *shared) fateAt(i int, at uint64) (fate *mem.Uint64, ready extentState) {
	c := s.chunkOf(at)
	return &s.fates(i, c)[s.placeOf(at)], extentState(s.turnOf(c)<<turnShift) | phaseReady
}

// placeOf is the place of the record at index at.
func (s *shared) placeOf(at uint64) int {
	return min(int(at%uint64(s.geo.chunk)/placeSize), s.geo.fates-1)
}

// indexOf is the index of the record at a place of chunk c.
func (s *shared) indexOf(c uint64, place int) uint64 {
	return c*uint64(s.geo.chunk) + uint64(place)*placeSize
}

// passed is how many places of chunk c the head has passed.
func (s *shared) passed(head, c uint64) int {
	switch h := s.chunkOf(head); {
	case h == c:
		return s.placeOf(head)
	case int64(h-c) > 0:
		return s.geo.fates
	}
	return 0
}

// recorded is where in the file the message of the record at p lies that has a fate, and
// how long it is.
func (s *shared) recorded(p spot) (off, n uint64, ok bool) {
	at := p.at & uint64(s.geo.capacity-1)
	off = uint64(s.geo.at(p.lane)+s.geo.slots) + at + recordHeader
	word := wordAt(s.bytes[off-recordHeader:]).Load()
	n = word & numberMask
	return off, n, word&kindMask == kindInline && n <= chunkMost && s.recordSize(n) <= roomAt(uint64(s.geo.chunk), at, s.geo.slack())
}

func (s *shared) floorWord(i int, c uint64) *mem.Uint64 {
	n := int(s.slotsIn())
	return &slotsOf[mem.Uint64](s.bytes[s.geo.at(i)+s.geo.words+8*n:], n)[c%uint64(n)]
}

// floor is the place of chunk c before which everything is finished, as far as word says.
func (s *shared) floor(word, c uint64) int {
	if word>>turnShift != s.turnOf(c)&(1<<(64-turnShift)-1) {
		return 0
	}
	return int(min(word&(1<<placeBits-1), uint64(s.geo.fates)))
}

// drained says whether everything is finished in chunk c of lane i, which was seen to have
// memory, and raises its floor. me is who asks.
//
// acquire: extent. Pairs with "release: extent".
func (s *shared) drained(i int, c uint64, me chunkWord) bool {
	if !s.fated() {
		return true
	}
	live, word, fates := s.living(c), s.floorWord(i, c), s.fates(i, c)
	read := false
	for range enough {
		was := word.Load()
		from := s.floor(was, c)
		if from == len(fates) {
			if read {
				s.touchUp(i, c, me)
			}
			return true
		}
		to, end := from, s.passed(s.lanes[i].head.Load(), c)
		for ; to < end; to++ {
			read = true
			if f := extentState(fates[to].Load()); f.in(live) && f.phase() != phaseFree {
				break
			}
		}
		if to == from {
			break
		}
		if word.CompareAndSwap(was, s.turnOf(c)<<turnShift|uint64(to)) {
			crashpoint.Hit("fate.raised")
		}
	}
	if read {
		s.touchUp(i, c, me)
	}
	return false
}

// settle is called when a message in chunk c of lane i was finished, by the end me, and
// frees the chunk if that was the last.
func (s *shared) settle(i int, c uint64, me chunkWord) {
	live := s.living(c)
	if chunkWord(s.chunkWord(i, c).Load()) != live || !s.drained(i, c, me) {
		return
	}
	l := &s.lanes[i]
	if me != nobody && c+1 < s.chunkOf(l.head.Load()) {
		s.freeChunk(i, c, live, me)
		s.reclaim(i, crossedMost, me) // with what who has no role has read there since
		return
	}
	s.chunkFreed(l) // the producer may use it
}
