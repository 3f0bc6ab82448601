package ringbuf

import (
	"context"
	"fmt"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/mem"
)

// laneChunks is what a producer knows of the chunks of its lane. While it is in one, its
// limit is where the last record there must end: so the common case asks nothing else.
type laneChunks struct {
	ready uint64     // a chunk that has memory and in which nothing is published, plus one
	after mem.Uint64 // private: where the search for a chunk begins, for the look
}

// me names this producer in the words of chunks that it frees.
func (p *laneProducer) me() chunkWord { return freer(maxEnds+p.i, p.mine) }

// edge is where the last record of the chunk must end in which the byte before at lies.
func (p *laneProducer) edge(at uint64) uint64 {
	if at == 0 {
		return 0
	}
	size := uint64(p.s.geo.chunk)
	return (at-1)/size*size + size - p.s.geo.slack()
}

// write says of the record at at that it is one, before it is published, and dates it.
func (p *laneProducer) write(at uint64) {
	if p.s.fated() {
		fate, ready := p.s.fateAt(p.i, at)
		fate.StoreRelease(uint64(ready)) // with the message; release: extent
		crashpoint.Hit("fate.ready")
	}
}

// unwrite takes back what write said of records from at on, up to to in the same chunk,
// which are not published and will not be.
func (p *laneProducer) unwrite(at, to uint64) {
	if !p.s.fated() {
		return
	}
	live, fates := p.s.living(p.s.chunkOf(at)), p.s.fates(p.i, p.s.chunkOf(at))
	for k := p.s.placeOf(at); k < len(fates) && at < to; k, at = k+1, at+placeSize {
		if f := extentState(fates[k].Load()); f.in(live) && f != 0 {
			fates[k].Store(0)
			crashpoint.Hit("fate.wiped")
		}
	}
}

// entered is called when the record at from has been written.
func (p *laneProducer) entered(from uint64) {
	p.limit = p.edge(from + recordUnit)
	p.chunks.ready = 0
}

// roomInChunk waits until a record of size bytes has room, and returns where it begins
// and ends.
func (p *laneProducer) roomInChunk(ctx context.Context, size uint64, wait bool) (from, to uint64, err error) {
	if p.fits(size) {
		return p.tail, p.tail + size, nil
	}
	for w := (patience{}); ; {
		if err := p.open(); err != nil {
			return 0, 0, err
		}
		if size <= p.limit-p.tail {
			return p.tail, p.tail + size, nil
		}
		c, what, err := p.nextChunk()
		if err == nil {
			from = c * uint64(p.s.geo.chunk)
			return from, from + size, nil
		}
		if err != ErrFull || !wait {
			return 0, 0, err
		}
		p.s.sweep(p.me())
		if err := p.doze(ctx, &w, what); err != nil {
			return 0, 0, err
		}
	}
}

// nextChunk finds a chunk for the next record and gives it memory. If it returns ErrFull
// there is none, and what says what to wait for.
func (p *laneProducer) nextChunk() (c uint64, what uint32, err error) {
	size := uint64(p.s.geo.chunk)
	if p.tail != 0 {
		c = p.tail/size + 1
	}
	p.chunks.after.Store(c)
	for what = forRoom; ; c++ {
		head := p.l.head.Load() // acquire: taken
		p.heard.Acquire()
		if p.tail-head > p.size {
			return 0, 0, p.breaks(fmt.Errorf("%w: tail %d, head %d", ErrCorrupt, p.tail, head))
		}
		note(&p.l.high, p.tail-head)
		switch used, err := false, error(nil); {
		case (c+1)*size-head > p.size:
			p.wish((c+1)*size - p.tail)
			p.ready = p.roomy
			if what == forChunk {
				p.ready = p.usable
			}
			return 0, what, ErrFull
		case c+1 == p.chunks.ready:
			return c, 0, nil
		default:
			if used, err = p.takeChunk(c); used || err != nil {
				return c, 0, err
			}
		}
		what = forChunk
		if p.tail == 0 { // there is no place for a filler
			p.ready = p.usable
			return 0, what, ErrFull
		}
	}
}

