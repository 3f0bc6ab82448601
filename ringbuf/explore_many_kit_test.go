//go:build explore

package ringbuf

import (
	"cmp"
	"flag"
	"fmt"
	"testing"

	"github.com/shmkit/shmkit/internal/explore"
	"github.com/shmkit/shmkit/internal/robust"
	"github.com/stretchr/testify/require"
)

// The rings of these tests have lanes of two records and, where messages lie in
// extents, of two extents. Message v is v bytes that say v, v from 1 to 7.
const (
	manyRecords  = 32
	manyTable    = 2
	manyExtent   = 64
	manyMessages = 8
	allMessages  = manyMessages // more than there are
)

// exploredMany is a ring for many ends in explored memory.
type exploredMany struct {
	*explore.World
	geo  geometry
	opts Options
	s    *shared // for the model itself

	closing bool // the producer of a sparse lane ends the stream

	// extents says that all messages lie in extents, inPlace that they are held where they
	// lie.
	extents, inPlace bool

	// Ghosts: how often message v was sent, refused, received, received again.
	sent, refused, got, again []byte
	// Whether somebody has message v, and whether joiner v has come back.
	holding, joined []byte
}

// shape is what a model is made of.
type shape struct {
	producers, consumers int
	records              int  // bytes of each lane's records, 0: manyRecords
	table                int  // entries of each lane's table, 0: manyTable
	extents              bool // all messages lie in extents
	chunk                int  // bytes of a chunk, 0: lanes are not sparse
	closes               bool // somebody ends the stream
	successor            bool // somebody joins late
	counted              bool // somebody counts messages
	opts                 Options
	deaths               int
	switches             int // see explore.Model; 0: 2, or 1 where somebody may die
}

func (f shape) geometry() geometry {
	g := geometry{lanes: f.producers, seats: f.consumers, capacity: cmp.Or(f.records, manyRecords), table: cmp.Or(f.table, manyTable)}
	g.head = sharedHead + g.seats*seatSize + g.lanes*laneSize
	g.slots = g.table * extentSize
	if f.chunk != 0 {
		g.chunk, g.words = f.chunk, g.slots
		words := g.capacity / g.chunk * 8
		if f.opts.Redeliver || f.opts.Leases {
			g.fates = fatesIn(g.chunk)
			words *= 2
		}
		g.slots += words
	}
	g.hold = g.slots + g.capacity
	g.held = g.table * manyExtent
	g.lane = g.hold + g.held
	return g
}

func newExploredMany(w *explore.World, f shape) *exploredMany {
	g := f.geometry()
	o := f.opts
	o.Capacity, o.MaxMessage, o.Strategy, o.Mode = g.capacity, manyMessages, Block, MPMC
	m := &exploredMany{World: w, geo: g, opts: o, inPlace: f.extents || o.Redeliver || o.Leases}
	m.extents = m.inPlace && f.chunk == 0
	m.s = m.mapped()
	ghosts := w.Bytes()[g.size():]
	for i, x := range []*[]byte{&m.sent, &m.refused, &m.got, &m.again, &m.holding, &m.joined} {
		*x = ghosts[i*manyMessages:][:manyMessages]
	}
	w.Quiet(&m.s.h.usedLanes, &m.s.h.usedSeats)
	if !f.closes {
		w.Quiet(&m.s.h.ended)
	}
	if !o.Redeliver {
		w.Quiet(&m.s.h.again)
	}
	presence := func(p *robust.Presence) {
		w.Robust(&p.Word)
		if !f.successor {
			w.Quiet(&p.Ident, &p.Owner, &p.Arrivals)
		}
	}
	for i := range m.s.lanes {
		l := &m.s.lanes[i]
		presence(&l.Presence)
		l.entries.Store(uint32(g.table)) // they were all used
		w.Quiet(&l.entries)
		w.Tally(&l.messages, &l.bytes, &l.waits, &l.wakes, &l.high)
		if o.MaxMessages == 0 {
			w.Quiet(&l.claim)
			if !f.counted && !o.Leases {
				w.Quiet(&l.mark[0], &l.mark[1])
			}
		}
		if !f.closes {
			w.Quiet(&l.cut)
		}
	}
	for x := range m.s.seats {
		c := &m.s.seats[x]
		presence(&c.Presence)
		w.Tally(&c.messages, &c.bytes, &c.again, &c.waits, &c.wakes)
	}
	return m
}

