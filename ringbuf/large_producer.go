package ringbuf

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/mem"
)

// largeSender is what a Producer has for large messages.
type largeSender struct {
	*largeMemory
	ext  extents
	room []byte // what Reserve gave out: an extent, under construction
}

// beginLarge makes the book of the extents, once this process has the role. m is nil
// if there are none.
func (p *Producer) beginLarge(m *largeMemory) error {
	if m == nil {
		return nil
	}
	l := &largeSender{largeMemory: m}
	l.ext.init(m.file, m.base, m.table, geometry{big: len(m.bytes)})
	l.ext.keep = m.keep
	p.large = l
	p.resign = func() {
		p.dropLarge()
		l.ext.giveAll()
	}
	published := map[uint32]extentState{}
	err := p.largeRecords(p.limit-p.size, func(_ uint64, r largeRecord) bool {
		published[r.entry] = r.generation
		return true
	})
	if err == nil {
		err = l.ext.rebuild(published)
	}
	if err != nil {
		p.mine.Leave()
		p.holds = false
	}
	return err
}

// largeRecords calls f with the published records of large messages that follow head,
// and where each ends, until f returns false. A consumer may release meanwhile, which
// changes no record.
func (p *Producer) largeRecords(head uint64, f func(end uint64, r largeRecord) bool) error {
	for at := head; at != p.tail; {
		record := p.data[at&(p.size-1):]
		size := recordSize(min(binary.LittleEndian.Uint64(record), p.size))
		r, large := p.large.record(record)
		if large {
			size = extentRecord
		}
		if size > p.tail-at {
			return fmt.Errorf("%w: record at %d, %d bytes before the tail", ErrCorrupt, at, p.tail-at)
		}
		if at += size; large && !f(at, r) {
			return nil
		}
	}
	return nil
}

// extent waits until there is room for a large message of n bytes, and for its record,
// and returns the room. What was reserved in an extent is dropped.
func (p *Producer) extent(ctx context.Context, n uint64, wait bool) ([]byte, error) {
	l := p.large
	p.anew()
	if n > l.most && p.broken == nil {
		return nil, p.tooLarge(n)
	}
	for {
		if err := p.sender.room(ctx, extentRecord, wait); err != nil {
			return nil, err
		}
		head := p.limit - p.size
		off, err := l.ext.take(n)
		if err == nil {
			return l.bytes[off : off+n : off+n], nil
		}
		if err != ErrFull {
			return nil, err
		}
		// The head is stored after the extent was given back: without a large message
		// behind head all extents are free, and then there is room.
		oldest := head
		err = p.largeRecords(head, func(end uint64, _ largeRecord) bool { oldest = end; return false })
		if err == nil && oldest == head {
			err = fmt.Errorf("%w: no extent of %d bytes is free, and none is in use", ErrCorrupt, n)
		}
		if err != nil {
			return nil, p.breaks(err)
		}
		if err := p.sender.room(ctx, p.size-(p.tail-oldest), wait); err != nil {
			return nil, err
		}
	}
}

// publishLarge publishes the first n bytes of the extent under construction.
func (p *Producer) publishLarge(n int) {
	entry, generation := p.large.ext.commit(uint64(n))
	largeRecord{entry, generation}.put(p.data[p.tail&(p.size-1):])
	p.tail += extentRecord
	p.n++
	crashpoint.Hit("large.recorded")
	p.commit()
}

// sendLarge is send for a message that does not fit the ring.
func (p *Producer) sendLarge(ctx context.Context, b []byte, wait bool) error {
	room, err := p.extent(ctx, uint64(len(b)), wait)
	if err != nil {
		return err
	}
	mem.Copy(room, b)
	crashpoint.Hit("large.written")
	p.publishLarge(len(b))
	p.writing = false
	return nil
}

// reserveLarge is reserve for a message that does not fit the ring.
func (p *Producer) reserveLarge(ctx context.Context, n uint64) ([]byte, error) {
	room, err := p.extent(ctx, n, true)
	if err != nil {
		return nil, err
	}
	p.large.room = room
	p.peerWord = noWord // so that whatever else is sent comes to space, which drops this
	return room, nil
}

// commitLarge is Commit when nothing, or less, is reserved in the ring itself.
func (p *Producer) commitLarge(n int) error {
	l := p.large
	if p.writing || l == nil {
		return ErrNotReserved
	}
	commit := func() error {
		defer p.leave()
		if !p.enter() {
			return ErrClosed
		}
		if n < 0 || l.room == nil || n > len(l.room) {
			return ErrNotReserved
		}
		l.room = nil
		p.publishLarge(n)
		return nil
	}
	if p.guarded {
		return p.guard(commit)
	}
	return commit()
}

// anew drops what is reserved in an extent, within a call; of an end that is closed it
// may be another's by now.
func (p *Producer) anew() {
	if !p.closed.Load() {
		p.dropLarge()
	}
}

// dropLarge gives up the extent that is reserved, if one is.
func (p *Producer) dropLarge() {
	if p.large != nil {
		p.large.room = nil
		p.large.ext.abort()
	}
}
