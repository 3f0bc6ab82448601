package ringbuf

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/mem"
	"github.com/shmkit/shmkit/internal/robust"
)

// laneReceiver is a receiving end among many, without the messages: it finds the
// lanes in which something is published, takes it, and waits. See shared.go for the
// protocol.
type laneReceiver struct {
	*end
	s    *shared
	x    int // its seat
	seat *seat

	tails []uint64 // of the lanes, as last seen
	at    int      // the lane that it takes from
	faced uint64   // the head that it found there
	burst int      // how much it has taken from it in a row
	tries int      // how often it has looked for something since it last tidied

	alone  bool   // there are no other consumers
	across uint64 // bits of an index that say in which chunk it is, 0 if lanes are not sparse

	seen  uint64 // again, when it was last found that there is nothing
	trace trace  // where a message was last received again

	nap    nap
	friend int // a lane whose producer lived when it was last looked for
	ready  func() bool
	gone   func() bool
	notify func()
}

// burstMost is how much a consumer takes from one lane before it looks at the next.
const burstMost = 64

func (r *laneReceiver) init(e *end, sh *shared) {
	r.end, r.s = e, sh
	r.end.init(sh.opts, nil, &sh.both.head, &sh.both.tail)
	r.end.fenced = sh.fenced || sh.opts.Strategy == Block
	r.tails = make([]uint64, len(sh.lanes))
	r.alone = len(sh.seats) == 1
	if sh.sparse() {
		r.across = -uint64(sh.geo.chunk)
	}
	r.breaks = func(err error) error {
		r.broken = err
		r.detour.Or(defunct)
		return err
	}
	r.rouse = func() { _ = guard(r.wakeSelf) }
	r.ready = r.changed
	r.gone = r.hasGone
	r.nap.pass = r.passOn
	r.notify = func() { set(&r.s.h.sleepers, sleeperBit(r.x)) }
}

func (r *laneReceiver) wakeSelf() error {
	if r.seat != nil {
		r.seat.asleep.Store(0)
		futex.WakeAll(&r.seat.asleep)
	}
	return nil
}

func (r *laneReceiver) use(x int) {
	r.x, r.at, r.seat = x, x%len(r.s.lanes), &r.s.seats[x]
	r.mine, r.place = &r.seat.Presence, x
	r.nap.word = &r.seat.asleep
}

// join takes a seat, or the one that somebody holds in trust for this process.
func (r *laneReceiver) join(ctx context.Context, trust robust.Trust, x int) error {
	if trust != (robust.Trust{}) {
		if x >= len(r.s.seats) {
			return fmt.Errorf("%w: seat %d", ErrCorrupt, x)
		}
		return r.take(ctx, trust, x)
	}
	return place(len(r.s.seats), func(x int) *robust.Presence { return &r.s.seats[x].Presence },
		func(x int) error { return r.take(ctx, trust, x) })
}

func (r *laneReceiver) take(ctx context.Context, trust robust.Trust, x int) error {
	r.use(x)
	raiseTo(&r.s.h.usedSeats, uint32(x+1))
	crashpoint.Hit("seat.raised")
	r.s.tidy(nobody) // before: who is stopped after joining would hide what a dead one held
	if err := r.end.join(ctx, trust); err != nil {
		return err
	}
	r.seat.asleep.Store(0)
	r.s.bury(x, r.me(), func() bool { return true }) // of whoever had it and could be waited for only now
	return nil
}

// enough is how often a consumer tries again because others were faster, before it
// asks whether it is still wanted.
const enough = 64

// next finds the next lane in which something is published: its index, its head, and
// its tail.
func (r *laneReceiver) next() (i int, head, tail uint64, ok bool, err error) {
	// Where there is always something to receive nobody waits, and nobody would find
	// what a dead consumer held.
	if r.tries++; r.tries > burstMost {
		r.tries = 0
		if r.s.opts.Redeliver {
			r.s.tidy(r.me())
		}
	}
	used := r.s.usedLanes()
	if r.at >= len(used) {
		r.at = 0
	}
	if r.burst >= burstMost {
		r.burst = 0
		r.at = (r.at + 1) % max(len(used), 1)
	}
	for range used {
		l := &used[r.at]
		head := l.head.Load()
		if int64(r.tails[r.at]-head) <= 0 {
			r.tails[r.at] = r.s.end(l)
			r.heard.Acquire()
			note(&r.seat.high, r.tails[r.at]-head)
		}
		if tail := r.tails[r.at]; tail != head {
			if tail-head <= uint64(r.s.size()) && (tail|head)%recordUnit == 0 {
				r.faced = head
				return r.at, head, tail, true, nil
			}
			if l.head.Load() == head {
				return 0, 0, 0, false, r.breaks(fmt.Errorf("%w: tail %d, head %d of lane %d", ErrCorrupt, tail, head, r.at))
			}
			r.tails[r.at] = head // others were faster: what is there was not looked at
		}
		r.burst = 0
		if r.at++; r.at == len(used) {
			r.at = 0
		}
	}
	return 0, 0, 0, false, nil
}

