//go:build explore

package ringbuf

import (
	"fmt"
	"testing"

	"github.com/shmkit/shmkit/internal/explore"
	"github.com/shmkit/shmkit/internal/mem"
	"github.com/shmkit/shmkit/internal/robust"
)

// In these models a chunk has room for one record, and a lane has four.
const manyChunk = 32

// chunks is how many there are in all lanes.
func (f shape) chunks() int {
	if f.chunk == 0 {
		return 0
	}
	return f.geometry().capacity / f.chunk * f.producers
}

// memory are the ghosts that say which chunks have memory: the one at an offset in the
// file, or those of lane 0.
func (m *exploredMany) memory(off int64) *mem.Uint64 {
	g := m.geo
	return &slotsOf[mem.Uint64](m.Bytes()[g.size()+6*manyMessages:], g.capacity/g.chunk)[(int(off)-g.at(0)-g.slots)/g.chunk]
}

// spares makes s one whose memory is taken and given back in the model alone.
func (m *exploredMany) spares(s *shared) {
	s.allocate = func(off, _ int64) error {
		m.memory(off).Store(1)
		return nil
	}
	s.punch = func(off, n int64) error {
		m.memory(off).Store(0)
		clear(m.Bytes()[off : off+n])
		return nil
	}
}

// safe checks that what is published and not taken is where it has memory.
func (m *exploredMany) safe() error {
	s, l := m.s, &m.s.lanes[0]
	head, tail := l.head.Load(), l.tail.Load()
	for at := head; at != tail; {
		w := wordAt(m.Bytes()[m.geo.at(0)+m.geo.slots+int(at)%m.geo.capacity:]).Load()
		n := s.recordSize(w & numberMask)
		c := s.chunkOf(at)
		switch w & kindMask {
		case kindFiller:
			n = w & numberMask
		case kindInline:
			if got := chunkWord(s.chunkWord(0, c).Load()); got != chunkWord(s.turnOf(c)<<turnShift)|chunkLive || m.memory(s.chunkAt(0, c)).Load() == 0 {
				return fmt.Errorf("chunk %d with record at %d has word %x, memory %d", c, at, got, m.memory(s.chunkAt(0, c)).Load())
			}
		}
		if n == 0 || n > tail-at {
			return fmt.Errorf("record %x at %d, tail %d", w, at, tail)
		}
		at += n
	}
	return nil
}

// spare checks that after a sweep nothing has memory but the head's chunk, the one
// before, and, if a producer has died, the one that it was about to use.
func (m *exploredMany) spare() error {
	s, l := m.s, &m.s.lanes[0]
	s.sweep(freerMask << freerShift)
	head, dead := s.chunkOf(l.head.Load()), robust.StateOf(l.Word.Load()) == robust.Dead
	for c := head - min(head, 1); c <= head; c++ {
		m.memory(s.chunkAt(0, c)).Store(0)
	}
	left := 0
	for c := range s.slotsIn() {
		if m.memory(s.chunkAt(0, c)).Load() != 0 {
			left++
		}
	}
	if left > 1 || left == 1 && !dead {
		return fmt.Errorf("%d chunks have memory, head in chunk %d", left, head)
	}
	return nil
}

func sparseShape(deaths int) shape {
	return shape{producers: 1, consumers: 2, records: 4 * manyChunk, chunk: manyChunk, deaths: deaths}
}

// round adds a producer that has sent messages 1 to 3, of which the first two were
// received, and goes on from 4.
func (m *exploredMany) round(messages ...byte) *explore.Proc {
	return m.Go(func(p *explore.Proc) {
		pr := m.producer(p)
		p.Atomically(func() {
			pr.send(1, 2, 3)
			c := m.newConsumer(p)
			c.receive(2)
			c.mine.Leave()
		})
		if pr.send(messages...) && m.closing {
			pr.closeSend()
		}
		p.Rest()
	})
}

// TestExploreChunks sends once round a sparse lane, to two consumers.
func TestExploreChunks(t *testing.T) {
	exploreMany(t, sparseShape(0), func(m *exploredMany) {
		m.round(4, 5, 6)
		m.receives(2)
		m.receives(2)
		m.Invariant = m.safe
		m.Final = func() error {
			if err := m.exactlyOnce(); err != nil {
				return err
			}
			return m.spare()
		}
	})
}

// TestExploreChunksDeath is that with the death of a consumer, or of the producer.
func TestExploreChunksDeath(t *testing.T) {
	for _, who := range []string{"consumer", "producer"} {
		t.Run(who, func(t *testing.T) {
			f := sparseShape(1)
			f.closes = true
			exploreMany(t, f, func(m *exploredMany) {
				m.closing = true
				p := m.round(4, 5)
				first := m.receives(allMessages)
				m.receives(allMessages).Immortal = true
				if who == "consumer" {
					p.Immortal = true
				} else {
					first.Immortal = true
				}
				m.Invariant = m.safe
				m.Final = func() error {
					if err := m.delivered(deadOnes(first)); err != nil {
						return err
					}
					return m.spare()
				}
				m.Excuse = func() bool { return p.Dead() && m.delivered(deadOnes(first)) == nil }
			})
		})
	}
}

// TestExploreChunksSuccessor lets another producer take over from one that has died.
func TestExploreChunksSuccessor(t *testing.T) {
	f := sparseShape(1)
	f.closes, f.successor, f.consumers, f.opts.OnPeerDeath = true, true, 1, Wait
	exploreMany(t, f, func(m *exploredMany) {
		m.closing = true
		first := m.round(4, 5)
		m.receives(allMessages).Immortal = true
		m.succeeds(first)
		m.Invariant = m.safe
		m.Final = func() error {
			if err := m.delivered(0); err != nil {
				return err
			}
			return m.spare()
		}
	})
}
