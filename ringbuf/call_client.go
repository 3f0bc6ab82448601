package ringbuf

import (
	"context"
	"fmt"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/mem"
)

// The client's half of a call. It writes the request into a slot of its own and
// makes the slot Asked; a server's worker makes it Taken, and Answered when the
// reply is there. One CAS each, so that at any time the slot says who has it, and
// who is killed before his CAS has done nothing.

// callClient is a client without its file and without its callers.
type callClient struct {
	callBoard
	index   int // of its seat
	seat    *clientSeat
	own     callOwn
	patient bool        // OnPeerDeath is Wait
	eager   bool        // looks before it sleeps
	removed func() bool // says that the name has gone, and no new server can come
	spin    [callSlots]futex.Spinner
}

// nudgeAfter is how often a caller looks whether its call was taken before it
// wakes another worker for it.
const nudgeAfter = 128

// call makes one call, appends the reply to buf, and reports in *k, from the start -1,
// which slot it uses as long as it does. The client is not closed meanwhile.
func (c *callClient) call(ctx context.Context, k *int, buf, request []byte) ([]byte, error) {
	if uint64(len(request)) > c.max {
		return buf, fmt.Errorf("%w: %d bytes of at most %d", ErrTooLarge, len(request), c.max)
	}
	if err := ctx.Err(); err != nil {
		return buf, err
	}
	slot, err := c.take(ctx)
	if err != nil {
		return buf, err
	}
	*k = slot
	if err := c.put(c.index, slot, callRequest, request); err != nil {
		c.trim(c.index, slot, callRequest)
		c.give(slot)
		*k = -1
		return buf, err
	}
	s := &c.seat.slots[slot]
	gen := c.own.next(slot, len(request))
	crashpoint.Hit("call.written")
	s.asleep.StoreRelaxed(0)
	c.asked.ReleaseMerge()
	s.state.Store(uint64(callStateOf(callAsked, gen))) // release: call request
	crashpoint.Hit("call.asked")
	c.ring()
	if !c.glance(slot, s, gen) {
		if err := c.await(ctx, slot, s, gen); err != nil {
			*k = -1
			return buf, err
		}
	}
	c.answered.Acquire()
	buf, err = c.collect(buf, slot, s)
	*k = -1
	return buf, err
}

// glance looks for the answer for as long as that has paid lately.
func (c *callClient) glance(slot int, s *callSlot, gen uint32) bool {
	if !c.eager {
		return false
	}
	answered, asked := uint64(callStateOf(callAnswered, gen)), uint64(callStateOf(callAsked, gen))
	rounds := c.spin[slot].Rounds()
	for n := range rounds {
		st := s.state.Load() // acquire: call reply
		if st == answered {
			c.spin[slot].Won()
			return true
		}
		if n == nudgeAfter && st == asked {
			c.nudge()
		}
		mem.Pause(1)
	}
	return false
}

// orphaned ends a call whose server has died in it.
func (c *callClient) orphaned(slot int) error {
	c.finish(slot, false)
	return ErrPeerDied
}

// retire ends a call in whose slot somebody has written what nobody should. The
// slot is not used any more.
func (c *callClient) retire(slot int, st callState) error {
	c.own.retired.Or(1 << slot)
	return fmt.Errorf("%w: a slot is %v", ErrCorrupt, st)
}

// collect reads the answer, and gives the slot free.
func (c *callClient) collect(buf []byte, slot int, s *callSlot) ([]byte, error) {
	n, status := s.length.Load(), s.status.Load()
	if n > c.max && (n > callInline || status == callOK) || status > callBad {
		return buf, c.retire(slot, callState(s.state.Load()))
	}
	var err error
	switch status {
	case callOK:
		buf = c.get(buf, c.index, slot, callReply, n)
		crashpoint.Hit("call.collected")
	case callError, callPanic:
		text := c.get(nil, c.index, slot, callReply, min(n, maxErrorText))
		err = &CallError{Text: string(text), Panicked: status == callPanic}
	case callTooLarge:
		err = fmt.Errorf("%w: the reply", ErrTooLarge)
	case callNoSpace:
		err = fmt.Errorf("%w: for the reply", ErrNoSpace)
	case callBad:
		err = fmt.Errorf("%w: the server found no request", ErrCorrupt)
	}
	c.finish(slot, n <= callPage && status != callNoSpace)
	return buf, err
}
