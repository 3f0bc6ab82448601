//go:build explore

package ringbuf

import (
	"fmt"
	"testing"

	"github.com/shmkit/shmkit/internal/explore"
	"github.com/shmkit/shmkit/internal/robust"
)

// In these models a chunk has room for one record, or two, with their fates.
const (
	fateChunk  = 64
	fateChunk2 = 128
)

func fatedShape(chunk, deaths int, redeliver bool) shape {
	return shape{
		producers: 1, consumers: 3, records: 4 * chunk, chunk: chunk, deaths: deaths, closes: true,
		opts: Options{Leases: true, Redeliver: redeliver, OnPeerDeath: Wait},
	}
}

// sent adds a producer that has sent these messages, and ended the stream, before anybody
// moves.
func (m *exploredMany) sentAll(messages ...byte) {
	m.Go(func(p *explore.Proc) {
		pr := m.producer(p)
		p.Atomically(func() {
			pr.send(messages...)
			pr.closeSend()
		})
		p.Rest()
	}).Immortal = true
}

// passes adds a consumer that has received so many messages, of those that nobody held,
// before the model begins.
func (m *exploredMany) passes(n int) *explore.Proc {
	return m.Go(func(p *explore.Proc) {
		c := m.consumer(p)
		p.Atomically(func() { c.receive(n) })
		c.receive(allMessages)
		p.Rest()
	})
}

// kept checks that all that is held or waits to be received again is where it has memory.
func (m *exploredMany) kept() (err error) {
	s := m.s
	for i := range s.lanes {
		for c := range s.slotsIn() {
			w := chunkWord(s.chunkWord(i, c).Load())
			for k := range s.fates(i, c) {
				f := extentState(s.fates(i, c)[k].Load())
				if !f.out() {
					continue
				}
				if !f.in(w) || w.phase() != chunkLive || i == 0 && m.memory(s.chunkAt(i, c)).Load() == 0 {
					return fmt.Errorf("fate %x of place %d in slot %d of lane %d, whose word is %x", f, k, c, i, w)
				}
				if word := s.floorWord(i, c).Load(); word>>turnShift == uint64(w)>>turnShift && int(word&(1<<placeBits-1)) > k {
					return fmt.Errorf("fate %x of place %d in slot %d of lane %d, whose floor is %x", f, k, c, i, word)
				}
			}
		}
	}
	return m.safe()
}

// given checks that nothing has memory but the head's chunk and the one before, though
// nobody has swept.
func (m *exploredMany) given() error {
	s, head := m.s, m.s.chunkOf(m.s.lanes[0].head.Load())
	for c := range s.slotsIn() {
		if m.memory(s.chunkAt(0, c)).Load() != 0 && c != head%s.slotsIn() && c != (head-1)%s.slotsIn() {
			return fmt.Errorf("slot %d has memory, head in chunk %d", c, head)
		}
	}
	return nil
}

// TestExploreFates lets two consumers be done with what they hold in one chunk, while a
// third one moves the head into the next but one: whoever comes last frees it.
func TestExploreFates(t *testing.T) {
	for _, before := range []int{1, 2} {
		t.Run(fmt.Sprintf("%d received before", before), func(t *testing.T) {
			f := fatedShape(fateChunk2, 0, false)
			f.opts.Leases, f.opts.Redeliver = false, true // nobody joins
			f.switches = 1                                // with 2, 63 000 schedules, no violation (2026-12-01)
			exploreMany(t, f, func(m *exploredMany) {
				m.sentAll(1, 2, 3, 4, 5)
				m.holds(true)
				m.holds(true)
				m.passes(before)
				m.Invariant = m.kept
				m.Final = func() error {
					if err := m.exactlyOnce(); err != nil {
						return err
					}
					return m.given()
				}
			})
		})
	}
}

// TestExploreFatesDeath is that with the death of one of those who hold.
func TestExploreFatesDeath(t *testing.T) {
	for _, redeliver := range []bool{false, true} {
		for _, head := range []bool{true, false} {
			t.Run(fmt.Sprintf("redeliver %v, head moved %v", redeliver, head), func(t *testing.T) {
				if redeliver && !head && !*exploreLong {
					t.Skip("takes long: see -explore.long")
				}
				f := fatedShape(fateChunk2, 1, redeliver)
				exploreMany(t, f, func(m *exploredMany) {
					messages := []byte{1, 2, 3, 4, 5}
					if !head {
						messages = messages[:3]
					}
					m.sentAll(messages...)
					first := m.holds(true)
					second := m.holds(head)
					if head {
						m.passes(3).Immortal = true
					} else {
						m.receives(allMessages).Immortal = true
					}
					m.Invariant = m.kept
					m.Final = func() error {
						lost := deadOnes(first, second)
						if redeliver {
							lost = 0
						}
						if err := m.delivered(lost); err != nil {
							return err
						}
						return m.spare()
					}
				})
			})
		}
	}
}