// face makes the lane at hand one in which there may be something, and says whether
// there is one, after so many rounds through all of them.
func (r *laneReceiver) face(rounds int) bool {
	if r.burst < burstMost && r.tails[r.at] != r.s.lanes[r.at].head.Load() {
		return true
	}
	used := r.s.usedLanes()
	for range rounds {
		for range used {
			if r.burst >= burstMost || r.at >= len(used) {
				r.burst, r.at = 0, r.at+1
			}
			if r.at >= len(used) {
				r.at = 0
			}
			if l := &used[r.at]; l.tail.Load() != l.head.Load() {
				return true
			}
			r.burst = burstMost
		}
		mem.Pause(1)
	}
	return false
}

// size is the capacity of a lane, as its indices count it.
func (s *shared) size() int {
	if s.geo.table == 0 {
		return s.geo.capacity * recordUnit
	}
	return s.geo.capacity
}

// taken moves the head of lane i from where it was seen, and says whether this end
// was the one to do so.
//
// release: taken. Pairs with "acquire: taken" where the producer reads the head
// before it writes over what was there.
func (r *laneReceiver) taken(i int, head, to uint64) bool {
	l := &r.s.lanes[i]
	r.told.ReleaseMerge()
	switch {
	case !r.alone:
		if !l.head.CompareAndSwap(head, to) {
			return false
		}
	case r.fenced:
		l.head.Store(to)
	default:
		l.head.StoreRelease(to)
	}
	crashpoint.Hit("lane.taken")
	if l.asleep.Load() == forRoom && int64(to-l.wanted.Load()) >= 0 {
		_ = futex.WakeClear(&l.asleep)
		r.seat.wakes.StoreRelaxed(r.seat.wakes.Load() + 1)
	}
	if (head^to)&r.across != 0 {
		r.crossed(i)
	}
	return true
}

// received counts n messages of so many bytes, and wakes another consumer if this
// one was woken and there is more than it took.
func (r *laneReceiver) received(n, bytes uint64) {
	r.burst += int(n)
	r.seat.messages.StoreRelaxed(r.seat.messages.Load() + n)
	r.seat.bytes.StoreRelaxed(r.seat.bytes.Load() + bytes)
	r.s.vacated(r.x, n)
	if r.nap.woken {
		r.passOn()
	}
}

// passOn wakes another consumer in the place of this one, which was woken, if there
// is something to receive.
func (r *laneReceiver) passOn() {
	r.nap.woken = false
	if r.news() {
		r.s.wakeOne(r.x + 1)
	}
}

// news says whether there may be something to receive.
func (r *laneReceiver) news() bool {
	used := r.s.usedLanes()
	for i := range used {
		if used[i].head.Load() != r.s.end(&used[i]) {
			return true
		}
	}
	return r.offered()
}

// changed is news for who has just found nothing: it reads no line that other
// consumers write.
func (r *laneReceiver) changed() bool {
	used := r.s.usedLanes()
	for i := range used {
		if r.s.end(&used[i]) != r.tails[i] {
			return true
		}
	}
	return r.offered() || r.s.h.ended.Load() != 0 && !r.mayComeBack()
}

// offered says whether somebody has offered messages to be received again.
func (r *laneReceiver) offered() bool {
	return r.s.opts.Redeliver && r.s.h.again.Load() != r.seen
}

// mayComeBack says whether what others hold may have to be received again.
func (r *laneReceiver) mayComeBack() bool { return r.s.opts.Redeliver && r.s.heldByOthers(r.x) }

// unannounced says whether something can be received again although nobody has said
// so: who made it so may be stopped.
func (r *laneReceiver) unannounced() bool {
	return r.s.opts.Redeliver && r.s.h.again.Load() == r.seen && r.s.anyAgain()
}

