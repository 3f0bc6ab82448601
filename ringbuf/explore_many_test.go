//go:build explore

package ringbuf

import (
	"fmt"
	"testing"

	"github.com/shmkit/shmkit/internal/explore"
)

// TestExploreFanIn sends from two producers to one consumer, with the death of any.
func TestExploreFanIn(t *testing.T) {
	for deaths := range 2 {
		t.Run(fmt.Sprintf("%d deaths", deaths), func(t *testing.T) {
			exploreMany(t, shape{producers: 2, consumers: 1, deaths: deaths}, func(m *exploredMany) {
				m.sends(false, 1)
				m.sends(false, 4)
				consumer := m.receives(2)
				m.Final = m.exactlyOnce
				if deaths > 0 {
					m.Final = func() error { return m.delivered(2 * deadOnes(consumer)) }
					m.Excuse = func() bool { return m.Deaths() > 0 && m.delivered(0) == nil }
				}
			})
		})
	}
}

// TestExploreFanOut sends from one producer to two consumers.
func TestExploreFanOut(t *testing.T) {
	for _, extents := range []bool{false, true} {
		t.Run(fmt.Sprintf("extents %v", extents), func(t *testing.T) {
			exploreMany(t, shape{producers: 1, consumers: 2, extents: extents}, func(m *exploredMany) {
				m.sends(false, 1, 2)
				m.receives(1)
				m.receives(1)
				m.Final = m.exactlyOnce
			})
		})
	}
}

// TestExploreFanOutDeath is TestExploreFanOut with the death of a consumer, which takes
// one message with it at most.
func TestExploreFanOutDeath(t *testing.T) {
	for _, extents := range []bool{false, true} {
		t.Run(fmt.Sprintf("extents %v", extents), func(t *testing.T) {
			exploreMany(t, shape{producers: 1, consumers: 2, extents: extents, closes: true, deaths: 1}, func(m *exploredMany) {
				m.sends(true, 1).Immortal = true
				mortal := m.receives(allMessages)
				m.receives(allMessages).Immortal = true
				m.Final = func() error { return m.delivered(deadOnes(mortal)) }
			})
		})
	}
}

// TestExploreReuse sends more than there are records for, so that a record is written
// over while a consumer reads it for which another one was too fast.
func TestExploreReuse(t *testing.T) {
	for _, extents := range []bool{false, true} {
		t.Run(fmt.Sprintf("extents %v", extents), func(t *testing.T) {
			exploreMany(t, shape{producers: 1, consumers: 2, records: 16, extents: extents, switches: 1}, func(m *exploredMany) {
				m.sends(false, 1, 2, 3)
				m.receives(2)
				m.receives(1)
				m.Final = m.exactlyOnce
			})
		})
	}
}

// TestExploreEnd ends the stream while another producer sends and perhaps waits for
// room. Who ends it may die.
func TestExploreEnd(t *testing.T) {
	for deaths := range 2 {
		t.Run(fmt.Sprintf("%d deaths", deaths), func(t *testing.T) {
			exploreMany(t, shape{producers: 2, consumers: 1, records: 16, closes: true, deaths: deaths}, func(m *exploredMany) {
				m.sends(false, 1, 2).Immortal = true
				ender := m.sends(true)
				m.receives(allMessages).Immortal = true
				m.Final = m.exactlyOnce
				m.Excuse = func() bool { return ender.Dead() && m.s.h.ended.Load() == 0 && m.exactlyOnce() == nil }
			})
		})
	}
}

// TestExploreRoom sends more than there is room for, or extents.
func TestExploreRoom(t *testing.T) {
	for _, extents := range []bool{false, true} {
		t.Run(fmt.Sprintf("extents %v", extents), func(t *testing.T) {
			f := shape{producers: 1, consumers: 1, extents: extents}
			if extents {
				f.table = 1
			} else {
				f.records = 16
			}
			exploreMany(t, f, func(m *exploredMany) {
				m.sends(false, 1, 2, 3)
				m.receives(3)
				m.Final = m.exactlyOnce
			})
		})
	}
}

// TestExploreRoomDeath is TestExploreRoom with the death of either.
func TestExploreRoomDeath(t *testing.T) {
	for _, extents := range []bool{false, true} {
		t.Run(fmt.Sprintf("extents %v", extents), func(t *testing.T) {
			f := shape{producers: 1, consumers: 1, extents: extents, deaths: 1, switches: 2}
			if extents {
				f.table = 1
			} else {
				f.records = 16
			}
			exploreMany(t, f, func(m *exploredMany) {
				m.sends(false, 1, 2)
				consumer := m.receives(2)
				m.Final = func() error { return m.delivered(2 * deadOnes(consumer)) }
			})
		})
	}
}

// TestExploreGiveUp ends the context of one of two waiting consumers: if it was woken
// it passes that on.
func TestExploreGiveUp(t *testing.T) {
	exploreMany(t, shape{producers: 1, consumers: 2, switches: 3}, func(m *exploredMany) {
		var quitter *explore.Proc
		m.Go(func(p *explore.Proc) {
			pr := m.producer(p)
			pr.send(1)
			quitter.Cancel()
			p.Rest()
		})
		quitter = m.Go(func(p *explore.Proc) {
			c := m.consumer(p)
			c.ctx = p.Context()
			c.receive(1)
			p.Rest()
		})
		m.receives(1)
		m.Excuse = func() bool { return m.exactlyOnce() == nil }
	})
}