// TestExploreFatesRound lets the producer come round to a chunk in which a message is held.
func TestExploreFatesRound(t *testing.T) {
	for deaths := range 2 {
		t.Run(fmt.Sprintf("%d deaths", deaths), func(t *testing.T) {
			if deaths > 0 && !*exploreLong {
				t.Skip("takes long: see -explore.long")
			}
			f := fatedShape(fateChunk, deaths, true)
			f.consumers, f.opts.Leases = 2, false
			f.switches = 1 // with 2, without deaths: 101 000 schedules, no violation (2026-12-01)
			exploreMany(t, f, func(m *exploredMany) {
				m.Go(func(p *explore.Proc) {
					pr := m.producer(p)
					p.Atomically(func() { pr.send(1, 2, 3) })
					if pr.send(4, 5) {
						pr.closeSend()
					}
					p.Rest()
				}).Immortal = true
				m.holds(true)
				m.Go(func(p *explore.Proc) {
					c := m.consumer(p)
					p.Atomically(func() { c.receive(2) })
					c.receive(allMessages)
					p.Rest()
				}).Immortal = true
				m.Invariant = m.kept
				m.Final = func() error {
					if err := m.delivered(0); err != nil {
						return err
					}
					return m.spare()
				}
			})
		})
	}
}

// TestExploreFatesSuccessor lets another producer take over from one that has died, with a
// message perhaps that it had not published.
func TestExploreFatesSuccessor(t *testing.T) {
	for _, chunk := range []int{fateChunk, fateChunk2} {
		t.Run(fmt.Sprintf("chunk %d", chunk), func(t *testing.T) {
			f := fatedShape(chunk, 1, true)
			f.successor, f.consumers, f.opts.Leases = true, 1, false
			exploreMany(t, f, func(m *exploredMany) {
				m.closing = true
				first := m.round(4, 5)
				m.receives(allMessages).Immortal = true
				m.succeeds(first)
				m.Invariant = m.kept
				m.Final = func() error {
					if err := m.delivered(0); err != nil {
						return err
					}
					return m.spare()
				}
			})
		})
	}
}

// TestExploreFatesJoin lets a process without a role wait until two consumers have finished
// what lies in one chunk. It may read where they have given the memory back: then somebody
// finds that.
func TestExploreFatesJoin(t *testing.T) {
	f := fatedShape(fateChunk, 0, false)
	f.consumers, f.switches = 2, 2
	exploreMany(t, f, func(m *exploredMany) {
		m.sentAll(1, 2, 3)
		m.holds(true)
		m.receives(2)
		m.joins(0, 1, 2, 3)
		m.Invariant = m.kept
		m.Final = func() error {
			if err := m.everybodyJoined(1); err != nil {
				return err
			}
			if err := m.exactlyOnce(); err != nil {
				return err
			}
			return m.spare()
		}
	})
}

// TestExploreFatesJoinDeath lets a consumer die that has what somebody waits for.
func TestExploreFatesJoinDeath(t *testing.T) {
	for _, redeliver := range []bool{false, true} {
		for _, head := range []bool{false, true} {
			t.Run(fmt.Sprintf("redeliver %v, head moved %v", redeliver, head), func(t *testing.T) {
				if redeliver && !head && !*exploreLong {
					t.Skip("takes long: see -explore.long")
				}
				f := fatedShape(fateChunk, 1, redeliver)
				f.consumers = 2
				exploreMany(t, f, func(m *exploredMany) {
					m.sentAll(1)
					first := m.holds(head)
					if redeliver {
						m.receives(allMessages).Immortal = true
					}
					m.joins(0, 1).Immortal = true
					m.Invariant = m.kept
					m.Final = func() error {
						if err := m.everybodyJoined(1); err != nil {
							return err
						}
						return m.delivered(deadOnes(first))
					}
				})
			})
		}
	}
}

// TestExploreFatesLow lets a process without a role read in a chunk that is freed, and
// another one raise low over that chunk meanwhile: what it has touched is swept.
func TestExploreFatesLow(t *testing.T) {
	f := fatedShape(fateChunk, 0, false)
	f.consumers = 2
	exploreMany(t, f, func(m *exploredMany) {
		m.sentAll(1, 2, 3, 4)
		m.holds(true)
		m.Go(func(p *explore.Proc) {
			c := m.consumer(p)
			p.Atomically(func() { c.receive(3) })
			p.Rest()
		})
		m.Go(func(p *explore.Proc) {
			s := m.mapped()
			s.outOfChunk(trace{}, s.lanes[0].head.Load(), nobody, func(spot, extentState, trace) bool { return true })
			if chunkWord(s.chunkWord(0, 0).Load()).phase() != chunkLive {
				m.memory(s.chunkAt(0, 0)).Store(1) // as a read of a hole does
				s.touchUp(0, 0, nobody)
			}
			p.Rest()
		})
		m.Invariant = m.kept
		m.Final = func() error {
			if robust.StateOf(m.s.seats[0].Word.Load()) == robust.Dead {
				return nil
			}
			if err := m.exactlyOnce(); err != nil {
				return err
			}
			return m.spare()
		}
	})
}