// takeChunk gives chunk c memory, unless somebody is freeing it who is not gone.
func (p *laneProducer) takeChunk(c uint64) (bool, error) {
	s, turn := p.s, p.s.turnOf(c)
	word := s.chunkWord(p.i, c)
	live := chunkWord(turn<<turnShift) | chunkLive
	for range enough {
		w := chunkWord(word.Load())
		since := w.since(turn)
		switch {
		case since > 0:
			return false, p.breaks(fmt.Errorf("%w: word %x of chunk %d of lane %d", ErrCorrupt, w, c, p.i))
		case w.freeing() && !s.freerGone(w):
			return false, nil
		case w.phase() == chunkLive && since < 0 && !s.drained(p.i, c+uint64(int64(since))*s.slotsIn(), p.me()):
			return false, nil
		}
		// Also where it was live in this turn: a predecessor has died since.
		if word.CompareAndSwap(uint64(w), uint64(live)) {
			crashpoint.Hit("chunk.live")
			// Always: whoever made it live before may have died before this.
			err := s.allocate(s.chunkAt(p.i, c), int64(s.geo.chunk))
			if err != nil {
				s.freeChunk(p.i, c, live, p.me())
				return false, err
			}
			crashpoint.Hit("chunk.allocated")
			if since == 0 && w.phase() != chunkEmpty {
				p.unwrite(c*uint64(s.geo.chunk), (c+1)*uint64(s.geo.chunk))
			}
			p.chunks.ready = c + 1
			return true, nil
		}
	}
	return false, nil
}

// usable says whether there is a chunk that this producer, which has found none, may
// take. The look asks it too.
func (p *laneProducer) usable() bool {
	s, l := p.s, p.l
	if s.h.ended.Load() != 0 {
		return true
	}
	size, head := uint64(s.geo.chunk), l.head.Load()
	c := p.chunks.after.Load()
	for range s.slotsIn() {
		if (c+1)*size-head > p.size {
			return false
		}
		w := chunkWord(s.chunkWord(p.i, c).Load())
		since := w.since(s.turnOf(c))
		switch {
		case w.freeing() && !s.freerGone(w):
		case w.phase() == chunkLive && since < 0 && !s.drained(p.i, c+uint64(int64(since))*s.slotsIn(), p.me()):
		default:
			return true
		}
		if c++; c == 1 {
			return false
		}
	}
	return false
}

// resumeChunks is resume for a sparse lane.
func (p *laneProducer) resumeChunks() error {
	s := p.s
	p.chunks.ready = 0
	p.limit = p.edge(p.tail)
	if p.tail != 0 {
		c := s.chunkOf(p.tail)
		live := chunkWord(s.turnOf(c)<<turnShift) | chunkLive
		if w := s.chunkWord(p.i, c).Load(); p.tail > p.limit || w != uint64(live) {
			return fmt.Errorf("%w: chunk word %x at tail %d", ErrCorrupt, w, p.tail)
		}
		p.unwrite(p.tail, (c+1)*uint64(s.geo.chunk))
	}
	s.sweep(p.me())
	return nil
}

// publishedInChunks is published for a sparse lane: what consumers take vanishes under
// the walk, which then goes on at the head. What it passes over so was taken.
func (p *laneProducer) publishedInChunks(at, to uint64) (map[uint32]extentState, error) {
	found := map[uint32]extentState{}
	for at != to {
		r := p.record(at)
		h := wordAt(r).Load()
		rest := min(to-at, roomAt(uint64(p.s.geo.chunk), at, p.s.geo.slack()))
		var generation extentState
		if rest >= p.s.extentRecord() {
			generation = extentState(wordAt(r[recordHeader:]).Load())
		}
		if head := p.l.head.Load(); int64(head-at) > 0 {
			p.s.touchUp(p.i, p.s.chunkOf(at), p.me())
			if at = head; int64(to-at) < 0 || at%recordUnit != 0 {
				return nil, fmt.Errorf("%w: tail %d, head %d", ErrCorrupt, to, head)
			}
			continue
		}
		n := h & numberMask
		size := uint64(0)
		switch h & kindMask {
		case kindInline:
			size = p.s.recordSize(min(n, p.size))
		case kindFiller:
			if (at+n)%uint64(p.s.geo.chunk) == 0 {
				size, rest = n, to-at-1
			}
		case kindExtent:
			size = p.s.extentRecord()
			if n >= uint64(len(p.ext.table)) {
				size = 0
			}
			found[uint32(n)] = generation
		}
		if size == 0 || size > rest {
			return nil, fmt.Errorf("%w: record %x at %d", ErrCorrupt, h, at)
		}
		at += size
	}
	return found, nil
}

// leaveChunks gives back, when this producer leaves, a chunk that it has not used.
func (p *laneProducer) leaveChunks() {
	if c := p.chunks.ready; c != 0 {
		p.chunks.ready = 0
		p.s.freeChunk(p.i, c-1, chunkWord(p.s.turnOf(c-1)<<turnShift)|chunkLive, p.me())
	}
}
