package ringbuf

import (
	"context"
	"fmt"
	"io"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/mem"
	"github.com/shmkit/shmkit/internal/robust"
)

// receiver is a receiving end without the messages: it knows how much there
// is, and releases. What is counted, bytes or slots, is its user's business.
type receiver struct {
	head uint64 // end of what is released; the shared one is only written
	tail uint64 // end of what is published, as last seen
	size uint64 // capacity
	unit uint64 // indices are multiples of it

	exclusive
}

func (r *receiver) init(h *header, o Options, unit uint64) {
	r.exclusive.init(h, o, &h.consumer, &h.producer)
	r.size, r.unit = uint64(o.Capacity), unit
	r.breaks = func(err error) error {
		r.broken = err
		r.tail = r.head // so that every call comes to message
		r.detour.Or(defunct)
		return err
	}
	r.ready = func() bool { return h.tail.Load() != r.want.Load() || h.ended.Load() != 0 }
}

// begin reads where the ring stands, once this process has the role.
func (r *receiver) begin() error {
	tail, head := r.h.tail.Load(), r.h.head.Load()
	if tail-head > r.size || head%r.unit != 0 {
		r.mine.Leave()
		r.holds = false
		return fmt.Errorf("%w: tail %d, head %d", ErrCorrupt, tail, head)
	}
	r.head, r.tail = head, head
	r.n = r.counts.messages.Load()
	return nil
}

// message waits until something is published behind head.
func (r *receiver) message(ctx context.Context, wait bool) error {
	switch {
	case r.closed.Load():
		return ErrClosed
	case r.broken != nil:
		return r.broken
	}
	r.want.Store(r.head)
	for w := (patience{}); ; {
		peer := r.seePeer()
		if found, err := r.look(); found || err != nil {
			return err
		}
		if over := r.over(ctx, peer, wait); over != nil {
			// Everything published before that is visible now.
			if found, err := r.look(); found || err != nil {
				return err
			}
			if r.closed.Load() { // the peer was this ring's too, and left in Ring.Close
				return ErrClosed
			}
			return over
		}
		if !wait {
			return ErrEmpty
		}
		if err := r.await(ctx, &w, peer); err != nil {
			return err
		}
	}
}

// look reads how much is published, and says whether that is anything new.
func (r *receiver) look() (bool, error) {
	tail := r.h.tail.Load() // acquire: index
	r.heard.Acquire()
	if tail-r.head > r.size || tail%r.unit != 0 {
		return false, r.breaks(fmt.Errorf("%w: tail %d, head %d", ErrCorrupt, tail, r.head))
	}
	r.tail = tail
	note(&r.counts.high, tail-r.head)
	return tail != r.head, nil
}

// over says why nothing further will come, nil if something may. A producer
// that the kernel reports dead may have a thread that still runs: the take-over
// fence waits for its end, so that nothing is published afterwards.
func (r *receiver) over(ctx context.Context, seen peer, wait bool) error {
	switch {
	case r.h.ended.Load() != 0:
		return io.EOF
	case r.patient || !seen.gone():
		return nil
	case !seen.died():
		return io.EOF
	case (!wait || r.parks) && !r.theirs.Gone():
		return nil
	}
	if err := r.theirs.AwaitGone(ctx, r.closed.Load); err != nil {
		return err
	}
	crashpoint.Hit("ring.mourned")
	switch {
	case r.closed.Load():
		return ErrClosed
	case robust.StateOf(r.theirs.Word.Load()) != robust.Dead:
		return nil // somebody has taken over
	}
	return ErrPeerDied
}

// commit gives everything up to head back.
func (r *receiver) commit() {
	r.publish(&r.h.head, r.head)
	if r.peerSleeps() {
		r.wakeIfWanted()
	}
}

// wakeIfWanted wakes the producer if there is as much room as it sleeps for.
func (r *receiver) wakeIfWanted() {
	if int64(r.head-r.h.wanted.Load()) >= 0 {
		r.wakePeer()
	}
}

// glances is how often glance looks.
const glances = 64

// glance waits for something behind head as long as another core may be about
// to publish it, before all that message does. It is for the fast path only.
func (r *receiver) glance() bool {
	for range glances {
		if tail := r.h.tail.Load(); tail != r.head { // acquire: index
			found, err := r.look()
			return found && err == nil
		}
		mem.Pause(1)
	}
	return false
}
