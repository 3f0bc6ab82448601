package pool

import (
	"context"
	"errors"
	"fmt"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/mem"
	"github.com/shmkit/shmkit/ringbuf"
)

// reply answers for the task that runs.
func (d *duty) reply(kind answerKind, body []byte) error {
	d.heard()
	return d.worker.send(answer{seq: d.frame.seq, index: d.index, count: 1, kind: kind, body: body})
}

// answer answers for the task that runs with its encoded result.
func (d *duty) answer(part []byte) error {
	kind := answerValue
	if part == nil {
		kind = answerNil
	}
	if most := d.worker.MaxMessage; len(part) > most {
		return d.fail(fmt.Errorf("%w: %w: %d bytes of at most %d", ErrResult, ringbuf.ErrTooLarge, len(part), most))
	}
	err := d.reply(kind, part)
	if errors.Is(err, ringbuf.ErrTooLarge) || errors.Is(err, ringbuf.ErrNoSpace) {
		return d.fail(fmt.Errorf("%w: %w", ErrResult, err))
	}
	return err
}

// answerBeside is answer for a result that travels beside the ring.
func (d *duty) answerBeside(r any) error {
	if d.worker.unrung > 0 {
		d.worker.ring() // there may be no room beside the ring until those before are fetched
	}
	if err := d.worker.side.Send(context.Background(), r); err != nil {
		return d.fail(fmt.Errorf("%w: %w", ErrResult, err))
	}
	return d.reply(answerCargo, nil)
}

// fail answers with an error.
func (d *duty) fail(err error) error {
	rerr := d.reply(answerError, encodeError(err))
	if errors.Is(rerr, ringbuf.ErrTooLarge) || errors.Is(rerr, ringbuf.ErrNoSpace) {
		return d.reply(answerError, encodeError(fmt.Errorf("%w: the task's error: %w", ErrResult, rerr)))
	}
	return rerr
}

// send publishes an answer, which survives this process from then on. The pool is told
// when the batch is through, or when it has to make room.
func (s *server) send(a answer) error {
	n := answerHeader + len(a.body)
	if s.unrung > 0 && s.unrung+n > unrungBytes {
		s.ring()
	}
	room, err := s.Answers.Reserve(context.Background(), n)
	if err != nil {
		return err
	}
	a.put(room)
	mem.Copy(room[answerHeader:], a.body)
	crashpoint.Hit("pool.written")
	if err := s.Answers.Commit(n); err != nil {
		return err
	}
	crashpoint.Hit("pool.published")
	s.unrung += n + 16
	return nil
}

// unrungBytes is how much a worker publishes without telling: a quarter of the
// smallest ring, so that it never waits for room while the pool sleeps.
const unrungBytes = leastRing / 4

// ring tells the pool of all answers.
func (s *server) ring() {
	s.board.ring(s.desk)
	s.unrung = 0
}
