package ringbuf

import (
	"context"
	"io"
	"iter"

	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/robust"
)

// queueReceiver is the receiving side of a Queue: a consumer's seat that goroutines
// share.
type queueReceiver struct {
	turns
	lane laneConsumer
	arrivals
}

// noSeat is the seat of who has none: what any seat holds is another's.
const noSeat = -1

func (r *queueReceiver) init(sh *shared, life context.Context, guarded bool) {
	r.own.guarded = guarded
	r.lane.init(&r.own, sh)
	r.lane.x = noSeat
	r.turns.start(life)
	r.arrivals.init(&r.lane.laneReceiver)
}

// Recv receives the next message into buf, growing it if need be, and returns it, waiting
// as long as ctx allows. The process becomes a consumer by it, if it is none, and stays
// one until Close. The error is io.EOF when everything was received and the stream was
// ended or the last producer has left, ErrPeerDied when one died instead,
// ErrTooManyProcesses (ErrBusy in mode MPSC), ErrClosed, ErrTruncated, ErrCorrupt or the
// context's error.
func (q *Queue) Recv(ctx context.Context, buf []byte) ([]byte, error) {
	return q.recv.recv(ctx, buf, true)
}

// TryRecv is Recv that returns ErrEmpty instead of waiting: for a message, or behind
// other goroutines that have waited for one.
func (q *Queue) TryRecv(buf []byte) ([]byte, error) {
	b, err := q.recv.recv(context.Background(), buf, false)
	return b, q.recv.own.tried(err)
}

// All returns the messages until the stream ends. Each slice is valid until the next one
// is asked for. An error is the last thing yielded; the end of the stream is none. Several
// goroutines may range over a queue, each over its own All.
func (q *Queue) All(ctx context.Context) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		var buf []byte
		for {
			b, err := q.Recv(ctx, buf)
			if err == io.EOF {
				return
			}
			if err != nil {
				yield(nil, err)
				return
			}
			if !yield(b, nil) {
				return
			}
			buf = b
		}
	}
}

func (r *queueReceiver) recv(ctx context.Context, buf []byte, wait bool) ([]byte, error) {
	if r.own.guarded {
		_, err := r.careful(func() (n int, err error) { buf, err = r.transfer(ctx, buf, nil, wait); return })
		if err != nil {
			buf = buf[:0]
		}
		return buf, err
	}
	rounds := 1
	if wait && r.own.strategy != Block { // another core may be about to publish
		rounds = glances
	}
	// Nothing panics here with the lock.
	r.lock.Lock()
	if r.joined && !r.late {
		b, ok := r.lane.dart(buf, rounds)
		if ok {
			r.lock.Unlock()
			return b, nil
		}
		buf = b
	}
	r.lock.Unlock()
	return r.transfer(ctx, buf, nil, wait)
}

// transfer receives a message: into buf, or, if that is not nil, as a lease.
func (r *queueReceiver) transfer(ctx context.Context, buf []byte, lease *Lease, wait bool) ([]byte, error) {
	var err error
	for {
		buf, err = r.get(ctx, buf, lease, false, false)
		if err != errOutside && (err != ErrEmpty || !wait) {
			return buf, err
		}
		if err = r.queue(ctx, wait); err == nil {
			break
		}
		if err != errQueued { // else somebody has taken the role meanwhile
			return buf, err
		}
	}
	defer r.finish()
	if err := r.become(ctx, "consumer", wait, r.enrol); err != nil {
		return buf, err
	}
	for w, tries := (patience{}), 0; ; tries++ {
		buf, err = r.get(ctx, buf, lease, wait, true)
		switch err {
		default:
			return buf, err
		case errParked:
			err = r.rest(ctx, &w, &r.lane.nap, r.park())
		case errBeaten:
			if err = contextEnded(ctx, r.own.closed.Load()); tries%enough == enough-1 {
				futex.Yield()
			}
		}
		if err != nil {
			return buf, err
		}
	}
}

// get receives a message if there is one. If not it returns ErrEmpty, or parks, or
// errBeaten if there is one now. served says that the caller has the turn.
func (r *queueReceiver) get(ctx context.Context, buf []byte, lease *Lease, parks, served bool) (_ []byte, err error) {
	r.lock.Lock()
	defer r.lock.Unlock()
	switch {
	case r.own.closed.Load():
		return buf[:0], ErrClosed
	case r.own.broken != nil:
		return buf[:0], r.own.broken
	case !r.joined:
		return buf[:0], errOutside
	case r.late && !served:
		return buf[:0], ErrEmpty
	}
	if lease == nil {
		buf, err = r.lane.get(ctx, buf, false)
	} else if lease.h, err = r.lane.keep(ctx); err == nil {
		lease.r, lease.again = r, r.lane.again
	}
	if err == ErrEmpty && parks {
		err = r.settle(ctx)
	}
	return buf, err
}

// settle parks, with the lock, unless there is news.
func (r *queueReceiver) settle(ctx context.Context) error {
	parks := r.own.parks // under Select it does on and on
	r.own.parks = true
	defer func() { r.own.parks = parks }()
	err := r.lane.await(ctx, &patience{}, true)
	if err == nil || err == errParked && r.published() {
		return errBeaten
	}
	return err
}

// park is what the turn's holder sleeps for.
func (r *queueReceiver) park() lanePark {
	p := r.lane.nap.parked
	p.ready = r.arrived
	return p
}

// sit waits as Select does, with the turn.
func (r *queueReceiver) sit() error {
	if err := r.probe(); err != errParked {
		return err
	}
	return r.rest(context.Background(), &patience{}, &r.lane.nap, r.park())
}

func (r *queueReceiver) probe() error {
	r.lock.Lock()
	defer r.lock.Unlock()
	if r.own.closed.Load() {
		return ErrClosed
	}
	return r.settle(context.Background())
}

// enrol takes a seat.
func (r *queueReceiver) enrol(ctx context.Context) error {
	if err := r.lane.join(ctx, robust.Trust{}, 0); err != nil {
		r.lane.x = noSeat
		return err
	}
	r.sleeper.word = r.lane.nap.word
	return nil
}
