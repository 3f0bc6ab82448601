package ringbuf

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/mem"
	"github.com/shmkit/shmkit/internal/robust"
	"github.com/shmkit/shmkit/internal/shmfile"
)

// Many ends. Each producer has a lane and each consumer a seat. A producer is the
// only writer of its lane, and publishes by one store of the lane's tail; it claims
// nothing, so a producer that is killed or stopped anywhere leaves nothing to skip. A
// consumer takes from any lane, by one CAS: of the lane's head after it has copied a small message out, or of the state of
// an extent (extent.go). The order is that of the lane: messages of one producer are
// received in order, those of several in any.
//
//	lane_sender.go    a producer: joining, room, publishing, waiting
//	lane_receiver.go  a consumer: what is published where, taking, the end
//	lane_wait.go      who sleeps, who wakes whom
//	lane_count.go     how many messages there are
//	lane_bound.go     how many there may be
//	lane_held.go      what consumers hold, and what becomes of it when they die
//	lane_chunk.go     memory for records, taken and given back (Options.Grow)
//	lane_fate.go      messages that are held where they lie, in such lanes
//	lane_out.go       finding all that is held
//	lease.go          holding any number of messages
//	join.go           waiting until nothing is unfinished
//
// The state of a peer is read from its presence. That nobody is left is a statement
// about many words, so they are collected twice (quiet).

// shared is a ring or channel for many ends, as one process has it mapped.
type shared struct {
	h     *sharedHeader
	seats []seat
	lanes []lane
	bytes []byte
	file  *os.File
	geo   geometry
	opts  Options
	both  *handOver

	fenced bool // publishers fence

	allocate func(off, n int64) error // gives that much of the file memory
	punch    func(off, n int64) error // and takes it back
}

// sharedOf lays a ring or channel of that geometry over b.
func sharedOf(b []byte, f *os.File, g geometry, o Options) *shared {
	h := sharedHeaderOf(b)
	return &shared{
		h: h, bytes: b, file: f, geo: g, opts: o, both: handOverOf(h.object[:]),
		seats: slotsOf[seat](b[sharedHead:], g.seats),
		lanes: slotsOf[lane](b[sharedHead+g.seats*seatSize:], g.lanes),

		fenced: o.fenced,

		allocate: func(off, n int64) error { return shmfile.Allocate(f, off, n) },
		punch:    func(off, n int64) error { return shmfile.Punch(f, off, n) },
	}
}

