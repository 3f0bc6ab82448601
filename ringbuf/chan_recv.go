package ringbuf

import (
	"context"
	"fmt"
	"io"
	"iter"

	"github.com/shmkit/shmkit/internal/robust"
)

// chanReceiver is the receiving end of a Chan. It differs from Consumer in that
// a slot is a value: what is received is copied out and nothing is held; and in
// that it takes its role when it is first used.
type chanReceiver[T any] struct {
	receiver
	slots []T
	many  *manyReceiver[T] // where there are many ends; of the rest there is only detour
}

// divert makes every call go to many, past the fast path.
func (r *chanReceiver[T]) divert(many *manyReceiver[T]) {
	r.many = many
	r.detour.Or(special)
}

func (r *chanReceiver[T]) init(h *header, slots []T, o Options, guarded bool) {
	r.guarded = guarded
	r.receiver.init(h, o, 1)
	r.slots = slots
}

// Recv receives the next value, waiting for one as long as ctx allows. The
// error is io.EOF when all were received and the stream was ended or the last
// producer has left, ErrPeerDied when one died instead, ErrBusy when another living
// process is the consumer, ErrTooManyProcesses when there may be many and are,
// ErrClosed, ErrTruncated, ErrCorrupt or the context's error.
func (c *Chan[T]) Recv(ctx context.Context) (T, error) {
	r := &c.recv
	if !r.dash() || r.tail == r.head {
		return r.recvSlow(ctx, true)
	}
	v := r.slots[r.head&uint64(len(r.slots)-1)]
	r.head++
	r.n++
	r.h.received.messages.StoreRelaxed(r.n)
	r.dashed(&r.h.head, r.head)
	if r.peerSleeps() {
		r.wakeIfWanted()
	}
	r.leave()
	return v, nil
}

// TryRecv is Recv that returns ErrEmpty instead of waiting: for a value, or behind
// other goroutines that have waited for one.
func (c *Chan[T]) TryRecv() (T, error) {
	v, err := c.recv.recvSlow(context.Background(), false)
	return v, c.side(toRecv).tried(err)
}

// recvSlow is Recv with all that may be in the way of its fast path.
func (r *chanReceiver[T]) recvSlow(ctx context.Context, wait bool) (v T, err error) {
	if r.many != nil {
		return r.many.recvOne(ctx, wait)
	}
	if r.guarded {
		err = r.guard(func() (err error) { v, err = r.take(ctx, wait); return })
		return v, err
	}
	return r.take(ctx, wait)
}

func (r *chanReceiver[T]) take(ctx context.Context, wait bool) (v T, err error) {
	if !r.enter() || r.tail == r.head {
		if err := r.value(ctx, wait); err != nil {
			r.leave()
			return v, err
		}
	}
	v = r.slots[r.head&uint64(len(r.slots)-1)]
	r.head++
	r.n++
	r.commit()
	r.leave()
	return v, nil
}

// RecvBatch receives up to len(values) values, and returns how many. It waits
// for the first as long as ctx allows, and for no more. Errors are those of
// Recv, with none received. Elements behind those that were received may have been
// written to.
func (c *Chan[T]) RecvBatch(ctx context.Context, values []T) (int, error) {
	if c.recv.many != nil {
		return c.recv.many.recv(ctx, values, true)
	}
	if c.recv.guarded {
		return c.recv.guardN(func() (int, error) { return c.recv.batch(ctx, values) })
	}
	return c.recv.batch(ctx, values)
}

func (r *chanReceiver[T]) batch(ctx context.Context, values []T) (n int, err error) {
	open := r.enter()
	if len(values) == 0 {
		r.leave()
		return 0, nil
	}
	if !open || r.tail == r.head {
		if err := r.value(ctx, true); err != nil {
			r.leave()
			return 0, err
		}
	}
	values = values[:min(len(values), int(r.tail-r.head))]
	at := int(r.head & uint64(len(r.slots)-1))
	n = copy(values, r.slots[at:])
	n += copy(values[n:], r.slots)
	r.head += uint64(n)
	r.n += uint64(n)
	r.commit()
	r.leave()
	return n, nil
}

// All returns the values until the stream ends. An error is the last thing
// yielded; the end of the stream is none.
func (c *Chan[T]) All(ctx context.Context) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for {
			v, err := c.Recv(ctx)
			if err == io.EOF || !yield(v, err) || err != nil {
				return
			}
		}
	}
}

// value waits until there is a value behind head, once this process is the
// consumer.
func (r *chanReceiver[T]) value(ctx context.Context, wait bool) error {
	if !r.holds && r.broken == nil && !r.closed.Load() {
		err := r.join(ctx, robust.Trust{})
		if err == nil {
			err = r.begin()
		}
		if err != nil {
			return fmt.Errorf("become consumer: %w", err)
		}
	}
	return r.message(ctx, wait)
}
