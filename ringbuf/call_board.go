package ringbuf

import (
	"context"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/mem"
	"github.com/shmkit/shmkit/internal/race"
	"github.com/shmkit/shmkit/internal/robust"
)

// callBoard is the object behind Serve and Dial as one process has it mapped.
type callBoard struct {
	head    *callHead
	servers []serverSeat
	clients []clientSeat
	slots   int // of a client: callSlots, fewer in tests

	data []byte // the ranges of the slots
	max  uint64 // MaxMessage
	span uint64 // size of a range, 0 if there are none

	// allocate gives memory to a part of data, punch takes it away.
	allocate func(off, n uint64) error
	punch    func(off, n uint64)

	// For the race detector: what callers hand to servers, and the reverse.
	asked, answered *race.Addr
}

// raiseCount makes seat i one of those that are visited.
func raiseCount(used *mem.Uint32, i int) {
	for u := used.Load(); u <= uint32(i) && !used.CompareAndSwap(u, uint32(i)+1); u = used.Load() {
	}
}

// The numbers of seats and slots to visit.
func (b *callBoard) serverCount() int { return int(min(b.head.servers.Load(), uint32(len(b.servers)))) }
func (b *callBoard) clientCount() int { return int(min(b.head.clients.Load(), uint32(len(b.clients)))) }
func (b *callBoard) slotCount(c *clientSeat) int {
	return int(min(c.used.Load(), uint32(b.slots)))
}

// anyAsked says whether a call waits for a server.
func (b *callBoard) anyAsked() bool {
	for i := range b.clientCount() {
		c := &b.clients[i]
		for k := range b.slotCount(c) {
			if callState(c.slots[k].state.Load()).phase() == callAsked && robust.StateOf(c.Word.Load()) == robust.Present {
				return true
			}
		}
	}
	return false
}

// ring wakes a worker if, as far as can be seen, all of them sleep. One that is
// awake looks for calls; if it is busy, or stopped, the caller nudges soon.
func (b *callBoard) ring() {
	for i := range b.serverCount() {
		if s := &b.servers[i]; s.awake.Load() != 0 && robust.StateOf(s.Word.Load()) == robust.Present {
			return
		}
	}
	b.nudge()
}

// nudge wakes a worker that sleeps, if there is one.
func (b *callBoard) nudge() {
	if s := b.sleeper(); s != nil {
		crashpoint.Hit("call.ringing")
		_ = futex.WakeClear(&s.bell) // a fault means that the file is gone, and the sleeper with it
		crashpoint.Hit("call.rung")
	}
}

// sleeper returns a seat where a worker sleeps for whom nobody has rung.
func (b *callBoard) sleeper() *serverSeat {
	for i := range b.serverCount() {
		if s := &b.servers[i]; s.bell.Load() == 1 && robust.StateOf(s.Word.Load()) == robust.Present {
			return s
		}
	}
	return nil
}

// callServersSeen is who serves.
type callServersSeen struct{ present, came, dead bool }

// look says who serves. It asks the kernel whether they exist.
func (b *callBoard) look() (seen callServersSeen) {
	for i := range b.serverCount() {
		s := &b.servers[i]
		seen.came = seen.came || s.Arrivals.Load() != 0 // first: else it could be one who comes now
		switch robust.StateOf(s.Word.Load()) {
		case robust.Present:
			if s.CheckOwner() {
				seen.dead = true
			} else {
				seen.present = true
			}
		case robust.Dead:
			seen.dead = true
		}
	}
	return seen
}

// served says whether somebody serves as far as the words tell. Whose mark was lost, the
// look finds: it asks the kernel, which costs more than a call.
func (b *callBoard) served() bool {
	for i := range b.serverCount() {
		if robust.StateOf(b.servers[i].Word.Load()) == robust.Present {
			return true
		}
	}
	return false
}

// fate is what is known of the server that has taken a call.
type fate int

const (
	alive fate = iota // it may answer
	dying             // it is dead, but a thread of it may still answer
	lost              // it will not answer
)

// fate returns the fate of the server that st names, a state that is good and
// Taken. If it is lost, st has to be read again before that is used: the last
// thing that the server did may have been to answer.
func (b *callBoard) fate(st callState) fate {
	s := &b.servers[st.seat()]
	if s.Arrivals.Load()&callComeMask != st.arrivals() {
		return lost // who came then had passed the take-over fence
	}
	switch robust.StateOf(s.Word.Load()) {
	case robust.Present:
		return alive
	case robust.Dead:
		if !s.Gone() {
			return dying
		}
	}
	return lost
}

// mourn waits until the server that st names is lost, or not dying any more, or
// stop says that it does not matter.
func (b *callBoard) mourn(ctx context.Context, st callState, stop func() bool) error {
	s := &b.servers[st.seat()]
	futex.WakeAll(&s.Word) // the kernel has told one only
	return s.AwaitGone(ctx, stop)
}
