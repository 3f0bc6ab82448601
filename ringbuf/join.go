package ringbuf

import (
	"context"
	"errors"
	"fmt"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/robust"
)

// Waiting until all is finished. A message is unfinished while it is published and not
// taken, and then while its extent, or its fate (lane_fate.go), says Held or Again. Who
// takes it makes it Held before the head passes it. So whoever reads the lanes first, and then these, sees
// every message that is unfinished of those that were published before; and if nothing
// was published meanwhile there was an instant at which all were finished. It has to
// be an instant: who works puts more work, and only then is done with its own.
//
// joiners says after how many messages more that are finished the joiners are to be woken.
// A joiner sets it to the number of those that it waits for, counts them once more, and
// sleeps on finished. Whoever finishes a message changes its state and then counts
// joiners down; who comes to zero wakes all. So either the joiner sees that the message
// is finished, or that one is counted. A joiner that finds others' number smaller leaves
// it, and is woken early. Who dies between has not counted: the look of the joiner, every
// 50 ms, finds that. It also finds the dead whom nobody has buried.

// WaitFinished waits, as long as ctx allows, until there is nothing unfinished: every
// message that was sent was received and is done, or, without Options.Redeliver, was lost
// with the process that held it. Where messages are sent meanwhile it waits for those as
// well: so who receives a message can send others that belong to it, and be done with it
// then. The process takes no role by it, and waits also while nobody receives. Errors:
// ErrOption for a queue without Options.Leases, ErrClosed, ErrCorrupt, ErrTruncated, or
// the context's error.
func (q *Queue) WaitFinished(ctx context.Context) error {
	q.joins.RLock()
	defer q.joins.RUnlock()
	s := q.ring.many
	switch {
	case q.recv.own.closed.Load():
		return ErrClosed
	case !s.opts.Leases:
		return errNoLeases
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(q.ring.open, cancel)()
	err := guard(func() error { return s.join(ctx, q.me()) })
	if err != nil && q.recv.own.closed.Load() {
		return ErrClosed
	}
	s.both.head.Acquire()
	return err
}

// countDown counts a message that is finished.
func (s *shared) countDown() {
	for range enough {
		n := s.h.joiners.Load()
		if n == 0 {
			return
		}
		if s.h.joiners.CompareAndSwap(n, n-1) {
			crashpoint.Hit("join.counted")
			if n == 1 {
				s.h.finished.Add(1)
				crashpoint.Hit("join.finished")
				futex.WakeAll(&s.h.finished)
			}
			return
		}
	}
}

// arm has the joiners woken when n more messages are finished, or earlier.
func (s *shared) arm(n uint64) {
	most := uint32(min(n, 1<<30))
	for range enough {
		was := s.h.joiners.Load()
		if was != 0 && was <= most || s.h.joiners.CompareAndSwap(was, most) {
			break
		}
	}
	crashpoint.Hit("join.armed")
}

// me is how words name this process, which keeps its roles until Close.
func (q *Queue) me() chunkWord {
	q.send.lock.Lock()
	sends := q.send.joined
	q.send.lock.Unlock()
	q.recv.lock.Lock()
	receives := q.recv.joined
	q.recv.lock.Unlock()
	switch {
	case receives:
		return q.recv.lane.me()
	case sends:
		return q.send.lane.me()
	}
	return nobody
}

// join waits until nothing is unfinished. me is who waits.
func (s *shared) join(ctx context.Context, me chunkWord) error {
	for {
		s.tidy(me)
		finished := s.h.finished.Load()
		n, err := s.atLeast(me)
		if n != 0 && err == nil {
			s.arm(n)
			var m uint64
			if m, err = s.atLeast(me); m < n { // some were not counted, perhaps
				s.arm(1)
				m, err = s.atLeast(me)
			}
			n = m
		}
		if n == 0 || err != nil {
			return err
		}
		err = futex.SleepAny(ctx, []futex.Word{{Addr: &s.h.finished, Val: finished}}, func() bool { return s.moved(me) })
		if errors.Is(err, futex.ErrFault) {
			return fmt.Errorf("%w: %w", ErrTruncated, err)
		}
		if err != nil {
			return err
		}
		crashpoint.Hit("join.awake")
	}
}

// moved is what the look asks about a sleeping joiner.
func (s *shared) moved(me chunkWord) bool {
	n, err := s.atLeast(me)
	return n == 0 || err != nil || s.undone() || s.ownersGone()
}

// ownersGone finds out whether a consumer has died without the kernel having said so.
func (s *shared) ownersGone() (gone bool) {
	used := s.usedSeats()
	for x := range used {
		c := &used[x]
		if robust.StateOf(c.Word.Load()) == robust.Present && c.CheckOwner() {
			gone = true
		}
	}
	return gone
}
