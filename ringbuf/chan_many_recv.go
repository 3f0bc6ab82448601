package ringbuf

import (
	"context"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/robust"
)

// manyReceiver is the receiving side of a channel with many ends.
type manyReceiver[T any] struct {
	laneReceiver
	turns
	arrivals
	slots [][]T // of the lanes
	batch int   // how many values it tries to take at once
}

func (r *manyReceiver[T]) init(sh *shared, life context.Context, guarded bool) {
	r.own.guarded = guarded
	r.laneReceiver.init(&r.own, sh)
	r.turns.start(life)
	r.batch = batchMost
	r.slots = make([][]T, len(sh.lanes))
	for i := range r.slots {
		r.slots[i] = slotsOf[T](sh.bytes[sh.geo.at(i):], sh.geo.capacity)
	}
	r.arrivals.init(&r.laneReceiver)
}

// recvOne is Recv and TryRecv.
func (r *manyReceiver[T]) recvOne(ctx context.Context, wait bool) (T, error) {
	if !r.guarded { // so that nothing panics with the lock
		r.lock.Lock()
		v, ok := r.dart()
		r.lock.Unlock()
		if ok {
			return v, nil
		}
	}
	var one [1]T
	n, err := r.recv(ctx, one[:], wait)
	if n == 0 { // what was copied may be another's
		return *new(T), err
	}
	return one[0], nil
}

// recv receives at least one value.
func (r *manyReceiver[T]) recv(ctx context.Context, values []T, wait bool) (int, error) {
	if r.guarded {
		return r.careful(func() (int, error) { return r.transfer(ctx, values, wait) })
	}
	return r.transfer(ctx, values, wait)
}

func (r *manyReceiver[T]) transfer(ctx context.Context, values []T, wait bool) (int, error) {
	if len(values) == 0 {
		return 0, nil
	}
	n, err := r.get(values, false)
	if n > 0 || err != ErrEmpty && err != errBeaten && err != errOutside {
		return n, err
	}
	if err := r.queue(ctx, wait); err != nil {
		if err == errQueued { // who has the turn finds out if the stream is over
			err = ErrEmpty
		}
		return 0, err
	}
	defer r.finish()
	if err := r.become(ctx, "consumer", wait, r.enrol); err != nil {
		return 0, err
	}
	for w, tries := (patience{}), 0; ; tries++ {
		n, err := r.get(values, true)
		switch {
		case n > 0:
			return n, nil
		case err == errBeaten:
			if err := contextEnded(ctx, r.closed.Load()); err != nil {
				return 0, err
			}
			futex.Yield()
		case err != ErrEmpty:
			return 0, err
		default:
			if err := r.doze(ctx, &w, wait); err != nil {
				return 0, err
			}
		}
		if !wait && tries == enough {
			return 0, ErrEmpty
		}
	}
}

// get receives as many values as there are. Without any the error is ErrEmpty, or
// errBeaten. served says that the caller has the turn.
func (r *manyReceiver[T]) get(values []T, served bool) (n int, err error) {
	r.lock.Lock()
	defer r.lock.Unlock()
	switch {
	case r.late && !served:
		return 0, ErrEmpty
	case r.closed.Load():
		return 0, ErrClosed
	case r.broken != nil:
		return 0, r.broken
	case !r.joined:
		return 0, errOutside
	}
	for range enough {
		k, err := r.some(values[n:])
		if n += k; n == len(values) || n > 0 && k == 0 {
			return n, nil
		}
		if err != nil {
			if err == ErrEmpty && served && r.published() {
				err = errBeaten // somebody was at the lane when it was looked at
			}
			return 0, err
		}
	}
	if n > 0 {
		return n, nil
	}
	return 0, errBeaten
}

// some receives values of one lane by one CAS; none, without an error, if others
// were faster.
func (r *manyReceiver[T]) some(values []T) (int, error) {
	i, head, tail, ok, err := r.next()
	if !ok {
		if err == nil {
			err = ErrEmpty
		}
		return 0, err
	}
	slots := r.slots[i]
	at := int(head/recordUnit) & (len(slots) - 1)
	n := min(len(values), int((tail-head)/recordUnit), r.batch)
	k := copy(values[:n], slots[at:])
	copy(values[k:n], slots)
	crashpoint.Hit("chan.drained")
	if !r.taken(i, head, head+uint64(n)*recordUnit) {
		r.batch = max(n/2, 1)
		return 0, nil
	}
	if n == r.batch {
		r.batch = min(2*n, batchMost)
	}
	r.received(uint64(n), uint64(n*sizeOf[T]()))
	return n, nil
}

// dart receives the next value of the lane at hand, if nothing is in the way: the
// common case of get.
func (r *manyReceiver[T]) dart() (v T, ok bool) {
	if r.late || r.detour.Load() != special || !r.joined || !r.face(1) {
		return v, false
	}
	l, slots := &r.s.lanes[r.at], r.slots[r.at]
	head, tail := l.head.Load(), r.tails[r.at]
	if int64(tail-head) <= 0 {
		tail = r.s.end(l)
		r.heard.Acquire()
		r.tails[r.at] = tail
	}
	if tail == head || tail-head > uint64(len(slots))*recordUnit || (tail|head)%recordUnit != 0 {
		return v, false
	}
	v = slots[int(head/recordUnit)&(len(slots)-1)]
	crashpoint.Hit("chan.copied")
	if !r.taken(r.at, head, head+recordUnit) {
		return v, false
	}
	r.received(1, uint64(sizeOf[T]()))
	return v, true
}

// enrol takes a seat.
func (r *manyReceiver[T]) enrol(ctx context.Context) error {
	if err := r.laneReceiver.join(ctx, robust.Trust{}, 0); err != nil {
		return err
	}
	r.sleeper.word = r.nap.word
	return nil
}

// doze waits for something to receive, with the turn. The error says why nothing
// will come.
func (r *manyReceiver[T]) doze(ctx context.Context, w *patience, wait bool) error {
	r.s.tidy(nobody)
	if err := r.over(); err != nil {
		if r.published() { // everything published before that is visible now
			return nil
		}
		return err
	}
	if !wait {
		if r.published() {
			return nil
		}
		return ErrEmpty
	}
	r.seat.waits.StoreRelaxed(r.seat.waits.Load() + 1)
	return r.rest(ctx, w, &r.nap, lanePark{1, r.arrived, r.notify, r.producer(), r.gone})
}

// producer is one that lives, another one each time; nil if there is none.
func (r *manyReceiver[T]) producer() *robust.Presence {
	used := r.s.usedLanes()
	for range used {
		if r.friend++; r.friend >= len(used) {
			r.friend = 0
		}
		if p := &used[r.friend].Presence; robust.StateOf(p.Word.Load()) == robust.Present {
			return p
		}
	}
	return nil
}