// options are what the creator writes behind the object's header.
func (o Options) header() []byte {
	var flags uint32
	if o.Redeliver {
		flags = flagRedeliver
	}
	if o.fenced {
		flags |= flagFenced
	}
	if o.Mode != SPSC {
		flags |= flagCounted
	}
	if o.Grow {
		flags |= flagGrow
	}
	if o.Leases {
		flags |= flagLeases
	}
	var b []byte
	for _, v := range []uint32{uint32(o.Strategy), uint32(o.OnPeerDeath), uint32(o.Mode), flags, uint32(o.Producers), uint32(o.Consumers)} {
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	b = binary.LittleEndian.AppendUint64(b, uint64(o.MaxMessages))
	return binary.LittleEndian.AppendUint64(b, uint64(o.Keep))
}

// usedLanes and usedSeats are what was ever used; whoever scans looks no further.
func (s *shared) usedLanes() []lane { return s.lanes[:min(s.h.usedLanes.Load(), uint32(len(s.lanes)))] }
func (s *shared) usedSeats() []seat { return s.seats[:min(s.h.usedSeats.Load(), uint32(len(s.seats)))] }

// raiseTo makes w at least n.
func raiseTo(w *mem.Uint32, n uint32) {
	for v := w.Load(); v < n; v = w.Load() {
		if w.CompareAndSwap(v, n) {
			return
		}
	}
}

// place finds one of n roles for a process that joins. try joins the i-th, and
// returns ErrBusy if somebody has it. First come those whose holder has died and can
// do nothing any more, then the vacant ones, then those of the dying.
func place(n int, at func(i int) *robust.Presence, try func(i int) error) error {
	for _, wanted := range []func(p *robust.Presence, w uint32) bool{
		func(p *robust.Presence, w uint32) bool { return robust.StateOf(w) == robust.Dead && p.Gone() },
		func(_ *robust.Presence, w uint32) bool { return robust.StateOf(w) == robust.Vacant },
		func(p *robust.Presence, w uint32) bool { return robust.StateOf(w) == robust.Dead || p.CheckOwner() },
	} {
		for i := range n {
			if p := at(i); wanted(p, p.Word.Load()) {
				if err := try(i); !errors.Is(err, ErrBusy) {
					return err
				}
			}
		}
	}
	if n == 1 {
		return ErrBusy
	}
	return fmt.Errorf("%w: %d", ErrTooManyProcesses, n)
}

// crowd is what was seen of many presences.
type crowd struct {
	present bool // somebody takes part
	came    bool // somebody ever did
	dead    bool // somebody who did has died
}

// look reads a presence. It returns something that differs if anybody came or went
// between two looks.
func (c *crowd) look(p *robust.Presence) uint64 {
	arrivals, w := p.Arrivals.Load(), p.Word.Load()&^robust.Waiters
	switch robust.StateOf(w) {
	case robust.Present:
		c.present, c.came = true, true
	case robust.Dead:
		c.dead, c.came = true, true
	case robust.Vacant:
		c.came = c.came || arrivals != 0
	}
	return uint64(arrivals)<<32 | uint64(w)
}

// quiet says who takes part. If it says nobody, then there was an instant at which
// nobody did. Where words change all the time somebody does, if only one who writes
// garbage.
func quiet(n func() int, at func(i int) *robust.Presence) crowd {
	for range enough {
		var first, second crowd
		var before, after uint64
		count := n()
		for i := range count {
			before = before*0x9e3779b97f4a7c15 + first.look(at(i))
		}
		if first.present {
			return first
		}
		for i := range count {
			after = after*0x9e3779b97f4a7c15 + second.look(at(i))
		}
		if before == after && count == n() {
			return second
		}
	}
	return crowd{present: true, came: true}
}

func (s *shared) producers() crowd {
	return quiet(func() int { return len(s.usedLanes()) }, func(i int) *robust.Presence { return &s.lanes[i].Presence })
}

// dying says whether a producer that has died may still be doing something.
func (s *shared) dying() bool {
	used := s.usedLanes()
	for i := range used {
		if l := &used[i]; robust.StateOf(l.Word.Load()) == robust.Dead && !l.Gone() {
			return true
		}
	}
	return false
}

func (s *shared) consumers() crowd {
	return quiet(func() int { return len(s.usedSeats()) }, func(i int) *robust.Presence { return &s.seats[i].Presence })
}

// The end of the stream. It ends at one place in each lane, the cut, which is set
// once; what is published behind it is not received by anybody, and its Send returns
// ErrClosed. A producer stores its tail and then reads ended. Whoever cuts, any
// receiver or the one who ends the stream, does so when ended is set and everybody has
// fenced since. So if a producer reads that the stream has not ended, its tail was
// stored before the fence and is seen by whoever cuts; otherwise it cuts its own lane
// behind what it has published, or finds where the cut is. And a receiver reads the
// tail and then ended: what was stored after the fence it sees together with ended, and
// goes no further than the cut. Nobody waits for a producer that is stopped in a Send.

// endStream is CloseSend. Who dies in it leaves the rest to the receivers.
func (s *shared) endStream() {
	s.both.tail.ReleaseMerge()
	s.h.ended.Store(1)
	crashpoint.Hit("shared.ended")
	s.cut()
	s.wakeAll()
}

// cut cuts every lane, after ended was set. A producer that joins later raises
// usedLanes first and then reads ended: either it sees that, and cuts its lane before
// it publishes, or its lane is cut here.
func (s *shared) cut() {
	if !s.fenced {
		futex.HeavyFence()
	}
	for i := range s.usedLanes() {
		l := &s.lanes[i]
		if l.cut.Load() == 0 {
			l.cut.CompareAndSwap(0, l.tail.Load()|1)
		}
		crashpoint.Hit("shared.cut")
		if l.asleep.Load() != awake {
			_ = futex.WakeClear(&l.asleep)
		}
	}
}

// end is where lane l ends for now.
//
// acquire: published. Pairs with "release: published" in laneSender.
func (s *shared) end(l *lane) uint64 {
	tail := l.tail.Load()
	if s.h.ended.Load() == 0 {
		return tail
	}
	if l.cut.Load() == 0 {
		s.cut()
	}
	return l.cut.Load() &^ 1
}

func contextEnded(ctx context.Context, closed bool) error {
	if closed {
		return ErrClosed
	}
	return ctx.Err()
}
