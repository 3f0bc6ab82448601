package ringbuf

import (
	"context"
	"errors"
	"fmt"
	"os"
)

// Ready says whether a Recv would return at once: there is a message, or there will be
// none any more, or the queue is closed or broken. It receives nothing and takes no role.
// Others may be faster than the Recv. If it says no, the descriptor of PollFile is
// readable from now on when that may have changed, as after ErrEmpty.
func (q *Queue) Ready() bool {
	r := &q.recv
	due, joined := r.due()
	if !due && joined { // only a consumer is woken
		_ = r.own.tried(ErrEmpty)
	}
	return due
}

func (r *queueReceiver) due() (due, joined bool) {
	r.lock.Lock()
	defer r.lock.Unlock()
	due = true
	if !r.own.closed.Load() && r.own.broken == nil {
		_ = guard(func() error {
			due = (&laneWatch{r: &r.lane.laneReceiver}).due()
			return nil
		})
	}
	return due, r.joined
}

// PollFile returns a descriptor that is readable when there is something to receive, as
// Consumer.PollFile does. The process becomes a consumer by it, if it is none: errors are
// also those of Recv.
func (q *Queue) PollFile() (*os.File, error) {
	r := &q.recv
	joined, err := r.sitDown()
	if err != nil {
		return nil, err
	}
	return r.own.pollFile(func() watched { return &laneWatch{r: &r.lane.laneReceiver, t: &r.turns} }, joined)
}

// sitDown makes the process a consumer, and says whether it is one: not if another
// goroutine is about to.
func (r *queueReceiver) sitDown() (joined bool, err error) {
	err = r.queue(context.Background(), false)
	if err == nil {
		err = r.become(context.Background(), "consumer", false, r.enrol)
		r.finish()
	}
	r.lock.Lock()
	defer r.lock.Unlock()
	if err == errQueued || errors.Is(err, ErrBusy) {
		return r.joined, nil
	}
	return r.joined, err
}

// Len returns how many messages were sent and not yet received, of all producers. What
// is received again does not count again. It is exact while nobody sends or receives, also
// if processes were killed or stopped in the middle of that. Otherwise it may be out of
// date when it arrives, of one producer more than of another.
func (q *Queue) Len() int { return q.ring.many.unreceived() }

// Empty says whether there is no message. The answer may be out of date when it arrives.
func (q *Queue) Empty() bool {
	empty := true
	s := q.ring.many
	_ = guard(func() error {
		for i := range s.usedLanes() {
			if s.waiting(&s.lanes[i]) != 0 {
				empty = false
			}
		}
		empty = empty && !(s.opts.Redeliver && s.anyAgain())
		return nil
	})
	return empty
}

// Full says whether a TrySend of an empty message would return ErrFull. A process that
// is no producer has no room that could be full, but Options.MaxMessages may be reached. The answer may be out of date when it
// arrives.
func (q *Queue) Full() bool {
	full := false
	_, _ = q.send.careful(func() (int, error) {
		full = q.send.full()
		return 0, nil
	})
	return full
}

func (s *queueSender) full() bool {
	s.lock.Lock()
	defer s.lock.Unlock()
	switch {
	case s.own.closed.Load() || s.own.broken != nil:
		return false
	case !s.joined:
		sh := s.lane.s
		return sh.opts.MaxMessages > 0 && sh.count() >= sh.bound()
	case s.late:
		return true
	}
	return s.lane.probe(context.Background(), 0, false) == ErrFull
}

// Stats returns the queue's numbers, in bytes.
func (q *Queue) Stats() Stats { return q.ring.Stats() }

// Ends returns the numbers of each end that the queue has or had, producers first.
func (q *Queue) Ends() []EndStats { return q.ring.Ends() }

// String describes the queue.
func (q *Queue) String() string {
	producers, consumers := q.ring.many.pids()
	o := &q.ring.opts
	return fmt.Sprintf("Queue(%q, %v, %d messages, room for %d bytes of each producer, %v, producers %v, consumers %v)",
		q.Name(), o.Mode, q.Len(), o.Capacity, o.Strategy, producers, consumers)
}
