package ringbuf

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/robust"
	"github.com/shmkit/shmkit/internal/shmfile"
)

// errAside is peek's for a record that is none of a message in the ring.
var errAside = errors.New("ringbuf: no message in the ring itself")

// largeReceiver is what a Consumer has for large messages.
type largeReceiver struct {
	*largeMemory
	e     *extent // of the message that is held
	state extentState
	at    span
}

// beginLarge finishes what a consumer that died had begun: it had released the large
// message at head and not stored the head. m is nil if there are no extents.
func (c *Consumer) beginLarge(m *largeMemory) error {
	if m == nil {
		return nil
	}
	c.large = &largeReceiver{largeMemory: m}
	if c.h.tail.Load()-c.head < extentRecord {
		return nil
	}
	r, ok := m.record(c.data[c.head&(c.size-1):])
	if !ok {
		return nil
	}
	e := &m.table[r.entry]
	s := extentState(e.state.Load())
	switch later := int64(s.generation() - r.generation); {
	case later == 0 && s.phase() == phaseFreeing:
		at, err := m.span(e)
		if err != nil {
			c.mine.Leave()
			c.holds = false
			return err
		}
		c.large.free(e, s, at, false)
	case later == 0 && s.phase() == phaseFree || later > 0:
	default:
		return nil // it was not released
	}
	c.head += extentRecord
	c.n++
	c.tail = c.head // nothing behind it was seen
	c.commit()
	return nil
}

// aside returns the message at head, which peek could not, and holds it.
func (c *Consumer) aside() ([]byte, error) {
	l, b := c.large, c.data[c.head&(c.size-1):]
	var r largeRecord
	ok := l != nil && c.tail-c.head >= extentRecord
	if ok {
		r, ok = l.record(b)
	}
	if !ok {
		return nil, c.breaks(fmt.Errorf("%w: record %x, %d bytes published", ErrCorrupt, binary.LittleEndian.Uint64(b), c.tail-c.head))
	}
	e := &l.table[r.entry]
	s := extentState(e.state.Load()) // acquire: extent
	if s != r.generation|phaseReady {
		return nil, c.breaks(fmt.Errorf("%w: extent %d of generation %x is in state %x", ErrCorrupt, r.entry, r.generation, s))
	}
	at, err := l.span(e)
	if err != nil {
		return nil, c.breaks(err)
	}
	l.e, l.state, l.at, c.held = e, s, at, extentRecord
	c.detour.Or(aside) // so that Release comes to done
	return l.bytes[at.off : at.off+at.n : at.off+at.n], nil
}

// recvAside is the rest of receiving when peek has nothing.
func (c *Consumer) recvAside(buf []byte) ([]byte, error) {
	b, err := c.aside()
	if err == nil {
		buf = appendTo(buf, b)
		c.done()
	}
	return buf, err
}

// done releases the message that is held.
func (c *Consumer) done() {
	if c.detour.Load()&aside != 0 {
		c.detour.And(^uint32(aside))
		stays := c.large.at.size <= c.large.keep && c.h.tail.Load() == c.head+c.held &&
			robust.StateOf(c.theirs.Word.Load()) == robust.Present
		c.large.free(c.large.e, c.large.state, c.large.at, stays)
		c.large.e = nil
	}
	c.head += c.held
	c.n++
	c.held = 0
	c.commit()
}

// free gives an extent and its pages back. s is its state, Ready or Freeing. If the pages
// stay they are the producer's, to keep or to give back.
//
// release: extent. Pairs with "acquire: extent" where the producer reads that it is
// free.
func (m *largeMemory) free(e *extent, s extentState, at span, stays bool) {
	freeing, free := s.generation()|phaseFreeing, s.free()
	if s != freeing && !e.state.CompareAndSwap(uint64(s), uint64(freeing)) {
		return // somebody has overwritten it
	}
	crashpoint.Hit("large.freeing")
	if stays {
		free |= unpunched
	} else if shmfile.Punch(m.file, m.base+int64(at.off), int64(at.size)) != nil {
		free |= unpunched
	}
	crashpoint.Hit("large.punched")
	e.state.CompareAndSwap(uint64(freeing), uint64(free))
	crashpoint.Hit("large.freed")
}
