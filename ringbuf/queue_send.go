package ringbuf

import (
	"context"

	"github.com/shmkit/shmkit/internal/robust"
)

// queueSender is the sending side of a Queue: a producer's lane that goroutines share.
// What would have to wait parks, as under Select, with the lock: so whatever a producer
// waits for, the one with the turn can wait for without it.
type queueSender struct {
	turns
	lane laneProducer
}

func (s *queueSender) init(sh *shared, life context.Context, guarded bool) {
	s.own.guarded = guarded
	s.lane.init(&s.own, sh)
	s.turns.start(life)
}

// Send sends b, waiting for room as long as ctx allows. The process becomes a producer
// by it, if it is none, and stays one until Close. b may be used again when Send has
// returned. On an error nothing was sent: ErrTooLarge, ErrTooManyProcesses (ErrBusy in
// mode SPMC), ErrNoSpace (see Options.MaxMessage), ErrNoConsumer, ErrClosed, ErrTruncated,
// ErrCorrupt or the context's error.
func (q *Queue) Send(ctx context.Context, b []byte) error { return q.send.send(ctx, b, true) }

// TrySend is Send that returns ErrFull instead of waiting: for room, or behind other
// goroutines that wait for some.
func (q *Queue) TrySend(b []byte) error { return q.send.send(context.Background(), b, false) }

func (s *queueSender) send(ctx context.Context, b []byte, wait bool) error {
	if s.own.guarded {
		_, err := s.careful(func() (int, error) { return 0, s.transfer(ctx, b, wait) })
		return err
	}
	// Nothing panics here with the lock.
	s.lock.Lock()
	if s.joined && !s.late {
		if done, err := s.lane.dart(b); done {
			s.lock.Unlock()
			return err
		}
	}
	s.lock.Unlock()
	return s.transfer(ctx, b, wait)
}

func (s *queueSender) transfer(ctx context.Context, b []byte, wait bool) error {
	for {
		if err := s.put(ctx, b, false, false); err != errOutside && (err != ErrFull || !wait) {
			return err
		}
		err := s.queue(ctx, wait)
		if err == nil {
			break
		}
		if err != errQueued { // else somebody has taken the role meanwhile
			return err
		}
	}
	defer s.finish()
	if err := s.become(ctx, "producer", wait, s.enrol); err != nil {
		return err
	}
	for w := (patience{}); ; {
		err := s.put(ctx, b, wait, true)
		if err != errParked {
			return err
		}
		if err := s.rest(ctx, &w, &s.lane.nap, s.lane.nap.parked); err != nil {
			return err
		}
	}
}

// put sends b if it can at once. If not it returns ErrFull, or parks. served says that
// the caller has the turn.
func (s *queueSender) put(ctx context.Context, b []byte, parks, served bool) error {
	s.lock.Lock()
	defer s.lock.Unlock()
	switch {
	case s.own.closed.Load():
		return ErrClosed
	case s.own.broken != nil:
		return s.own.broken
	case !s.joined:
		return errOutside
	case s.late && !served:
		return ErrFull
	case !parks:
		return s.lane.put(ctx, b, false)
	}
	s.own.parks = true
	defer func() { s.own.parks = false }()
	err := s.lane.put(ctx, b, true)
	// From here on others would change what this one waits for.
	s.late = err == errParked
	return err
}

// enrol takes a lane.
func (s *queueSender) enrol(ctx context.Context) error {
	if err := s.lane.join(ctx, robust.Trust{}, 0); err != nil {
		return err
	}
	s.sleeper.word = s.lane.nap.word
	return nil
}

// sit waits for room for a message of n bytes, as Select does, with the turn.
func (s *queueSender) sit(n int) error {
	if err := s.park(n); err != errParked {
		return err
	}
	return s.rest(context.Background(), &patience{}, &s.lane.nap, s.lane.nap.parked)
}

func (s *queueSender) park(n int) error {
	s.lock.Lock()
	defer s.lock.Unlock()
	if s.own.closed.Load() {
		return ErrClosed
	}
	err := s.lane.probe(context.Background(), uint64(n), true)
	s.late = err == errParked
	return err
}

// CloseSend ends the stream: whoever receives gets what was sent and then io.EOF,
// whoever sends gets ErrClosed, for ever. A process that is not a producer becomes one
// first, so ErrTooManyProcesses and ErrBusy are possible. Where the stream has ended
// already it does nothing more and returns nil.
func (q *Queue) CloseSend(ctx context.Context) error {
	return q.send.turns.endStream(ctx, q.ring.many, q.send.enrol)
}
