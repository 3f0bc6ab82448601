package ringbuf

import (
	"context"
	"fmt"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/mem"
	"github.com/shmkit/shmkit/internal/robust"
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

// join takes a lane. After an error this end has none.
func (p *laneProducer) join(ctx context.Context, trust robust.Trust, i int) error {
	g := p.s.geo
	p.allocate = func(i int) error {
		from := 0
		switch { // a table of leases is allocated as it is used
		case p.s.opts.Leases && g.chunk != 0:
			from = g.words
		case p.s.opts.Leases:
			from = g.slots
		}
		return p.s.allocate(int64(g.at(i)+from), int64(g.fixed()-from))
	}
	if err := p.laneSender.join(ctx, trust, i); err != nil {
		return err
	}
	err := p.resume()
	if err != nil {
		p.mine.Leave()
		p.holds = false
	}
	return err
}

// resume goes on where the lane stands.
func (p *laneProducer) resume() error {
	g, s := p.s.geo, p.s
	at := g.at(p.i)
	if err := p.laneSender.begin(); err != nil {
		return err
	}
	p.data = s.bytes[at+g.slots:][:g.capacity:g.capacity]
	p.large = s.bytes[at+g.hold:][: g.held+g.big : g.held+g.big]
	p.ext.init(s.file, int64(at+g.hold), s.table(p.i), g)
	if s.opts.Leases {
		p.ext.more = p.more
	}
	published, err := p.published()
	if err == nil && s.sparse() {
		err = p.resumeChunks()
	}
	if err != nil {
		return err
	}
	return p.ext.rebuild(published)
}

// published walks the records that are published and not taken, as far as the stream
// goes, and returns the extents that they name. Consumers may take meanwhile, which
// changes no record.
func (p *laneProducer) published() (map[uint32]extentState, error) {
	found := map[uint32]extentState{}
	at, to := p.limit-p.size, p.tail
	if cut := p.l.cut.Load(); cut != 0 && cut&^1-at < to-at {
		to = cut &^ 1
	}
	if p.s.sparse() {
		return p.publishedInChunks(at, to)
	}
	for at != to {
		rest := to - at
		h := wordAt(p.data[at&(p.size-1):]).Load()
		n := h & numberMask
		size := uint64(0)
		switch h & kindMask {
		case kindInline:
			size = recordSize(min(n, p.size))
		case kindFiller:
			size = n
		case kindExtent:
			size = extentRecord
			if n >= uint64(len(p.ext.table)) || size > p.size-at&(p.size-1) {
				return nil, fmt.Errorf("%w: extent %d at %d", ErrCorrupt, n, at)
			}
			found[uint32(n)] = extentState(wordAt(p.data[at&(p.size-1)+recordHeader:]).Load())
		}
		if size == 0 || size > rest || size%recordUnit != 0 || at&(p.size-1)+size > p.size {
			return nil, fmt.Errorf("%w: record %x at %d", ErrCorrupt, h, at)
		}
		at += size
	}
	return found, nil
}

// more is the lane's table with entries that were never used.
func (p *laneProducer) more() ([]extent, error) {
	g, n := p.s.geo, len(p.ext.table)
	to := min(n+moreEntries, g.table)
	if n == to {
		return nil, ErrFull
	}
	if err := p.s.allocate(int64(g.at(p.i)+n*extentSize), int64((to-n)*extentSize)); err != nil {
		return nil, err
	}
	crashpoint.Hit("lease.allocated")
	p.l.entries.Store(uint32(to)) // before a record names one of them
	crashpoint.Hit("lease.raised")
	return p.s.entries(p.i, to), nil
}

// moreEntries is how many entries of a table begin to be used at a time.
const moreEntries = 256

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

// sendBatch is Producer.SendBatch.
func (p *laneProducer) sendBatch(ctx context.Context, messages [][]byte) (sent int, err error) {
	if !p.enter() {
		p.leave()
		return 0, ErrClosed
	}
	p.drop()
	if p.s.opts.MaxMessages > 0 {
		sent, err = p.putBatch(ctx, messages)
		p.leave()
		return sent, err
	}
	published := p.tail
	var n, bytes uint64
	flush := func() error {
		if n == 0 {
			return nil
		}
		to := p.tail
		p.tail, p.seq = published, p.seq-n
		k := n
		n = 0 // also if the stream has ended: nothing is published twice
		if err := p.publish(to, k, bytes); err != nil {
			published = p.tail
			return err
		}
		sent += int(k)
		published, bytes = p.tail, 0
		return nil
	}
	for _, b := range messages {
		room, from, to, e := p.find(ctx, uint64(len(b)), n == 0)
		if e == ErrFull && n > 0 { // others are to have these before this one waits
			if err = flush(); err != nil {
				break
			}
			room, from, to, e = p.find(ctx, uint64(len(b)), true)
		}
		if e != nil {
			err = e
			break
		}
		mem.Copy(room, b)
		p.finish(from, uint64(len(b)))
		p.tail = to
		p.seq++
		n, bytes = n+1, bytes+uint64(len(b))
		if p.tail-published >= batchBytes || bytes >= batchBytes {
			if err = flush(); err != nil {
				break
			}
		}
	}
	if e := flush(); err == nil {
		err = e
	}
	p.tail = published
	if p.s.sparse() {
		p.limit = p.edge(p.tail)
	}
	p.leave()
	return sent, err
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

// putBatch is sendBatch where there is a bound: small messages are claimed and
// published together, as many as there are places for.
func (p *laneProducer) putBatch(ctx context.Context, messages [][]byte) (sent int, err error) {
	for sent < len(messages) {
		p.gather(messages[sent:])
		if len(p.ends) < 2 {
			if err := p.put(ctx, messages[sent], true); err != nil {
				return sent, err
			}
			sent++
			continue
		}
		got, left := p.claim(uint64(len(p.ends)))
		if all := p.ends[len(p.ends)-1]; got == 0 {
			p.unwrite(p.tail, all)
		} else {
			p.unwrite(p.ends[got-1], all)
		}
		if got == 0 {
			if err = p.refused(ctx, true); err == nil {
				err = p.waitPlace(ctx, true)
			}
			if err != nil {
				return sent, err
			}
			continue
		}
		err := p.publish(p.ends[got-1], got, p.sizes[got-1])
		p.settled(left)
		if err != nil {
			return sent, err
		}
		sent += int(got)
	}
	return sent, nil
}

// gather writes the records of the messages at the beginning that are small and have
// room, and notes where each ends, and how many bytes there are up to it.
func (p *laneProducer) gather(messages [][]byte) {
	p.ends, p.sizes = p.ends[:0], p.sizes[:0]
	tail, seq, bytes := p.tail, p.seq, uint64(0)
	for _, b := range messages {
		n := uint64(len(b))
		from, to := p.span(p.s.recordSize(n))
		if p.s.sparse() { // into another chunk goes a message alone
			from, to = p.tail, p.tail+p.s.recordSize(n)
		}
		if len(b) > p.inline || p.tail-tail >= batchBytes || p.broken != nil || !p.fits(to-p.tail) {
			break
		}
		at := from&(p.size-1) + recordHeader
		mem.Copy(p.data[at:at+n], b)
		p.finish(from, n)
		bytes += n
		p.tail, p.seq = to, p.seq+1
		p.ends, p.sizes = append(p.ends, to), append(p.sizes, bytes)
	}
	p.tail, p.seq = tail, seq
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
