package ringbuf

import (
	"context"
	"fmt"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/robust"
)

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