// mapped is the ring as one process has it.
func (m *exploredMany) mapped() *shared {
	s := sharedOf(m.Bytes()[:m.geo.size()], nil, m.geo, m.opts)
	if s.sparse() {
		m.spares(s)
	}
	return s
}

var exploreSwitches = flag.Int("explore.switches", 0, "bound the models of many ends by this instead (explore.Model.Switches)")

// exploreMany explores a model. With -explore.long there may be one switch more. Last
// so on 2026-11-22, no violation, no wake lost: FanIn 64 000 schedules, Reuse 122 000,
// Room 31 000, RoomDeath 28 000, GiveUp 19 000, Burier 5 300, Successor 230 000, Seat
// 549 000, FanOut 252 000, End 504 000, FanOutDeath 553 000, Redeliver 628 000 (64 s);
// Bury 1 184 000; TwoVictims 481 000 without redelivery, not run to the end with it.
func exploreMany(t *testing.T, f shape, setup func(m *exploredMany)) {
	switches := cmp.Or(f.switches, 2-min(f.deaths, 1))
	if *exploreLong {
		switches = max(switches+1, 1)
	}
	rep := explore.Run(explore.Model{
		Memory:   f.geometry().size() + 6*manyMessages + f.chunks()*8,
		Deaths:   f.deaths,
		MaxSteps: 400 + 1600*min(f.opts.MaxMessages+f.geometry().fates, 1),
		Switches: cmp.Or(*exploreSwitches, switches),
		Setup:    func(w *explore.World) { setup(newExploredMany(w, f)) },
	})
	t.Log(rep)
	if rep.Violation != nil {
		t.Fatal(rep.Violation)
	}
	if f.deaths == 0 {
		require.Zero(t, rep.Looks, "a wake was lost")
	}
}

// Producer 0 sends messages 1 to 3, producer 1 messages 4 to 6, another one 7.
func producerOf(v byte) int { return int(v-1) / 3 }

// exactlyOnce checks that the messages whose Send returned nil were received once,
// and those that were refused never.
func (m *exploredMany) exactlyOnce() error {
	for v := range m.sent {
		if m.got[v] != m.sent[v] || m.refused[v] > 0 && m.got[v] > 0 || m.again[v] > 0 {
			return m.odd(v)
		}
	}
	return m.returned()
}

func (m *exploredMany) odd(v int) error {
	return fmt.Errorf("message %d: sent %d times, refused %d, received %d and again %d", v, m.sent[v], m.refused[v], m.got[v], m.again[v])
}

// delivered is exactlyOnce for when somebody may have died. lost is how many messages
// may be lost, with those who held them.
func (m *exploredMany) delivered(lost int) error {
	for v := range m.sent {
		missing := m.sent[v] > 0 && m.got[v]+m.again[v] == 0
		if missing {
			lost--
		}
		if lost < 0 || m.got[v] > 1 || m.again[v] > 0 && !m.opts.Redeliver || m.refused[v] > 0 && m.got[v]+m.again[v] > 0 {
			return m.odd(v)
		}
	}
	return m.returned()
}

// returned checks that all extents are free, once the dead are buried.
func (m *exploredMany) returned() error {
	m.s.tidy(freerMask << freerShift)
	alive := m.s.consumers().present
	for i := range m.s.lanes {
		// What is published waits for the next consumer, and what is not for the lane's
		// next producer.
		if !alive || robust.StateOf(m.s.lanes[i].Word.Load()) == robust.Dead {
			continue
		}
		table := m.s.table(i)
		for k := range table {
			if s := extentState(table[k].state.Load()); s.phase() != phaseFree {
				return fmt.Errorf("extent %d of lane %d is in state %#x", k, i, s)
			}
		}
	}
	var err error
	m.s.eachOut(trace{}, nobody, func(p spot, was extentState, _ trace) bool {
		if alive {
			err = fmt.Errorf("the message at %d of lane %d is in state %#x", p.at, p.lane, was)
		}
		return err == nil
	})
	return err
}

func deadOnes(procs ...*explore.Proc) (n int) {
	for _, p := range procs {
		if p.Dead() {
			n++
		}
	}
	return n
}
