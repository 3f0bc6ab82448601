package ringbuf

import (
	"context"
	"fmt"

	"github.com/shmkit/shmkit/internal/robust"
)

// chanSender is the sending end of a Chan. It differs from Producer in that a
// slot is a value, so that no lengths are written and nothing is too large, and
// in that it takes its role when it is first used.
type chanSender[T any] struct {
	sender
	slots []T
	many  *manySender[T] // where there are many ends; of the rest there is only detour
}

// divert makes every call go to many, past the fast path.
func (s *chanSender[T]) divert(many *manySender[T]) {
	s.many = many
	s.detour.Or(special)
}

func (s *chanSender[T]) init(h *header, slots []T, o Options, guarded bool) {
	s.guarded = guarded
	s.sender.init(h, o)
	s.slots = slots
}

// Send sends v, waiting for room as long as ctx allows. On an error nothing was
// sent: ErrBusy when another living process is the producer, ErrTooManyProcesses when
// there may be many and are, ErrNoSpace for a producer's room, ErrClosed,
// ErrNoConsumer, ErrTruncated, ErrCorrupt or the context's error.
func (c *Chan[T]) Send(ctx context.Context, v T) error {
	s := &c.send
	if !s.dash() || !s.fits(1) {
		return s.sendSlow(ctx, v, true)
	}
	s.slots[s.tail&uint64(len(s.slots)-1)] = v
	s.tail++
	s.n++
	s.h.sent.messages.StoreRelaxed(s.n)
	s.dashed(&s.h.tail, s.tail)
	if s.peerSleeps() {
		s.wakePeer()
	}
	s.leave()
	return nil
}

// TrySend is Send that returns ErrFull instead of waiting: for room, or behind other
// goroutines that have waited for some.
func (c *Chan[T]) TrySend(v T) error { return c.send.sendSlow(context.Background(), v, false) }

// sendSlow is Send with all that may be in the way of its fast path.
func (s *chanSender[T]) sendSlow(ctx context.Context, v T, wait bool) error {
	if s.many != nil {
		return s.many.sendOne(ctx, v, wait)
	}
	if s.guarded {
		return s.guard(func() error { return s.put(ctx, v, wait) })
	}
	return s.put(ctx, v, wait)
}

func (s *chanSender[T]) put(ctx context.Context, v T, wait bool) error {
	if !s.enter() || !s.fits(1) {
		if err := s.slot(ctx, wait); err != nil {
			s.leave()
			return err
		}
	}
	s.slots[s.tail&uint64(len(s.slots)-1)] = v
	s.tail++
	s.n++
	s.commit()
	s.leave()
	return nil
}

// SendBatch sends the values in order, publishing many with one store. It
// returns how many were sent; the error, if any, is that of the next one. Between
// those that do not fit at once there may be values of other goroutines.
func (c *Chan[T]) SendBatch(ctx context.Context, values []T) (int, error) {
	if c.send.many != nil {
		return c.send.many.send(ctx, values, true)
	}
	if c.send.guarded {
		return c.send.guardN(func() (int, error) { return c.send.batch(ctx, values) })
	}
	return c.send.batch(ctx, values)
}

func (s *chanSender[T]) batch(ctx context.Context, values []T) (sent int, err error) {
	open := s.enter()
	for sent < len(values) {
		if !open || !s.fits(1) {
			open = true // slot finds out that it is not
			if err := s.slot(ctx, true); err != nil {
				s.leave()
				return sent, err
			}
		}
		at := int(s.tail & uint64(len(s.slots)-1))
		n := copy(s.slots[at:], values[sent:min(len(values), sent+int(s.limit-s.tail))])
		s.tail += uint64(n)
		s.n += uint64(n)
		sent += n
		s.commit()
	}
	s.leave()
	return sent, nil
}

// slot waits until a slot is free, once this process is the producer.
func (s *chanSender[T]) slot(ctx context.Context, wait bool) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	return s.room(ctx, 1, wait)
}

// begin makes this process the producer, unless it is.
func (s *chanSender[T]) begin(ctx context.Context) error {
	switch {
	case s.closed.Load():
		return ErrClosed
	case s.holds || s.broken != nil:
		return s.broken
	}
	err := s.join(ctx, robust.Trust{})
	if err == nil {
		err = s.sender.begin(1)
	}
	if err != nil {
		return fmt.Errorf("become producer: %w", err)
	}
	return nil
}

// CloseSend ends the stream: whoever receives gets what was sent and then
// io.EOF, whoever sends gets ErrClosed, for ever. A process that is not a
// producer becomes one first, so ErrBusy and ErrTooManyProcesses are possible.
// Where the stream has ended already it does nothing more and returns nil.
func (c *Chan[T]) CloseSend(ctx context.Context) error {
	if c.send.many != nil {
		return c.send.many.closeSend(ctx)
	}
	if c.send.guarded {
		return c.send.guard(func() error { return c.send.closeSend(ctx) })
	}
	return c.send.closeSend(ctx)
}

func (s *chanSender[T]) closeSend(ctx context.Context) error {
	s.enter()
	err := s.begin(ctx)
	if err == nil {
		s.endStream()
	}
	s.leave()
	return err
}
