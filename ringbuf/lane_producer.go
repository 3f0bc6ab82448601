package ringbuf

import (
	"context"
	"fmt"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/mem"
)

// A record begins at a multiple of 8 and never wraps:
//
//	0 8  head: in bits 62 and 63 what it is, in bits 32 to 61 the running number of the
//	     message in its lane (of a filler, of the message behind it), below that a size
//	     or an entry
//	8    inline: a message of so many bytes, then up to 7 of anything
//	8 8  extent: the message is in that entry of the table, in this generation
//	     filler: nothing, so many bytes with the head, at the end of the lane
const (
	kindInline uint64 = iota << 62
	kindExtent
	kindFiller
	kindMask = 3 << 62

	numberMask = 1<<32 - 1

	extentRecord = 16

	// inlineMost is the largest message that is copied into a record: where several
	// consumers want it, all of them may copy it before one gets it.
	inlineMost = 1024
)

// laneProducer is the sending end of a Ring with many ends.
type laneProducer struct {
	laneSender
	data   []byte // the lane's records
	large  []byte // its extents
	ext    extents
	max    uint64
	inline int // messages up to this size are in records, -1 for none

	freed    func() bool // an extent was given back since there was no room
	room0    []byte      // what Reserve gave out
	reserved bool
	start    uint64 // where its record begins, if it is inline

	ends, sizes []uint64   // of a batch under a bound: where its messages end, their bytes so far
	chunks      laneChunks // if the lane is sparse
}

func (p *laneProducer) init(e *end, s *shared) {
	p.laneSender.init(e, s, uint64(s.geo.capacity))
	p.max = uint64(s.opts.MaxMessage)
	p.inline = inlineMost
	if s.holds() {
		p.inline = -1
	}
	p.freed = func() bool { return s.freeExtents(p.i) != p.free.Load() || s.h.ended.Load() != 0 }
	p.resign = p.drop
	if s.sparse() {
		p.inline = chunkMost
		p.laneSender.usable = p.usable
		p.resign = func() {
			p.drop()
			p.leaveChunks()
		}
	}
}

// span returns where a record of size bytes would begin, and where it would end,
// with a filler before it if need be.
func (p *laneProducer) span(size uint64) (from, to uint64) {
	from = p.tail
	if left := p.size - from&(p.size-1); left < size {
		from += left
	}
	return from, from + size
}

// fill puts a filler between tail and from.
func (p *laneProducer) fill(from uint64) {
	if from != p.tail {
		wordAt(p.data[p.tail&(p.size-1):]).StoreRelaxed(kindFiller | p.stamp() | (from - p.tail))
	}
}

func (p *laneProducer) record(at uint64) []byte { return p.data[at&(p.size-1):] }

// find waits until a message of n bytes has room, and returns it: in a record that
// begins at from, or in an extent.
func (p *laneProducer) find(ctx context.Context, n uint64, wait bool) (room []byte, from, to uint64, err error) {
	if p.broken != nil {
		return nil, 0, 0, p.broken
	}
	if n > p.max {
		return nil, 0, 0, fmt.Errorf("%w: %d bytes of at most %d", ErrTooLarge, n, p.max)
	}
	size := p.s.extentRecord()
	inline := int(n) <= p.inline
	if inline {
		size = p.s.recordSize(n)
	}
	if p.s.sparse() {
		if from, to, err = p.roomInChunk(ctx, size, wait); err != nil {
			return nil, 0, 0, err
		}
	} else if from, to = p.span(size); !p.fits(to - p.tail) {
		if err := p.room(ctx, to-p.tail, wait); err != nil {
			return nil, 0, 0, err
		}
	}
	if inline {
		at := from&(p.size-1) + recordHeader
		return p.data[at : at+n : at+n], from, to, nil
	}
	off, err := p.extent(ctx, n, wait)
	if err != nil {
		return nil, 0, 0, err
	}
	return p.large[off : off+n : off+n], from, to, nil
}

// extent waits until there is an extent for n bytes.
func (p *laneProducer) extent(ctx context.Context, n uint64, wait bool) (uint64, error) {
	off, err := p.ext.take(n)
	// Looking at a long table is not what one spins with.
	for w := (patience{begun: p.s.opts.Leases}); err == ErrFull; {
		p.s.tidy(p.me())
		// What comes back from here on is news.
		p.free.Store(p.s.freeExtents(p.i))
		if off, err = p.ext.take(n); err != ErrFull {
			break
		}
		if !wait {
			return 0, ErrFull
		}
		p.ready = p.freed
		if err := p.doze(ctx, &w, forExtent); err != nil {
			return 0, err
		}
		if err := p.open(); err != nil {
			return 0, err
		}
	}
	return off, err
}

