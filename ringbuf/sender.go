package ringbuf

import (
	"context"
	"fmt"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/robust"
)

// sender is a sending end without the messages: it knows how much room there
// is, and publishes. What is counted, bytes or slots, is its user's business.
type sender struct {
	tail  uint64 // end of what is published; the shared one is only written
	limit uint64 // tail may grow up to here: the head last seen plus the capacity
	size  uint64 // capacity

	// peerWord is the consumer's presence word, without Waiters, when it was last
	// found in order, or noWord.
	peerWord uint64

	exclusive
}

// noWord is not a presence word: the peer must be looked at.
const noWord = 1 << 32

func (s *sender) init(h *header, o Options) {
	s.exclusive.init(h, o, &h.producer, &h.consumer)
	s.size, s.peerWord = uint64(o.Capacity), noWord
	s.breaks = func(err error) error {
		s.broken = err
		s.detour.Or(defunct)
		return err
	}
	s.ready = func() bool { return int64(h.head.Load()-s.want.Load()) >= 0 }
}

// begin reads where the ring stands, once this process has the role. Indices
// are multiples of unit.
func (s *sender) begin(unit uint64) error {
	tail, head := s.h.tail.Load(), s.h.head.Load()
	if tail-head > s.size || tail%unit != 0 {
		s.mine.Leave()
		s.holds = false
		return fmt.Errorf("%w: tail %d, head %d", ErrCorrupt, tail, head)
	}
	s.tail, s.limit = tail, head+s.size
	s.n = s.counts.messages.Load()
	return nil
}

// fits says whether there is room for need, as last seen, and the consumer is
// as it was last seen.
func (s *sender) fits(need uint64) bool {
	return need <= s.limit-s.tail && uint64(s.theirs.Word.Load()&^robust.Waiters) == s.peerWord
}

// room waits until there is room for need, which is at most the capacity.
func (s *sender) room(ctx context.Context, need uint64, wait bool) error {
	if s.broken != nil {
		return s.broken
	}
	for w := (patience{}); ; {
		if s.closed.Load() || s.h.ended.Load() != 0 {
			return ErrClosed
		}
		peer := s.seePeer()
		switch {
		case s.patient:
		case peer.died():
			return errConsumerDied
		case peer.gone() && s.closed.Load(): // it was this ring's too, and left in Ring.Close
			return ErrClosed
		case peer.gone():
			return ErrNoConsumer
		}
		s.peerWord = uint64(peer.word)
		head := s.h.head.Load() // acquire: index
		s.heard.Acquire()
		if s.tail-head > s.size || int64(head+s.size-s.limit) < 0 {
			return s.breaks(fmt.Errorf("%w: tail %d, head %d", ErrCorrupt, s.tail, head))
		}
		s.limit = head + s.size
		note(&s.counts.high, s.tail-head)
		if need <= s.limit-s.tail {
			return nil
		}
		if !wait {
			return ErrFull
		}
		want := s.tail + need - s.size
		s.want.Store(want)
		s.h.wanted.Store(want)
		if err := s.await(ctx, &w, peer); err != nil {
			return err
		}
	}
}

// commit publishes everything up to tail.
func (s *sender) commit() {
	s.publish(&s.h.tail, s.tail)
	if s.peerSleeps() {
		s.wakePeer()
	}
}

// endStream is CloseSend: nothing further will come.
func (s *sender) endStream() {
	s.told.ReleaseMerge()
	s.h.ended.Store(1)
	crashpoint.Hit("ring.ended")
	s.peerWord = noWord // so that the next call finds out
	s.wakePeer()
}
