package ringbuf

import (
	"context"
	"errors"
	"fmt"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/robust"
)

// Servers' seats. A claim names a seat and how often somebody had come there; so
// that it cannot be taken for a later server's. Who takes a dead server's seat over
// fails that one's calls first: between the two a claim could look like that of a
// living process.

// joinServer takes a seat: that of a dead server, which can do nothing any more, else a
// vacant one, else that of a dying one.
func (b *callBoard) joinServer(ctx context.Context) (seat int, err error) {
	for _, wanted := range []func(s *serverSeat) bool{
		func(s *serverSeat) bool { return robust.StateOf(s.Word.Load()) == robust.Dead && s.Gone() },
		func(s *serverSeat) bool { return robust.StateOf(s.Word.Load()) == robust.Vacant },
		func(s *serverSeat) bool { return s.CheckOwner() },
	} {
		for i := range b.servers {
			if !wanted(&b.servers[i]) {
				continue
			}
			err := b.joinServerAt(ctx, i)
			if !errors.Is(err, robust.ErrBusy) {
				return i, err
			}
		}
	}
	return 0, fmt.Errorf("%w: %d servers", ErrTooManyProcesses, len(b.servers))
}

func (b *callBoard) joinServerAt(ctx context.Context, i int) error {
	s := &b.servers[i]
	arrivals := s.Arrivals.Load() // first: else it could be that of one who came after the death
	if robust.StateOf(s.Word.Load()) == robust.Dead {
		if err := s.AwaitGone(ctx, nil); err != nil {
			return err
		}
		crashpoint.Hit("call.server.mourned")
		b.failClaims(i, func(a uint32) bool { return a == arrivals&callComeMask })
	}
	raiseCount(&b.head.servers, i)
	crashpoint.Hit("call.server.counted")
	if err := s.Join(ctx); err != nil {
		return err
	}
	crashpoint.Hit("call.server.joined")
	// Somebody may have come and died since.
	mine := s.Arrivals.Load() & callComeMask
	b.failClaims(i, func(a uint32) bool { return a != mine })
	s.attend.Store(0)
	s.bell.Store(0)
	s.awake.Store(0)
	return nil
}

// failClaims fails the calls that dead servers in a seat had taken.
func (b *callBoard) failClaims(seat int, dead func(arrivals uint32) bool) {
	for i := range b.clientCount() {
		c := &b.clients[i]
		for k := range b.slotCount(c) {
			s := &c.slots[k]
			st := callState(s.state.Load())
			if st.phase() != callTaken || st.seat() != seat || !dead(st.arrivals()) {
				continue
			}
			if s.state.CompareAndSwap(uint64(st), uint64(callStateOf(callFailed, st.gen()))) {
				crashpoint.Hit("call.failed")
				b.tell(c, s, st)
			}
		}
	}
}

// tell wakes who waits for a slot that was in the state st and is over.
func (b *callBoard) tell(c *clientSeat, s *callSlot, st callState) {
	if s.asleep.Load() == 1 {
		crashpoint.Hit("call.waking")
		_ = futex.WakeClear(&s.asleep) // a fault: as in nudge
		crashpoint.Hit("call.woken")
	}
	if st.cancelled() && c.room.Load() == 1 {
		_ = futex.WakeClear(&c.room) // a fault: as in nudge
		crashpoint.Hit("call.roomy")
	}
}

// leaveServer gives a seat up. No worker is busy.
func (b *callBoard) leaveServer(i int) {
	s := &b.servers[i]
	s.awake.Store(0)
	s.bell.Store(0)
	s.Leave()
	crashpoint.Hit("call.server.left")
}
