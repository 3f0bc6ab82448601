package ringbuf

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"sync/atomic"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/futex"
)

// callOwn is what a client keeps to itself about its slots. What it decides by is
// never read from shared memory.
//
// A slot is free; in use by a call; withheld, because a server is still busy with a
// call that was given up; or retired.
type callOwn struct {
	free     atomic.Uint32 // a bit a slot, and callShut
	withheld atomic.Uint32
	retired  atomic.Uint32
	queued   atomic.Int32 // calls that wait for a slot

	// Of the one who has the slot.
	arrivals  uint32 // of the seat, since this client has it
	gens      [callSlots]uint32
	large     [callSlots]bool // the request has more memory than the slot keeps
	furnished [callSlots]bool // the slot has the memory that it keeps
}

// callShut in free says that no call may begin any more.
const callShut = 1 << 31

func (o *callOwn) closed() bool { return o.free.Load()&callShut != 0 }

// next begins the next use of a slot.
func (o *callOwn) next(slot, length int) (gen uint32) {
	o.gens[slot]++
	o.large[slot] = length > callPage
	return o.gens[slot]
}

// take gets a slot for a call, and waits for one as long as ctx allows.
func (c *callClient) take(ctx context.Context) (slot int, err error) {
	slot, err = c.tryTake()
	if err == errNoSlot {
		slot, err = c.queue(ctx)
	}
	if err != nil || c.own.furnished[slot] {
		return slot, err
	}
	raiseCount(&c.seat.used, slot)
	crashpoint.Hit("call.used")
	if err := c.furnish(c.index, slot); err != nil {
		c.give(slot)
		return 0, err
	}
	c.own.furnished[slot] = true
	return slot, nil
}

var errNoSlot = errors.New("ringbuf: all slots are in use")

// tryTake takes the first free slot.
func (c *callClient) tryTake() (slot int, err error) {
	for {
		free := c.own.free.Load()
		switch {
		case free&callShut != 0:
			return 0, ErrClosed
		case free == 0:
			return 0, errNoSlot
		}
		if c.own.free.CompareAndSwap(free, free&(free-1)) {
			return bits.TrailingZeros32(free), nil
		}
	}
}

// queue waits until a slot is free. Whoever gives one wakes one who sleeps on room;
// that one sets room again for the others, and wakes the next if there is more.
func (c *callClient) queue(ctx context.Context) (slot int, err error) {
	c.own.queued.Add(1)
	defer func() {
		if c.own.queued.Add(-1) > 0 {
			c.seat.room.Store(1)
			if c.own.free.Load() != 0 {
				c.makeRoom()
			}
		}
	}()
	for {
		c.seat.room.Store(1)
		crashpoint.Hit("call.queued")
		c.reclaim()
		slot, err := c.tryTake()
		if err != errNoSlot {
			return slot, err
		}
		if c.allRetired() {
			return 0, fmt.Errorf("%w: no slot is left", ErrCorrupt)
		}
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		if err := futex.SleepAny(ctx, []futex.Word{{Addr: &c.seat.room, Val: 1}}, c.reclaimable); err != nil {
			if errors.Is(err, futex.ErrFault) {
				err = fmt.Errorf("%w: %w", ErrTruncated, err)
			}
			return 0, err
		}
	}
}

func (c *callClient) allRetired() bool { return c.own.retired.Load() == 1<<c.slots-1 }

func (c *callClient) makeRoom() {
	if c.seat.room.Load() == 1 {
		_ = futex.WakeClear(&c.seat.room) // a fault: as in nudge
	}
}

// give gives a slot free whose state is over.
func (c *callClient) give(slot int) {
	c.own.free.Or(1 << slot)
	if c.own.queued.Load() > 0 {
		c.makeRoom()
	}
}

// finish ends the use of a slot. small says that the reply has no more memory than
// the slot keeps.
func (c *callClient) finish(slot int, small bool) {
	if c.own.large[slot] {
		c.trim(c.index, slot, callRequest)
		c.own.large[slot] = false
	}
	if !small {
		c.trim(c.index, slot, callReply)
	}
	c.give(slot)
}

// withhold ends a call whose slot a server is still busy with.
func (c *callClient) withhold(slot int) {
	c.own.withheld.Or(1 << slot)
	if c.own.queued.Load() > 0 {
		c.makeRoom() // it may be over already
	}
}

// reclaim gives those of the withheld slots free that are over.
func (c *callClient) reclaim() {
	for slot := range c.slots {
		bit := uint32(1) << slot
		if c.own.withheld.And(^bit)&bit == 0 {
			continue
		}
		s := &c.seat.slots[slot]
		st := callState(s.state.Load())
		switch {
		case st.gen() != c.own.gens[slot] || !st.good(len(c.servers)):
			c.own.retired.Or(bit)
		case c.settled(s, st):
			c.finish(slot, false)
		default:
			c.own.withheld.Or(bit)
		}
	}
}

// settled says whether a slot is over, and makes it so if its server is lost.
func (b *callBoard) settled(s *callSlot, st callState) bool {
	if st.phase() != callTaken {
		return st.over()
	}
	if b.fate(st) != lost {
		return false
	}
	failed := s.state.CompareAndSwap(uint64(st), uint64(callStateOf(callFailed, st.gen())))
	return failed || callState(s.state.Load()).over()
}

// reclaimable is what the look asks about a call that waits for a slot.
func (c *callClient) reclaimable() bool {
	if c.own.free.Load() != 0 || c.allRetired() {
		return true
	}
	for slot := range c.slots {
		if c.own.withheld.Load()&(1<<slot) == 0 {
			continue
		}
		st := callState(c.seat.slots[slot].state.Load())
		if st.phase() != callTaken || !st.good(len(c.servers)) {
			return true
		}
		c.servers[st.seat()].CheckOwner()
		if c.fate(st) == lost {
			return true
		}
	}
	return false
}
