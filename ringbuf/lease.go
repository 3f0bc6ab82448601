package ringbuf

import (
	"context"
	"fmt"

	"github.com/shmkit/shmkit/internal/crashpoint"
)

// Lease is a message that this process has received and not finished. A process may hold
// any number of them at a time. Its methods may be called from any goroutine; copies are
// the same lease. The zero Lease is of no message, and done.
//
// When the process dies, its leases end with it: their messages count as finished, or,
// with Options.Redeliver, others receive them. Close of the queue does the same. While a
// process is stopped it keeps its leases.
type Lease struct {
	r     *queueReceiver // nil: the zero Lease
	h     held
	again bool
}

// Lease receives the next message as Recv does, but in place: it is held by this process
// until Done. Errors are those of Recv; ErrOption for a queue without Options.Leases.
// With Options.Redeliver io.EOF comes when others are done with what they hold, since
// it may have to be received again; it does not wait for what this process holds.
func (q *Queue) Lease(ctx context.Context) (Lease, error) { return q.recv.lease(ctx, true) }

// TryLease is Lease that returns ErrEmpty instead of waiting: for a message, or behind
// other goroutines that have waited for one.
func (q *Queue) TryLease() (Lease, error) {
	l, err := q.recv.lease(context.Background(), false)
	return l, q.recv.own.tried(err)
}

func (r *queueReceiver) lease(ctx context.Context, wait bool) (l Lease, err error) {
	switch {
	case r.own.closed.Load():
		return l, ErrClosed
	case !r.lane.s.opts.Leases:
		return l, errNoLeases
	case r.own.guarded:
		return r.carefulLease(ctx, wait)
	}
	_, err = r.transfer(ctx, nil, &l, wait)
	return l, err
}

var errNoLeases = fmt.Errorf("%w: leases of a queue that was made without", ErrOption)

func (r *queueReceiver) carefulLease(ctx context.Context, wait bool) (l Lease, err error) {
	_, err = r.careful(func() (int, error) {
		_, err := r.transfer(ctx, nil, &l, wait)
		return 0, err
	})
	return l, err
}

// Bytes returns the message, in shared memory. The slice is valid until Done, and until
// the queue is closed; other processes can write it all the same (see the package's words
// on trust).
func (l Lease) Bytes() []byte {
	if l.r == nil {
		return nil
	}
	return l.r.lane.s.message(l.h)
}

// Redelivered says whether the message was held before by a process that died, or closed
// the queue, before it was done with it.
func (l Lease) Redelivered() bool { return l.again }

// Done says that this process has done with the message what was to be done, and gives its
// memory back. It synchronizes before the return of each WaitFinished that waits for it. It
// returns ErrDone for what was done already, and then has done nothing; ErrClosed when
// the queue was closed meanwhile, which has given the message up; ErrTruncated or
// ErrCorrupt when every call of this process's receiving side returns that.
func (l Lease) Done() error {
	switch r := l.r; {
	case r == nil:
		return ErrDone
	case r.own.guarded:
		_, err := r.careful(func() (int, error) { return 0, r.done(l.h) })
		return err
	default:
		return r.done(l.h)
	}
}

func (r *queueReceiver) done(h held) error {
	r.lock.Lock()
	defer r.lock.Unlock()
	switch {
	case r.own.closed.Load():
		return ErrClosed
	case r.own.broken != nil:
		return r.own.broken
	}
	r.own.told.ReleaseMerge()
	if !r.lane.s.release(h, r.lane.me()) {
		return ErrDone
	}
	crashpoint.Hit("lease.done")
	return nil
}
