package ringbuf

import (
	"context"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/robust"
	"github.com/shmkit/shmkit/internal/shmfile"
)

// manySender is the sending side of a channel with many ends.
type manySender[T any] struct {
	laneSender
	turns
	slots []T // of its lane
}

func (s *manySender[T]) init(sh *shared, life context.Context, guarded bool) {
	s.own.guarded = guarded
	s.laneSender.init(&s.own, sh, uint64(sh.size()))
	s.turns.start(life)
}

// sendOne is Send and TrySend.
func (s *manySender[T]) sendOne(ctx context.Context, v T, wait bool) error {
	if !s.guarded { // so that nothing panics with the lock
		s.lock.Lock()
		if !s.late && s.detour.Load() == special && s.fits(recordUnit) {
			s.slots[int(s.tail/recordUnit)&(len(s.slots)-1)] = v
			crashpoint.Hit("chan.written")
			err := s.publish(s.tail+recordUnit, 1, uint64(sizeOf[T]()))
			s.lock.Unlock()
			return err
		}
		s.lock.Unlock()
	}
	one := [1]T{v}
	_, err := s.send(ctx, one[:], wait)
	return err
}

// send sends the values, or, without wait, the only one.
func (s *manySender[T]) send(ctx context.Context, values []T, wait bool) (int, error) {
	if s.guarded {
		return s.careful(func() (int, error) { return s.transfer(ctx, values, wait) })
	}
	return s.transfer(ctx, values, wait)
}

func (s *manySender[T]) transfer(ctx context.Context, values []T, wait bool) (sent int, err error) {
	if len(values) == 0 {
		return 0, nil
	}
	sent, err = s.put(values, false)
	if sent == len(values) || err != nil && err != errOutside && (err != ErrFull || !wait) {
		return sent, err
	}
	if err := s.queue(ctx, wait); err != nil {
		if err == errQueued {
			err = ErrFull
		}
		return sent, err
	}
	defer s.finish()
	if err := s.become(ctx, "producer", wait, s.enrol); err != nil {
		return sent, err
	}
	for w := (patience{}); ; {
		n, err := s.put(values[sent:], true)
		if sent += n; sent == len(values) {
			return sent, nil
		}
		if err == nil {
			w = patience{}
			continue
		}
		if err != ErrFull || !wait {
			return sent, err
		}
		if err := s.doze(ctx, &w); err != nil {
			return sent, err
		}
	}
}

// put sends as many of the values as there is room for. ErrFull: none. served says
// that the caller has the turn.
func (s *manySender[T]) put(values []T, served bool) (int, error) {
	s.lock.Lock()
	defer s.lock.Unlock()
	if s.late && !served {
		return 0, ErrFull
	}
	if s.detour.Load() != special || !s.fits(recordUnit) {
		switch {
		case s.closed.Load():
			return 0, ErrClosed
		case !s.joined:
			return 0, errOutside
		}
		if err := s.room(s.life, recordUnit, false); err != nil {
			return 0, err
		}
	}
	at := int(s.tail/recordUnit) & (len(s.slots) - 1)
	n := min(len(values), int((s.limit-s.tail)/recordUnit))
	k := copy(s.slots[at:], values[:n])
	copy(s.slots, values[k:n])
	crashpoint.Hit("chan.filled")
	left := false
	if s.s.opts.MaxMessages > 0 {
		var got uint64
		if got, left = s.claim(uint64(n)); got == 0 {
			return 0, ErrFull
		}
		n = int(got)
	}
	err := s.publish(s.tail+uint64(n)*recordUnit, uint64(n), uint64(n*sizeOf[T]()))
	if s.s.opts.MaxMessages > 0 {
		s.settled(left)
	}
	if err != nil {
		n = 0
	}
	return n, err
}

// enrol takes a lane, with memory for its slots.
func (s *manySender[T]) enrol(ctx context.Context) error {
	g := s.s.geo
	s.allocate = func(i int) error {
		return shmfile.Allocate(s.s.file, int64(g.at(i)), int64(g.capacity*slotSize[T]()))
	}
	if err := s.laneSender.join(ctx, robust.Trust{}, 0); err != nil {
		return err
	}
	err := s.resume(slotsOf[T](s.s.bytes[g.at(s.i):], g.capacity))
	if err != nil {
		s.quit()
	}
	return err
}

// resume goes on where the lane stands.
func (s *manySender[T]) resume(slots []T) error {
	s.lock.Lock()
	defer s.lock.Unlock()
	s.slots, s.sleeper.word = slots, s.nap.word
	return s.laneSender.begin()
}

// doze waits for room, with the turn.
func (s *manySender[T]) doze(ctx context.Context, w *patience) error {
	friend, what := s.await()
	s.l.waits.StoreRelaxed(s.l.waits.Load() + 1)
	if what == forBound {
		return s.rest(ctx, w, &s.nap, lanePark{forBound, s.vacant, s.crowd, friend, s.gone})
	}
	return s.rest(ctx, w, &s.nap, lanePark{forRoom, s.roomy, s.notify, friend, s.gone})
}

// await says what is waited for, and returns a consumer that lives, nil if none is
// known.
func (s *manySender[T]) await() (friend *robust.Presence, what uint32) {
	s.lock.Lock()
	defer s.lock.Unlock()
	what = forRoom
	if s.s.opts.MaxMessages > 0 && recordUnit <= s.limit-s.tail {
		what = forBound
	}
	s.wish(recordUnit)
	if s.friend == nil {
		return nil, what
	}
	return &s.friend.Presence, what
}

// closeSend is Chan.CloseSend.
func (s *manySender[T]) closeSend(ctx context.Context) error {
	return s.turns.endStream(ctx, s.s, s.enrol)
}
