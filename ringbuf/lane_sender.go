package ringbuf

import (
	"context"
	"errors"
	"fmt"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/mem"
	"github.com/shmkit/shmkit/internal/robust"
)

// laneSender is a sending end among many, without the messages. What is counted,
// bytes or eighths of slots, is its user's business. See shared.go for the protocol.
type laneSender struct {
	*end
	s  *shared
	i  int // its lane
	l  *lane
	at int // where the search for a sleeper begins

	tail  uint64 // end of what is published; the shared one is only written
	seq   uint64 // the number of the next message, never wraps
	other int    // the mark that is not the tail's
	limit uint64 // tail may grow up to here: the head last seen plus the capacity
	size  uint64 // capacity

	// friend is a consumer that lives, and its presence word when it was last seen.
	friend     *seat
	friendWord uint32

	allocate func(i int) error // gives lane i its memory; may be nil

	nap    nap
	want   uint64
	least  mem.Uint64  // private: want, for the look
	free   mem.Uint32  // private: how many extents were free when there was no room
	ready  func() bool // what it waits for is there
	roomy  func() bool // there is room up to want
	vacant func() bool // there may be a place for another message
	rounds int         // how often it tries to claim one before it takes it for full
	usable func() bool // there is a chunk, in a sparse lane
	gone   func() bool // a sleeper has reason to wake
	notify func()      // nothing
	crowd  func()      // says that it waits for a place
}

func (s *laneSender) init(e *end, sh *shared, size uint64) {
	s.end, s.s, s.size = e, sh, size
	s.end.init(sh.opts, nil, &sh.both.tail, &sh.both.head)
	s.end.fenced = sh.fenced || sh.opts.Strategy == Block
	s.breaks = func(err error) error {
		s.broken = err
		s.detour.Or(defunct)
		return err
	}
	s.rouse = func() { _ = guard(s.wakeSelf) }
	s.gone = s.hasGone
	s.roomy = func() bool { return int64(s.l.head.Load()-s.want) >= 0 || sh.h.ended.Load() != 0 }
	s.usable = func() bool { return true }
	s.notify = func() {}
	if sh.opts.MaxMessages > 0 {
		s.detour.Or(limited)
		s.nap.pass = s.passBound
	}
	s.rounds = enough
	s.vacant = func() bool { return sh.h.ended.Load() != 0 || sh.hasPlace(s.i) }
	s.crowd = func() { sh.h.full.Store(1) }
}

// use makes lane i the one that this end is about to join.
func (s *laneSender) use(i int) {
	s.i, s.at, s.l = i, i, &s.s.lanes[i]
	s.mine, s.place = &s.l.Presence, i
	s.nap.word = &s.l.asleep
}

// join takes a lane, or the one that somebody holds in trust for this process.
func (s *laneSender) join(ctx context.Context, trust robust.Trust, i int) error {
	if trust != (robust.Trust{}) {
		if i >= len(s.s.lanes) {
			return fmt.Errorf("%w: lane %d", ErrCorrupt, i)
		}
		return s.take(ctx, trust, i)
	}
	return place(len(s.s.lanes), func(i int) *robust.Presence { return &s.s.lanes[i].Presence },
		func(i int) error { return s.take(ctx, trust, i) })
}

func (s *laneSender) take(ctx context.Context, trust robust.Trust, i int) error {
	s.use(i)
	// Allocated before anybody reads there, as who scans the used lanes does.
	if s.allocate != nil {
		if err := s.allocate(i); err != nil {
			return err
		}
	}
	raiseTo(&s.s.h.usedLanes, uint32(i+1)) // before ended is read: see shared.cut
	crashpoint.Hit("lane.raised")
	return s.end.join(ctx, trust)
}

// begin reads where the lane stands, once this process has it.
func (s *laneSender) begin() error {
	s.l.asleep.Store(awake)
	tail, head := s.l.tail.Load(), s.l.head.Load()
	if tail-head > s.size || (tail|head)%recordUnit != 0 {
		return fmt.Errorf("%w: tail %d, head %d", ErrCorrupt, tail, head)
	}
	s.tail, s.limit = tail, head+s.size
	if err := s.recount(); err != nil {
		return err
	}
	s.l.claim.Store(uint32(s.seq)) // whoever had the lane claims nothing any more
	if s.s.h.ended.Load() != 0 {   // before this lane was one to be cut, perhaps
		s.l.cut.CompareAndSwap(0, tail|1)
	}
	return nil
}

// fits says whether there is room for need, as last seen, and the consumer that was
// seen last is still there.
func (s *laneSender) fits(need uint64) bool {
	return need <= s.limit-s.tail && s.friend != nil && s.friend.Word.Load()&^robust.Waiters == s.friendWord
}

// room waits until there is room for need, which is at most the capacity.
func (s *laneSender) room(ctx context.Context, need uint64, wait bool) error {
	for w := (patience{}); ; {
		if err := s.open(); err != nil {
			return err
		}
		head := s.l.head.Load() // acquire: taken
		s.heard.Acquire()
		if s.tail-head > s.size || int64(head+s.size-s.limit) < 0 {
			return s.breaks(fmt.Errorf("%w: tail %d, head %d", ErrCorrupt, s.tail, head))
		}
		note(&s.l.high, s.tail-head)
		s.limit = head + s.size
		if need <= s.limit-s.tail {
			return nil
		}
		if !wait {
			return ErrFull
		}
		s.wish(need)
		s.ready = s.roomy
		if err := s.doze(ctx, &w, forRoom); err != nil {
			return err
		}
	}
}

