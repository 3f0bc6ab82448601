//go:build explore

package ringbuf

import (
	"errors"
	"fmt"
	"testing"

	"github.com/shmkit/shmkit/internal/explore"
)

// queuedNow counts by the numbers.
func (m *exploredMany) queuedNow() (n uint64) {
	for i := range m.s.lanes {
		k, _, _ := m.s.queued(i)
		n += k
	}
	return n
}

// walked counts the records between head and tail, or the end of the stream, of all
// lanes, without numbers and marks.
func (m *exploredMany) walked() (n uint64) {
	for i := range m.s.lanes {
		l := &m.s.lanes[i]
		head, end := l.head.Load(), l.tail.Load()
		if cut := l.cut.Load(); cut != 0 {
			end = cut &^ 1
		}
		data := m.s.bytes[m.geo.at(i)+m.geo.slots:][:m.geo.capacity]
		size := uint64(len(data))
		for at := head; at != end; {
			word := wordAt(data[at&(size-1):]).Load()
			k := word & numberMask
			switch word & kindMask {
			case kindInline:
				n++
				at += recordSize(k)
			case kindFiller:
				at += k
			default:
				s := m.s.table(i)[k].state.Load()
				if at != head || s == wordAt(data[at&(size-1)+recordHeader:]).Load()|uint64(phaseReady) {
					n++
				}
				at += extentRecord
			}
		}
	}
	return n
}

// counts makes it an invariant that the count is that of the records, wherever all
// stand, and that it is within the bound.
func (m *exploredMany) counts() {
	m.Invariant = func() error {
		n, walked := m.queuedNow(), m.walked()
		if n != walked {
			return fmt.Errorf("%d messages are queued, not %d", walked, n)
		}
		if bound := m.s.bound(); bound > 0 && n > bound {
			return fmt.Errorf("%d messages are queued", n)
		}
		return nil
	}
}

// TestExploreCount counts at each step: of two producers one may die, and is replaced;
// one may end the stream; a consumer takes.
func TestExploreCount(t *testing.T) {
	for _, extents := range []bool{false, true} {
		t.Run(fmt.Sprintf("extents %v", extents), func(t *testing.T) {
			f := shape{counted: true, producers: 1, consumers: 1, extents: extents, closes: true, successor: true, deaths: 1, opts: Options{OnPeerDeath: Wait}}
			exploreMany(t, f, func(m *exploredMany) {
				first := m.sends(true, 1, 2)
				m.receives(allMessages).Immortal = true
				m.succeeds(first)
				m.counts()
				m.Final = func() error { return m.delivered(0) }
			})
		})
	}
	t.Run("cut", func(t *testing.T) {
		exploreMany(t, shape{counted: true, producers: 2, consumers: 1, closes: true, deaths: 1}, func(m *exploredMany) {
			m.sends(false, 1, 2)
			m.sends(true)
			m.receives(allMessages).Immortal = true
			m.counts()
			m.Excuse = func() bool { return m.Deaths() > 0 }
		})
	})
}

// TestExploreCounter counts while a producer sends and a consumer takes: never more than
// was published by the end and not taken at the beginning, never less than was published
// at the beginning and not taken at the end.
func TestExploreCounter(t *testing.T) {
	for _, extents := range []bool{false, true} {
		t.Run(fmt.Sprintf("extents %v", extents), func(t *testing.T) {
			exploreMany(t, shape{counted: true, producers: 1, consumers: 1, extents: extents}, func(m *exploredMany) {
				m.sends(false, 1, 2, 3)
				m.receives(3)
				m.Go(func(p *explore.Proc) {
					s := m.mapped()
					look := func() (published, taken uint64) {
						p.Atomically(func() {
							published, _, _ = m.s.lanes[0].marked(m.s.lanes[0].tail.Load())
							taken = published - m.walked()
						})
						return published, taken
					}
					published, taken := look()
					n := s.count()
					later, gone := look()
					if n+gone < published || n+taken > later {
						p.Fail("counted %d; %d had been published, and then %d; %d taken, and then %d", n, published, later, taken, gone)
					}
					p.Rest()
				})
				m.Final = m.exactlyOnce
			})
		})
	}
}

// boundShape is a ring with a bound and one consumer.
func boundShape(bound, producers, deaths, switches int) shape {
	return shape{producers: producers, consumers: 1, deaths: deaths, switches: switches, opts: Options{MaxMessages: bound, OnPeerDeath: Wait}}
}

// TestExploreBound lets producers send against a bound, and sleep, with the death of any.
func TestExploreBound(t *testing.T) {
	for _, x := range []struct {
		bound, producers, deaths, switches int
		long                               bool
	}{
		{1, 2, 0, 1, false}, {1, 2, 0, 2, true}, {2, 2, 0, 1, false}, {2, 2, 0, 2, true}, {1, 2, 1, 1, true}, {2, 3, 0, 1, true}, {1, 3, 0, 1, true},
	} {
		t.Run(fmt.Sprintf("%d messages, %d producers, %d deaths, %d switches", x.bound, x.producers, x.deaths, x.switches), func(t *testing.T) {
			if x.long && !*exploreLong {
				t.Skip("takes long: see -explore.long")
			}
			f := boundShape(x.bound, x.producers, x.deaths, x.switches)
			exploreMany(t, f, func(m *exploredMany) {
				m.sends(false, 1, 2)
				m.sends(false, 4)
				n := 3
				if x.producers > 2 {
					m.sends(false, 7)
					n++
				}
				consumer := m.receives(n)
				m.counts()
				m.Final = m.exactlyOnce
				if x.deaths > 0 {
					m.Final = func() error { return m.delivered(4 * deadOnes(consumer)) }
					m.Excuse = func() bool { return m.Deaths() > 0 && (consumer.Dead() || m.delivered(0) == nil && m.walked() == 0) }
				}
			})
		})
	}
}

// TestExploreBoundSuccessor lets a producer die that has perhaps claimed the only place,
// and another one take its lane over, while a third one waits.
func TestExploreBoundSuccessor(t *testing.T) {
	f := boundShape(1, 2, 1, 1)
	f.successor = true
	exploreMany(t, f, func(m *exploredMany) {
		m.sends(false, 4).Immortal = true
		first := m.sends(false, 1)
		m.receives(allMessages).Immortal = true
		m.Go(func(p *explore.Proc) {
			p.Until(first.Ended)
			m.newProducer(p).send(2)
			p.Rest()
		}).Immortal = true
		m.counts()
		m.Excuse = func() bool { return m.delivered(0) == nil && m.sent[4] == 1 && m.walked() == 0 }
	})
}

// TestExploreBoundTry tries to send: what is refused leaves no claim.
func TestExploreBoundTry(t *testing.T) {
	exploreMany(t, boundShape(1, 2, 0, 3), func(m *exploredMany) {
		for i := range 2 {
			m.Go(func(p *explore.Proc) {
				pr := m.producer(p)
				switch err := pr.laneProducer.send(pr.ctx, make([]byte, 4), false); {
				case err == nil:
					m.sent[i]++
				case !errors.Is(err, ErrFull):
					p.Fail("send: %v", err)
				}
				p.Rest()
			})
		}
		m.counts()
		m.Final = func() error {
			// Two who are always in each other's way may both be refused.
			if n := uint64(m.sent[0] + m.sent[1]); n <= 1 && m.walked() == n && claims(m) == 0 {
				return nil
			}
			return fmt.Errorf("%v sent, %d claimed", m.sent, claims(m))
		}
	})
}

func claims(m *exploredMany) (n uint64) {
	_, n, _ = m.s.scan(-1)
	return n
}
