package ringbuf

import (
	"context"
	"fmt"
)

// chanSender is the sending end of a Chan. It differs from Producer in that a
// slot is a value, so that no lengths are written and nothing is too large.
type chanSender[T any] struct {
	end
	slots  []T
	tail   uint64 // end of what is published; the shared one is only written
	limit  uint64 // tail may grow up to here: the head last seen plus the capacity
	joined bool
}

func (s *chanSender[T]) init(h *header, slots []T, o Options, guarded bool) {
	s.end.init(h, o, true)
	s.slots, s.guarded = slots, guarded
	s.ready = func() bool { return int64(h.head.Load()-s.want.Load()) >= 0 }
}

// Send sends v, waiting for room as long as ctx allows. On an error nothing was
// sent: ErrBusy when another living process is the producer, ErrClosed,
// ErrNoConsumer, ErrTruncated, ErrCorrupt or the context's error.
func (c *Chan[T]) Send(ctx context.Context, v T) error {
	if c.send.guarded {
		return guard(func() error { return c.send.send(ctx, v, true) })
	}
	return c.send.send(ctx, v, true)
}

// TrySend is Send that returns ErrFull instead of waiting.
func (c *Chan[T]) TrySend(v T) error {
	if c.send.guarded {
		return guard(func() error { return c.send.send(context.Background(), v, false) })
	}
	return c.send.send(context.Background(), v, false)
}

func (s *chanSender[T]) send(ctx context.Context, v T, wait bool) error {
	if !s.enter() || s.tail == s.limit || s.theirs.Word.Load() != s.peerWord {
		if err := s.room(ctx, wait); err != nil {
			s.leave()
			return err
		}
	}
	s.slots[s.tail&uint64(len(s.slots)-1)] = v
	s.tail++
	s.publish(&s.h.tail, s.tail)
	if s.peerFlag.Load() != 0 {
		s.wakePeer()
	}
	s.leave()
	return nil
}

// SendBatch sends the values in order, publishing many with one store. It
// returns how many were sent; the error, if any, is that of the next one.
func (c *Chan[T]) SendBatch(ctx context.Context, values []T) (int, error) {
	if c.send.guarded {
		return guardN(func() (int, error) { return c.send.batch(ctx, values) })
	}
	return c.send.batch(ctx, values)
}

func (s *chanSender[T]) batch(ctx context.Context, values []T) (sent int, err error) {
	open := s.enter()
	for sent < len(values) {
		if !open || s.tail == s.limit || s.theirs.Word.Load() != s.peerWord {
			open = true // room finds out that it is not
			if err := s.room(ctx, true); err != nil {
				s.leave()
				return sent, err
			}
		}
		at := int(s.tail & uint64(len(s.slots)-1))
		n := copy(s.slots[at:], values[sent:min(len(values), sent+int(s.limit-s.tail))])
		s.tail += uint64(n)
		sent += n
		s.commit()
	}
	s.leave()
	return sent, nil
}

func (s *chanSender[T]) commit() {
	s.publish(&s.h.tail, s.tail)
	if s.peerFlag.Load() != 0 {
		s.wakePeer()
	}
}

// begin makes this process the producer.
func (s *chanSender[T]) begin(ctx context.Context) error {
	if err := s.join(ctx, 0); err != nil {
		return fmt.Errorf("become producer: %w", err)
	}
	tail, head := s.h.tail.Load(), s.h.head.Load()
	if tail-head > uint64(len(s.slots)) {
		s.mine.Leave()
		return fmt.Errorf("%w: tail %d, head %d", ErrCorrupt, tail, head)
	}
	s.tail, s.limit, s.joined = tail, head+uint64(len(s.slots)), true
	return nil
}

// room waits until a slot is free, once this process is the producer.
func (s *chanSender[T]) room(ctx context.Context, wait bool) error {
	size := uint64(len(s.slots))
	if s.broken != nil {
		return s.broken
	}
	for w := (patience{}); ; {
		if s.closed.Load() || s.h.ended.Load() != 0 {
			return ErrClosed
		}
		if !s.joined {
			if err := s.begin(ctx); err != nil {
				return err
			}
		}
		word, gone, died := s.peerGone()
		switch {
		case gone && died && !s.patient:
			return errConsumerDied
		case gone && !s.patient:
			return ErrNoConsumer
		}
		s.peerWord = word
		head := s.h.head.Load() // acquire: index
		if s.tail-head > size || int64(head+size-s.limit) < 0 {
			s.broken = fmt.Errorf("%w: tail %d, head %d", ErrCorrupt, s.tail, head)
			s.limit = s.tail // so that every call comes here
			return s.broken
		}
		s.limit = head + size
		if s.tail != s.limit {
			return nil
		}
		if !wait {
			return ErrFull
		}
		s.want.Store(s.tail + 1 - size)
		s.h.wanted.Store(s.tail + 1 - size)
		if err := s.await(ctx, &w, word); err != nil {
			return err
		}
	}
}

// CloseSend ends the stream: whoever receives gets what was sent and then
// io.EOF, whoever sends gets ErrClosed, for ever. A process that is not the
// producer becomes it first, so ErrBusy is possible.
func (c *Chan[T]) CloseSend(ctx context.Context) error {
	if c.send.guarded {
		return guard(func() error { return c.send.endStream(ctx) })
	}
	return c.send.endStream(ctx)
}

func (s *chanSender[T]) endStream(ctx context.Context) error {
	open := s.enter()
	defer s.leave()
	if !open {
		return ErrClosed
	}
	if !s.joined {
		if err := s.begin(ctx); err != nil {
			return err
		}
	}
	s.endOfStream()
	return nil
}
