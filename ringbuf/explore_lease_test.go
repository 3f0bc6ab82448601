//go:build explore

package ringbuf

import (
	"fmt"
	"slices"
	"testing"

	"github.com/shmkit/shmkit/internal/explore"
)

// joins adds a process without a role that waits, once all of these messages were sent,
// until nothing is unfinished.
func (m *exploredMany) joins(n int, messages ...byte) *explore.Proc {
	return m.Go(func(p *explore.Proc) {
		p.Until(func() bool {
			for _, v := range messages {
				if m.sent[v] == 0 {
					return false
				}
			}
			return true
		})
		if err := m.mapped().join(p.Forgetting(func() []uint64 { return nil }), nobody); err != nil {
			p.Fail("join: %v", err)
		}
		lost := 0
		for v := range m.sent {
			wanted := m.sent[v] > 0 && (m.Deaths() == 0 || slices.Contains(messages, byte(v)))
			if wanted && (m.holding[v] != 0 || m.got[v]+m.again[v] == 0) {
				lost++
			}
		}
		// What the dead held is finished with them, if nobody receives it again.
		if lost > m.Deaths() || lost > 0 && m.opts.Redeliver {
			p.Fail("%d messages are not finished", lost)
		}
		m.joined[n] = 1
		p.Rest()
	})
}

// everybodyJoined checks that so many joiners have come back.
func (m *exploredMany) everybodyJoined(n int) error {
	for i := range n {
		if m.joined[i] == 0 {
			return fmt.Errorf("joiner %d waits", i)
		}
	}
	return nil
}

// TestExploreJoin lets one process, or two, wait until two others have finished what a
// third sends. With a switch more, one joiner is 1 500 000 schedules, without a lost
// wake (2026-11-23); two joiners were not run to the end.
func TestExploreJoin(t *testing.T) {
	for joiners := 1; joiners <= 2; joiners++ {
		t.Run(fmt.Sprintf("%d joiners", joiners), func(t *testing.T) {
			f := shape{producers: 1, consumers: 2, switches: 3 - joiners, opts: Options{Leases: true}}
			exploreMany(t, f, func(m *exploredMany) {
				m.sends(false, 1, 2)
				m.receives(1)
				m.receives(1)
				for n := range joiners {
					m.joins(n, 1, 2)
				}
				m.Final = func() error {
					if err := m.everybodyJoined(joiners); err != nil {
						return err
					}
					return m.exactlyOnce()
				}
			})
		})
	}
}

// TestExploreJoinDeath lets a consumer die that has what somebody waits for.
func TestExploreJoinDeath(t *testing.T) {
	for _, redeliver := range []bool{false, true} {
		for _, head := range []bool{false, true} {
			t.Run(fmt.Sprintf("redeliver %v, head moved %v", redeliver, head), func(t *testing.T) {
				f := shape{producers: 1, consumers: 2, table: 1, closes: true, deaths: 1, opts: Options{Leases: true, Redeliver: redeliver}}
				exploreMany(t, f, func(m *exploredMany) {
					m.Go(func(p *explore.Proc) {
						pr := m.producer(p)
						p.Atomically(func() {
							pr.send(1)
							pr.closeSend()
						})
						p.Rest()
					}).Immortal = true
					first := m.holds(head)
					if redeliver {
						m.receives(allMessages).Immortal = true
					}
					m.joins(0, 1).Immortal = true
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

// TestExploreJoinWork lets a process that has a message send another one before it is done
// with the first: there is no instant at which nothing is unfinished before both are.
func TestExploreJoinWork(t *testing.T) {
	f := shape{producers: 2, consumers: 1, switches: 3, opts: Options{Leases: true}}
	exploreMany(t, f, func(m *exploredMany) {
		m.Go(func(p *explore.Proc) {
			pr := m.producer(p)
			p.Atomically(func() { pr.send(1) })
			p.Rest()
		})
		m.Go(func(p *explore.Proc) {
			pr, c := m.producer(p), m.consumer(p)
			if b, err := c.next1(c.ctx, true); err != nil || len(b) != 1 {
				p.Fail("received %v, %v", b, err)
			}
			m.got[1]++
			p.Step()
			p.Atomically(func() { pr.send(4) })
			c.letGo()
			c.receive(1)
			p.Rest()
		})
		m.joins(0, 1)
		m.Final = func() error {
			if err := m.everybodyJoined(1); err != nil {
				return err
			}
			return m.exactlyOnce()
		}
	})
}