// wish says for which head this end waits, so that need has room. Who sleeps is woken
// for more than that, or each message would cost a wake where producers are faster
// than consumers; if consumers are slow, the look finds that there is enough.
func (s *laneSender) wish(need uint64) {
	s.want = s.tail + need - s.size
	s.least.Store(s.want)
	wanted := s.want + s.size/8&^(recordUnit-1)
	if int64(wanted-s.tail) > 0 {
		wanted = s.tail
	}
	s.l.wanted.Store(wanted)
}

// open says whether something can be sent: the end is in order, the stream has not
// ended, and somebody may receive it.
func (s *laneSender) open() error {
	switch {
	case s.closed.Load():
		return ErrClosed
	case s.broken != nil:
		return s.broken
	case s.s.h.ended.Load() != 0:
		return ErrClosed
	}
	return s.befriend()
}

// befriend finds a consumer that lives, if the one that was seen last does not.
func (s *laneSender) befriend() error {
	if s.friend != nil && s.friend.Word.Load()&^robust.Waiters == s.friendWord {
		return nil
	}
	s.friend = nil
	used := s.s.usedSeats()
	for x := range used {
		w := used[x].Word.Load() &^ robust.Waiters
		if robust.StateOf(w) == robust.Present {
			s.friend, s.friendWord = &used[x], w
			return nil
		}
	}
	if s.patient {
		return nil
	}
	switch c := s.s.consumers(); {
	case c.present || !c.came:
		return nil
	case c.dead:
		return errConsumerDied
	case s.closed.Load(): // the last one was this ring's too, and left in Ring.Close
		return ErrClosed
	}
	return ErrNoConsumer
}

// doze waits as wait does, in lane's way.
func (s *laneSender) doze(ctx context.Context, w *patience, what uint32) error {
	s.l.waits.StoreRelaxed(s.l.waits.Load() + 1)
	var friend *robust.Presence
	if s.friend != nil {
		friend = &s.friend.Presence
	}
	announce := s.notify
	if what == forBound {
		announce = s.crowd
	}
	err := s.wait(ctx, &s.nap, w, what, s.ready, announce, friend, s.gone)
	if errors.Is(err, ErrTruncated) {
		return s.breaks(err)
	}
	if err != nil && s.nap.woken && s.nap.pass != nil {
		s.nap.pass()
	}
	return err
}

// hasGone is what the look asks about a sleeping producer. It reads shared words
// only.
func (s *laneSender) hasGone() bool {
	sh := s.s
	if sh.h.ended.Load() != 0 {
		return true
	}
	switch s.l.asleep.Load() {
	case forRoom:
		if int64(s.l.head.Load()-s.least.Load()) >= 0 {
			return true
		}
	case forExtent:
		if sh.freeExtents(s.i) != s.free.Load() || sh.undone() {
			return true
		}
	case forBound:
		sh.h.full.Store(1) // whoever cleared it may be stopped
		if sh.hasPlace(s.i) {
			return true
		}
	case forChunk:
		if s.usable() {
			return true
		}
	}
	// Consumers that came after this end fell asleep are not its friends.
	present, came := false, false
	used := sh.usedSeats()
	for x := range used {
		c := &used[x]
		switch robust.StateOf(c.Word.Load()) {
		case robust.Present:
			present = true
			if c.CheckOwner() {
				return true
			}
		case robust.Dead:
			came = true
		default:
			came = came || c.Arrivals.Load() != 0
		}
	}
	return came && !present && !s.patient
}

func (s *laneSender) wakeSelf() error {
	if s.l != nil {
		s.l.asleep.Store(awake)
		futex.WakeAll(&s.l.asleep)
	}
	return nil
}

// publish publishes everything up to tail, n messages of so many bytes. ErrClosed:
// the stream has ended before them, and nobody receives them.
//
// release: published. Pairs with "acquire: published" in shared.end.
func (s *laneSender) publish(tail, n, bytes uint64) error {
	s.told.ReleaseMerge()
	// Before the tail, while its line is here: a consumer that looks for the tail takes
	// it away.
	s.l.messages.StoreRelaxed(s.l.messages.Load() + n)
	s.l.bytes.StoreRelaxed(s.l.bytes.Load() + bytes)
	s.mark(tail, n)
	if s.fenced {
		s.l.tail.Store(tail)
	} else {
		s.l.tail.StoreRelease(tail)
	}
	crashpoint.Hit("lane.published")
	s.tail = tail
	if s.s.h.ended.Load() != 0 && s.behindCut() {
		s.l.messages.StoreRelaxed(s.l.messages.Load() - n)
		s.l.bytes.StoreRelaxed(s.l.bytes.Load() - bytes)
		s.friend = nil // nothing is published after this, which would spoil the mark of the cut: see open
		return ErrClosed
	}
	if s.s.h.sleepers.Load() != 0 && s.s.wakeOne(s.at) {
		s.at++
		s.l.wakes.StoreRelaxed(s.l.wakes.Load() + 1)
	}
	return nil
}

// behindCut says whether what was published last is behind the end of the stream. If
// nobody has said where that is, it is here.
func (s *laneSender) behindCut() bool {
	s.l.cut.CompareAndSwap(0, s.tail|1)
	crashpoint.Hit("lane.cut")
	return int64(s.l.cut.Load()&^1-s.tail) < 0
}
