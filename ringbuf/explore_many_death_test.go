//go:build explore

package ringbuf

import (
	"fmt"
	"testing"

	"github.com/shmkit/shmkit/internal/explore"
)

// holds adds a consumer that holds a message which was sent before the model begins:
// its Next has returned, or has not yet moved the head. When it goes on it gives the
// message back.
func (m *exploredMany) holds(head bool) *explore.Proc {
	return m.Go(func(p *explore.Proc) {
		c := m.consumer(p)
		finish := func() {}
		p.Atomically(func() {
			i, head, tail, _, _ := c.next()
			r, to, _ := c.parse(i, head, head, tail)
			h, ok, err := c.s.hold(r.spot, extentState(r.state.Load()), c.x)
			if !ok {
				p.Fail("hold: %v", err)
			}
			finish = func() {
				c.taken(i, head, to)
				c.hold(h, false)
				m.got[h.n]++
			}
		})
		if head {
			p.Atomically(finish)
			p.Step()
		} else {
			p.Step()
			finish()
		}
		c.dropHeld()
		p.Rest()
	})
}

// TestExploreBury lets a consumer die that holds an extent, while the producer waits for
// that and another consumer waits for the next message: both bury.
func TestExploreBury(t *testing.T) {
	for _, redeliver := range []bool{false, true} {
		for _, head := range []bool{false, true} {
			t.Run(fmt.Sprintf("redeliver %v, head moved %v", redeliver, head), func(t *testing.T) {
				f := shape{producers: 1, consumers: 2, table: 1, extents: true, closes: true, deaths: 1, opts: Options{Redeliver: redeliver}}
				messages := []byte{2}
				if !head { // the record names the extent that is used again for the last one
					f.table, f.records, messages = 2, 64, []byte{2, 3}
				}
				exploreMany(t, f, func(m *exploredMany) {
					m.Go(func(p *explore.Proc) {
						pr := m.producer(p)
						p.Atomically(func() { pr.send(1) })
						if !pr.send(messages...) {
							p.Fail("refused")
						}
						pr.closeSend()
						p.Rest()
					}).Immortal = true
					first := m.holds(head)
					m.receives(allMessages).Immortal = true
					m.Final = func() error {
						if redeliver || head {
							return m.delivered(0)
						}
						return m.delivered(deadOnes(first))
					}
				})
			})
		}
	}
}

// TestExploreBurier lets a consumer die that holds a message, and the one who waits for
// that, anywhere in burying it; a third one comes then.
func TestExploreBurier(t *testing.T) {
	for _, redeliver := range []bool{false, true} {
		t.Run(fmt.Sprintf("redeliver %v", redeliver), func(t *testing.T) {
			f := shape{producers: 1, consumers: 3, extents: true, closes: true, successor: true, deaths: 2, switches: 2, opts: Options{Redeliver: redeliver}}
			exploreMany(t, f, func(m *exploredMany) {
				m.Go(func(p *explore.Proc) {
					pr := m.producer(p)
					p.Atomically(func() {
						pr.send(1)
						pr.closeSend()
					})
					p.Rest()
				}).Immortal = true
				m.holds(true)
				m.receives(allMessages)
				m.Go(func(p *explore.Proc) {
					p.Until(func() bool { return m.Deaths() == 2 })
					m.newConsumer(p).receive(allMessages)
					p.Rest()
				}).Immortal = true
				m.Final = func() error { return m.delivered(0) }
				m.Excuse = func() bool { return m.Deaths() < 2 && m.delivered(0) == nil }
			})
		})
	}
}

// TestExploreRedeliver sends a message to two consumers of which one may die.
func TestExploreRedeliver(t *testing.T) {
	exploreMany(t, shape{producers: 1, consumers: 2, closes: true, deaths: 1, opts: Options{Redeliver: true}}, func(m *exploredMany) {
		m.sends(true, 1).Immortal = true
		m.receives(allMessages)
		m.receives(allMessages).Immortal = true
		m.Final = func() error { return m.delivered(0) }
	})
}

// succeeds adds a producer that takes over when first has died.
func (m *exploredMany) succeeds(first *explore.Proc) {
	m.Go(func(p *explore.Proc) {
		p.Until(func() bool { return first.Ended() || m.s.h.ended.Load() != 0 })
		if !first.Ended() {
			p.Rest()
		}
		pr := m.newProducer(p)
		if pr.send(6) {
			pr.closeSend()
		}
		p.Rest()
	}).Immortal = true
}

// TestExploreSuccessor lets another producer take over the lane of one that died, with
// an extent perhaps that it had not published.
func TestExploreSuccessor(t *testing.T) {
	for _, extents := range []bool{false, true} {
		t.Run(fmt.Sprintf("extents %v", extents), func(t *testing.T) {
			f := shape{producers: 1, consumers: 1, table: 1, extents: extents, closes: true, successor: true, deaths: 1, opts: Options{OnPeerDeath: Wait}}
			exploreMany(t, f, func(m *exploredMany) {
				first := m.sends(true, 1, 2)
				m.receives(allMessages).Immortal = true
				m.succeeds(first)
				m.Final = func() error { return m.delivered(0) }
			})
		})
	}
}

// TestExploreSeat lets a consumer take the seat of one that died with a message, while
// another one buries that and perhaps comes too late.
func TestExploreSeat(t *testing.T) {
	for _, redeliver := range []bool{false, true} {
		t.Run(fmt.Sprintf("redeliver %v", redeliver), func(t *testing.T) {
			f := shape{producers: 1, consumers: 2, table: 1, extents: true, successor: true, deaths: 1, opts: Options{Redeliver: redeliver}}
			exploreMany(t, f, func(m *exploredMany) {
				m.Go(func(p *explore.Proc) {
					pr := m.producer(p)
					p.Atomically(func() { pr.send(1) })
					pr.send(2)
					p.Rest()
				}).Immortal = true
				first := m.holds(true)
				m.receives(1).Immortal = true
				m.Go(func(p *explore.Proc) {
					p.Until(first.Ended)
					m.newConsumer(p).receive(1)
					p.Rest()
				}).Immortal = true
				m.Final = func() error { return m.delivered(0) }
				m.Excuse = func() bool { return m.sent[2] == 1 && m.delivered(0) == nil }
			})
		})
	}
}

// TestExploreTwoVictims lets a consumer die that holds the only extent and has not
// moved the head, and the producer, which waits for that extent or has used it again,
// before another producer takes over.
func TestExploreTwoVictims(t *testing.T) {
	for _, redeliver := range []bool{false, true} {
		t.Run(fmt.Sprintf("redeliver %v", redeliver), func(t *testing.T) {
			f := shape{producers: 1, consumers: 2, table: 1, extents: true, closes: true, successor: true, deaths: 2, switches: -1, opts: Options{Redeliver: redeliver, OnPeerDeath: Wait}}
			exploreMany(t, f, func(m *exploredMany) {
				first := m.Go(func(p *explore.Proc) {
					pr := m.producer(p)
					p.Atomically(func() { pr.send(1) })
					if pr.send(2) {
						pr.closeSend()
					}
					p.Rest()
				})
				victim := m.holds(false)
				m.receives(allMessages).Immortal = true
				m.succeeds(first)
				m.Final = func() error {
					if redeliver {
						return m.delivered(0)
					}
					return m.delivered(deadOnes(victim))
				}
			})
		})
	}
}
