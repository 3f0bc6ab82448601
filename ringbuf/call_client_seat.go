package ringbuf

import (
	"context"
	"errors"
	"fmt"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/robust"
)

// Clients' seats. Whoever has a seat brings its slots in order when it comes and
// when it goes, and so does, in a dead client's place, a server that takes the seat
// for that moment. A slot that a living server is busy with stays as it is, but that
// the server is told that nobody waits; whoever comes next leaves it out until the
// server has answered. So a server never writes to a slot that is in use for another
// call, however long it was stopped.

// joinClient takes a seat: one where nothing is left to be done, else any.
func (c *callClient) joinClient(ctx context.Context) error {
	for _, clean := range []bool{true, false} {
		for i := range c.clients {
			seat := &c.clients[i]
			w := seat.Word.Load()
			if clean && (robust.StateOf(w) != robust.Vacant || !c.idle(seat)) {
				continue
			}
			raiseCount(&c.head.clients, i)
			crashpoint.Hit("call.client.counted")
			err := seat.Join(ctx)
			if errors.Is(err, robust.ErrBusy) {
				continue
			}
			if err != nil {
				return err
			}
			crashpoint.Hit("call.client.joined")
			if c.moveIn(i) {
				return nil
			}
			seat.Leave() // living servers are busy with every slot
		}
	}
	return fmt.Errorf("%w: %d clients", ErrTooManyProcesses, len(c.clients))
}

// moveIn makes the slots of seat i, which this process has, the client's. It returns
// false if none can be used.
func (c *callClient) moveIn(i int) bool {
	c.index, c.seat = i, &c.clients[i]
	c.own.arrivals = c.seat.Arrivals.Load()
	c.tidy(i)
	free, withheld := uint32(0), uint32(0)
	for k := range c.slots {
		st := callState(c.seat.slots[k].state.Load())
		c.own.gens[k] = st.gen()
		if st.over() {
			free |= 1 << k
		} else {
			withheld |= 1 << k
		}
	}
	c.own.withheld.Store(withheld)
	c.own.free.Store(free)
	return free != 0
}

// leaveClient gives the seat up. No call is under way.
func (c *callClient) leaveClient() {
	c.tidy(c.index)
	crashpoint.Hit("call.client.tidied")
	c.seat.Leave()
}

// idle says whether nothing is left to be done in a seat.
func (b *callBoard) idle(seat *clientSeat) bool {
	for k := range b.slots {
		if callState(seat.slots[k].state.Load()).phase() != callIdle {
			return false
		}
	}
	return true
}

// tidy brings the slots of seat i in order, which this process has.
func (b *callBoard) tidy(i int) {
	seat := &b.clients[i]
	for k := range b.slots {
		s := &seat.slots[k]
		st := callState(s.state.Load())
		if st.phase() == callTaken && st.good(len(b.servers)) && b.fate(st) != lost {
			// Should the CAS fail, it has answered, and the next round finds that.
			if !st.cancelled() && s.state.CompareAndSwap(uint64(st), uint64(st|callCancelled)) {
				crashpoint.Hit("call.disowned")
				if server := &b.servers[st.seat()]; server.attend.Load() == 1 {
					_ = futex.WakeClear(&server.attend) // a fault: as in nudge
				}
			}
			continue
		}
		b.strip(i, k)
		crashpoint.Hit("call.stripped")
		if s.state.CompareAndSwap(uint64(st), uint64(callStateOf(callIdle, st.gen()))) {
			crashpoint.Hit("call.cleared")
		}
	}
}

// bury brings seat i in order if its client has died, or has left something behind
// when it went.
func (b *callBoard) bury(ctx context.Context, i int) {
	seat := &b.clients[i]
	switch robust.StateOf(seat.Word.Load()) {
	case robust.Present:
		return
	case robust.Dead:
		if !seat.Gone() {
			return // next time
		}
	case robust.Vacant:
		if b.settling(seat) {
			return
		}
	}
	if seat.Join(ctx) != nil {
		return // somebody else has it
	}
	crashpoint.Hit("call.burying")
	b.tidy(i)
	crashpoint.Hit("call.buried")
	seat.Leave()
}

// settling says whether nothing can be done in a vacant seat now.
func (b *callBoard) settling(seat *clientSeat) bool {
	for k := range b.slots {
		st := callState(seat.slots[k].state.Load())
		busy := st.phase() == callTaken && st.cancelled() && st.good(len(b.servers)) && b.fate(st) != lost
		if st.phase() != callIdle && !busy {
			return false
		}
	}
	return true
}