// finish finishes the record for a message of n bytes that was written to what find
// returned.
func (p *laneProducer) finish(from, n uint64) {
	p.fill(from)
	r := p.record(from)
	if p.ext.pending == nil {
		wordAt(r).StoreRelaxed(kindInline | p.stamp() | n)
		p.write(from)
	} else {
		entry, g := p.ext.commit(n)
		wordAt(r).StoreRelaxed(kindExtent | p.stamp() | uint64(entry))
		wordAt(r[recordHeader:]).StoreRelaxed(uint64(g))
	}
	if p.s.sparse() {
		p.entered(from)
	}
	crashpoint.Hit("lane.written")
}

// dart is put in the common case, a small message for which there is room and nothing
// in the way, and says whether it was that.
func (p *laneProducer) dart(b []byte) (done bool, err error) {
	n := uint64(len(b))
	at, need := p.tail&(p.size-1), p.s.recordSize(n)
	if len(b) > p.inline || need > p.size-at || p.detour.Load() != special || p.reserved || !p.fits(need) {
		return false, nil
	}
	r := p.data[at : at+recordHeader+n]
	wordAt(r).StoreRelaxed(kindInline | p.stamp() | n)
	mem.Copy(r[recordHeader:], b)
	crashpoint.Hit("lane.copied")
	p.write(p.tail)
	return true, p.publish(p.tail+need, 1, n)
}

// send is Producer.Send.
func (p *laneProducer) send(ctx context.Context, b []byte, wait bool) error {
	if !p.enter() {
		p.leave()
		return ErrClosed
	}
	err := p.put(ctx, b, wait)
	p.leave()
	return err
}

// put is send in a call that has begun.
func (p *laneProducer) put(ctx context.Context, b []byte, wait bool) error {
	p.drop()
	for first := true; ; first = false {
		if !first || len(b) > p.inline { // else there is nothing to find in vain
			if err := p.waitPlace(ctx, wait); err != nil {
				return err
			}
		}
		room, from, to, err := p.find(ctx, uint64(len(b)), wait)
		if err != nil {
			return err
		}
		mem.Copy(room, b)
		if p.s.opts.MaxMessages == 0 {
			p.finish(from, uint64(len(b)))
			return p.publish(to, 1, uint64(len(b)))
		}
		if got, left := p.claim(1); got > 0 {
			return p.fulfil(from, to, uint64(len(b)), left)
		}
		p.ext.abort()
		if err := p.refused(ctx, wait); err != nil {
			return err
		}
	}
}

// fulfil is finish and publish after a claim.
func (p *laneProducer) fulfil(from, to, n uint64, left bool) error {
	p.finish(from, n)
	err := p.publish(to, 1, n)
	p.settled(left)
	return err
}

// probe is put without a message: nil if one of n bytes could be sent now.
func (p *laneProducer) probe(ctx context.Context, n uint64, wait bool) error {
	p.drop()
	err := p.waitPlace(ctx, wait)
	if err == nil {
		_, _, _, err = p.find(ctx, n, wait)
	}
	p.ext.abort()
	return err
}

// reserve is Producer.Reserve.
func (p *laneProducer) reserve(ctx context.Context, n int) ([]byte, error) {
	if !p.enter() {
		p.leave()
		return nil, ErrClosed
	}
	p.drop()
	err := p.waitPlace(ctx, true)
	var room []byte
	var from uint64
	if err == nil {
		room, from, _, err = p.find(ctx, uint64(n), true)
	}
	if err == nil {
		p.room0, p.start, p.reserved = room, from, true
	}
	p.leave()
	return room, err
}

// commit is Producer.Commit.
func (p *laneProducer) commit(n int) error {
	if !p.enter() {
		p.leave()
		return ErrClosed
	}
	if !p.reserved || n < 0 || n > len(p.room0) {
		p.leave()
		return ErrNotReserved
	}
	to := p.start + p.s.recordSize(uint64(n))
	if p.ext.pending != nil {
		to = p.start + p.s.extentRecord()
	}
	err := p.complete(to, uint64(n))
	p.leave()
	return err
}

// complete publishes what was reserved, the first n bytes of it.
func (p *laneProducer) complete(to, n uint64) error {
	left := false
	if p.s.opts.MaxMessages > 0 {
		p.ext.trim(n)
		for got := uint64(0); got == 0; {
			if got, left = p.claim(1); got > 0 {
				break
			}
			err := p.refused(context.Background(), true)
			if err == nil {
				err = p.waitPlace(context.Background(), true)
			}
			if err != nil {
				p.drop()
				return err
			}
		}
		defer func() { p.settled(left) }()
	}
	p.finish(p.start, n)
	p.reserved, p.room0 = false, nil
	return p.publish(to, 1, n)
}

// drop gives up what was reserved.
func (p *laneProducer) drop() {
	if p.reserved {
		p.reserved, p.room0 = false, nil
		p.ext.abort()
	}
}

// closeSend is Producer.CloseSend.
func (p *laneProducer) closeSend() error {
	if !p.enter() {
		p.leave()
		return ErrClosed
	}
	p.drop()
	p.s.endStream() // again, if it has ended: whoever did that may have died in it
	p.leave()
	return nil
}