// glance waits for something as long as another core may be about to publish it,
// before all that await does.
func (r *laneReceiver) glance() bool {
	used := r.s.usedLanes()
	for range glances {
		for i := range used {
			if used[i].tail.Load() != r.tails[i] {
				return true
			}
		}
		mem.Pause(1)
	}
	return false
}

// hasGone is what the look asks about a sleeping consumer. It reads shared words
// only.
func (r *laneReceiver) hasGone() bool {
	s := r.s
	if r.seat.asleep.Load() != 0 { // whoever cleared the bit may be stopped
		set(&s.h.sleepers, sleeperBit(r.x))
	}
	if s.undone() || s.opts.Redeliver && s.anyAgain() {
		return true
	}
	present, came := false, false
	used := s.usedLanes()
	for i := range used {
		l := &used[i]
		if l.head.Load() != s.end(l) {
			return true
		}
		switch robust.StateOf(l.Word.Load()) {
		case robust.Present:
			present = true
			if l.CheckOwner() {
				return true
			}
		case robust.Dead:
			came = true
		default:
			came = came || l.Arrivals.Load() != 0
		}
	}
	over := s.h.ended.Load() != 0 || came && !present && !r.patient && !s.dying()
	return over && !r.mayComeBack()
}

// await waits until there may be something to receive. The error says why there will
// not be, or why this end does not wait.
func (r *laneReceiver) await(ctx context.Context, w *patience, wait bool) error {
	switch {
	case r.closed.Load():
		return ErrClosed
	case r.broken != nil:
		return r.broken
	}
	r.s.tidy(r.me())
	r.s.sweep(r.me())
	if r.unannounced() {
		r.seen--
	}
	if err := r.over(); err != nil {
		// Everything published before that is visible now. What then is in no lane
		// any more is held by somebody, or was released.
		if r.news() {
			return nil
		}
		if r.closed.Load() { // the last producer was this ring's too, and left in Ring.Close
			return ErrClosed
		}
		if !r.mayComeBack() {
			return err
		}
	}
	if !wait {
		if r.news() {
			return nil
		}
		return ErrEmpty
	}
	var friend *robust.Presence
	if used := r.s.usedLanes(); len(used) > 0 {
		for range used {
			if r.friend++; r.friend >= len(used) {
				r.friend = 0
			}
			if p := &used[r.friend].Presence; robust.StateOf(p.Word.Load()) == robust.Present {
				friend = p
				break
			}
		}
	}
	r.seat.waits.StoreRelaxed(r.seat.waits.Load() + 1)
	err := r.end.wait(ctx, &r.nap, w, 1, r.ready, r.notify, friend, r.gone)
	if errors.Is(err, ErrTruncated) {
		return r.breaks(err)
	}
	if err != nil && r.nap.woken {
		r.passOn()
	}
	return err
}

// over says why nothing further will come, nil if something may.
func (r *laneReceiver) over() error {
	s := r.s
	if s.h.ended.Load() != 0 {
		s.cut()
		return io.EOF
	}
	if r.patient {
		return nil
	}
	switch c := s.producers(); {
	case c.present || !c.came || c.dead && s.dying():
		return nil
	case c.dead:
		return ErrPeerDied
	}
	return io.EOF
}

// anyAgain says whether a message waits to be received again.
func (s *shared) anyAgain() (any bool) {
	s.eachOut(trace{}, nobody, func(_ spot, was extentState, _ trace) bool {
		any = was.phase() == phaseAgain
		return !any
	})
	return any
}

// redeliver takes a message that a dead consumer held, if there is one. It goes on where
// it has found one last, since there may be many; that there is none it finds from the
// beginning.
func (r *laneReceiver) redeliver() (h held, ok bool, err error) {
	try := func(p spot, was extentState, at trace) bool {
		if was.phase() == phaseAgain {
			h, ok, err = r.s.hold(p, was, r.x)
			r.trace = at
		}
		return !ok && err == nil
	}
	if r.trace != (trace{}) {
		r.s.eachOut(r.trace, r.me(), try)
	}
	if !ok && err == nil {
		r.trace = trace{}
		seen := r.s.h.again.Load()
		if r.s.eachOut(r.trace, r.me(), try); !ok && err == nil {
			r.trace, r.seen = trace{}, seen
		}
	}
	if ok {
		r.seat.again.StoreRelaxed(r.seat.again.Load() + 1)
	}
	return h, ok, err
}
