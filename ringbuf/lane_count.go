package ringbuf

import (
	"fmt"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/mem"
)

// Counting. The messages of a lane have running numbers. Each record carries its
// own, so the number at the head stands in memory; the number at the tail is in one of
// two marks, each of which says which message comes next where a publication ended. A
// publication writes the mark that is not the tail's, and then the tail: so the tail has
// a mark at each instant, wherever the producer dies or is stopped, and what it has not
// published counts nothing. The cut has one too: it is a tail, and at most one
// publication lies behind it, since who has published there knows that the stream has
// ended.
//
// A mark: bits 32 to 63 the tail's eighth, bits 0 to 29 the number. As long as a head
// stays where it is, the tail is less than 2^35 bytes away, and its eighth unambiguous.

const (
	seqShift = 32
	seqBits  = 30
	seqMost  = 1<<seqBits - 1
	seqMask  = uint64(seqMost) << seqShift // in a record's head
)

// mostCounted is the largest capacity of a lane whose records carry numbers: sizes of
// fillers need 32 bits.
const mostCounted = 1 << (30 + ^uint(0)>>63)

// stamp is the number of the next message, as a record's head carries it.
func (s *laneSender) stamp() uint64 { return s.seq << seqShift & seqMask }

// mark writes the mark of the next tail, in front of which are n more messages.
func (s *laneSender) mark(tail, n uint64) {
	s.seq += n
	s.l.mark[s.other].StoreRelaxed(tail>>3<<32 | s.seq&seqMost)
	s.other ^= 1
	crashpoint.Hit("lane.marked")
}

// recount finds the number of the next message.
func (s *laneSender) recount() error {
	seq, i, ok := s.l.marked(s.tail)
	if !ok {
		return fmt.Errorf("%w: tail %d without a mark", ErrCorrupt, s.tail)
	}
	s.seq, s.other = seq, i^1
	return nil
}

// marked returns the number of the next message at tail, and where it stands.
func (l *lane) marked(tail uint64) (seq uint64, i int, ok bool) {
	for i := range l.mark {
		if m := l.mark[i].Load(); m>>32 == tail>>3&numberMask {
			return m & seqMost, i, true
		}
	}
	return 0, 0, false
}

// queued returns how many messages of lane i are published and not taken, and the
// number of the next one to be published. If the lane changes too fast, or what is there
// is garbage, it is at least so many, and not sure.
func (s *shared) queued(i int) (n, next uint64, sure bool) {
	l := &s.lanes[i]
	most := uint64(0)
	for range enough {
		head := l.head.Load()
		end := s.end(l)
		most = (end - head) / recordUnit
		if end-head > uint64(s.size()) || (end|head)%recordUnit != 0 {
			if l.head.Load() == head {
				return uint64(s.size()) / recordUnit, next, false
			}
			continue
		}
		if s.geo.table == 0 { // a slot each
			return most, end / recordUnit & seqMost, true
		}
		seq, _, ok := l.marked(end)
		if !ok {
			mem.Pause(1)
			continue
		}
		next = seq
		if head == end {
			if l.head.Load() == head {
				return 0, next, true
			}
			continue
		}
		first, _ := s.first(i, head, end)
		number := first.number
		if first.taken() {
			number++
		}
		if l.head.Load() == head {
			return min((seq-number)&seqMost, most), next, true
		}
	}
	return min(most, uint64(s.size())/recordUnit), next, false
}

// first reads the record at the head of lane i, behind a filler if there is one. ok says
// that it is sound, and that the head still stands there.
func (s *shared) first(i int, head, end uint64) (r firstRecord, ok bool) {
	size, c := uint64(s.geo.capacity), uint64(0)
	if end-head > size || (end|head)%recordUnit != 0 || head == end {
		return r, false
	}
	if s.sparse() {
		c = s.chunkOf(head)
		if w := chunkWord(s.chunkWord(i, c).Load()); w.phase() != chunkLive || w.since(s.turnOf(c)) != 0 {
			return r, false // the head has moved; a read would give the hole memory
		}
	}
	r, ok = s.firstAt(i, head, end)
	if s.lanes[i].head.Load() == head {
		return r, ok
	}
	if s.sparse() {
		s.touchUp(i, c, nobody)
		s.touchUp(i, s.chunkOf(r.at), nobody)
	}
	return r, false
}

func (s *shared) firstAt(i int, head, end uint64) (r firstRecord, ok bool) {
	size, unit, slack := uint64(s.geo.capacity), uint64(s.geo.capacity), uint64(0)
	if s.sparse() {
		unit, slack = uint64(s.geo.chunk), s.geo.slack()
	}
	data := s.bytes[s.geo.at(i)+s.geo.slots:][:size]
	at := head
	word := wordAt(data[at&(size-1):]).Load()
	r.number = word >> seqShift & seqMost
	if n := word & numberMask; word&kindMask == kindFiller && n != 0 && n%recordUnit == 0 && (at+n)&(unit-1) == 0 && n < end-head {
		at += n
		word = wordAt(data[at&(size-1):]).Load()
	}
	r.lane, r.at = i, at
	n, room := word&numberMask, min(end-at, roomAt(unit, at, slack))
	table := s.table(i) // once: how long it is may change
	switch {
	case word&kindMask == kindInline:
		if s.fated() {
			r.state, r.ready = s.fateAt(i, at)
			r.now = extentState(r.state.Load())
		}
		return r, s.recordSize(n) <= room
	case word&kindMask == kindExtent && n < uint64(len(table)) && s.extentRecord() <= room:
		r.spot, r.ready = inExtent(i, &table[n], wordAt(data[at&(size-1)+recordHeader:]).Load())
		r.now = extentState(r.state.Load())
		return r, true
	}
	return r, false
}

// firstRecord is the record at a lane's head.
type firstRecord struct {
	number     uint64 // of its message
	spot              // if it is held by who takes it; else state is nil
	ready, now extentState
}

// taken says whether somebody has taken it, who has not moved the head.
func (r *firstRecord) taken() bool { return r.now != r.ready }

// inExtent is where the message in e of lane i lies, and its state as long as nobody has
// taken it.
func inExtent(i int, e *extent, generation uint64) (p spot, ready extentState) {
	return spot{lane: i, state: &e.state, e: e}, extentState(generation) | phaseReady
}

// count returns how many messages are published and not received for the first time. It
// counts one lane after the other.
func (s *shared) count() (n uint64) {
	for i := range s.usedLanes() {
		k, _, _ := s.queued(i)
		n += k
	}
	if bound := s.bound(); bound > 0 { // there never are more, though lane after lane saw more
		n = min(n, bound)
	}
	return n
}

// unreceived is count, of a file that may be truncated.
func (s *shared) unreceived() int {
	var n uint64
	_ = guard(func() error { n = s.count(); return nil })
	return int(n)
}
