package ringbuf

import (
	"context"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/mem"
	"github.com/shmkit/shmkit/internal/robust"
)

// The bound: how many messages all producers together may have queued. There is no
// counter that who dies could leave wrong. A producer whose records are ready says in
// its lane's claim up to which number it means to publish, counts what is queued and
// what others claim, and publishes if all of it is within the bound; otherwise it
// withdraws the claim. The claim needs no reset: it has expired when the tail has come
// there.
//
// Why it holds. Of all that is queued at some instant let x be the message whose claim
// was stored last. Who claimed x scanned after that, and so found every other message
// y claimed or published: the claim is read first, then the presence, then the tail. A
// claim is void only when its producer can do nothing any more, and then the tail that
// is read after that covers what it has published. And the scan was within the bound.
//
// Who has not claimed does not claim while others do (peek), and of those who have,
// all but the one with the lowest lane withdraw, so somebody gets through. A producer that
// is stopped between its claim and its tail holds the places that it claimed; nobody
// can take them away, since its store may come at any time.

// mostClaimed is how many messages one claim is for at most.
const mostClaimed = 1 << 20

// scan counts what is queued in all lanes, and what others than lane i claim. first says
// that nobody in a lane before i claims.
func (s *shared) scan(i int) (queued, others uint64, first bool) {
	first = true
	for j := range s.usedLanes() {
		n, claimed := s.ahead(j)
		queued += n
		if j != i {
			others += claimed
			first = first && (claimed == 0 || j > i)
		}
	}
	return queued, others, first
}

// ahead returns what is queued in lane j, and what its producer claims.
func (s *shared) ahead(j int) (n, claimed uint64) {
	l := &s.lanes[j]
	claim := uint64(l.claim.Load())
	state := robust.StateOf(l.Word.Load())
	n, next, sure := s.queued(j)
	if state == robust.Vacant {
		return n, 0
	}
	if claimed = (claim - next) & seqMost; claimed > seqMost/2 {
		claimed = 0
	}
	if claimed == 0 && sure {
		return n, 0
	}
	if state == robust.Dead && l.Gone() {
		n, _, _ = s.queued(j) // it has published nothing since
		return n, 0
	}
	if !sure { // it publishes all the time, or there is garbage
		claimed = mostClaimed
	}
	return n, min(claimed, mostClaimed)
}

// bound is Options.MaxMessages.
func (s *shared) bound() uint64 { return uint64(s.opts.MaxMessages) }

// hasPlace says whether there is a place for one more message of lane i, and nobody in
// the way.
func (s *shared) hasPlace(i int) bool {
	queued, others, _ := s.scan(i)
	return queued+others < s.bound()
}

// claim claims places for up to n messages, whose records are ready, and returns for how
// many it has got some. Then they have to be published, or withdrawn. 0: there is none, or
// others are in the way. left says whether there are more.
func (s *laneSender) claim(n uint64) (got uint64, left bool) {
	bound := s.s.bound()
	for tries := 0; tries < s.rounds; {
		queued, others, _ := s.s.scan(s.i)
		if queued >= bound {
			return 0, false
		}
		if queued+others >= bound {
			tries++
			futex.Yield()
			continue
		}
		var over bool
		if got, left, over = s.stake(min(n, bound-queued-others, mostClaimed), &tries); got > 0 || over {
			return got, left
		}
		tries++
		futex.Yield()
	}
	return 0, false
}

// stake is one try of claim, which saw n places. over says that there is none any more.
func (s *laneSender) stake(n uint64, tries *int) (got uint64, left, over bool) {
	bound := s.s.bound()
	s.l.claim.Swap(uint32((s.seq + n) & seqMost))
	crashpoint.Hit("bound.claimed")
	for ; *tries < s.rounds; *tries++ {
		queued, others, first := s.s.scan(s.i)
		crashpoint.Hit("bound.scanned")
		if queued+others < bound {
			if most := bound - queued - others; most < n {
				n = most
				s.l.claim.Store(uint32((s.seq + n) & seqMost))
				crashpoint.Hit("bound.shrunk")
				left = true // somebody may sleep because of what was claimed before
			}
			return n, left || queued+others+n < bound, false
		}
		if over = queued >= bound; over || !first {
			break
		}
		mem.Pause(1)
	}
	s.withdraw()
	return 0, false, over
}

// withdraw gives up what was claimed and not published.
func (s *laneSender) withdraw() {
	s.l.claim.Store(uint32(s.seq & seqMost))
	crashpoint.Hit("bound.withdrawn")
	if s.s.h.full.Load() != 0 {
		s.s.wakeBound(s.i + 1)
	}
}

// settled is called when what was claimed is published. left says that there were places
// left: where several were freed at once, others may have been woken in vain.
func (s *laneSender) settled(left bool) {
	s.nap.woken = false
	if left && s.s.h.full.Load() != 0 {
		s.s.wakeBound(s.i + 1)
	}
}

// refused is called when there was no place after all. The error says why not to wait
// for one.
func (s *laneSender) refused(ctx context.Context, wait bool) error {
	if !wait {
		return ErrFull
	}
	return contextEnded(ctx, s.closed.Load())
}

// waitPlace waits until there may be a place for another message.
func (s *laneSender) waitPlace(ctx context.Context, wait bool) error {
	if s.s.bound() == 0 {
		return nil
	}
	for w := (patience{}); !s.s.hasPlace(s.i); {
		if err := s.open(); err != nil {
			return err
		}
		if !wait {
			return ErrFull
		}
		s.ready = s.vacant
		if err := s.doze(ctx, &w, forBound); err != nil {
			return err
		}
	}
	return nil
}

// passBound wakes another producer in the place of this one, which was woken and does
// not send.
func (s *laneSender) passBound() {
	s.nap.woken = false
	if s.s.h.full.Load() != 0 {
		s.s.wakeBound(s.i + 1)
	}
}

// vacated wakes producers that wait for places, of which n have come free.
func (s *shared) vacated(from int, n uint64) {
	if s.opts.MaxMessages == 0 {
		return
	}
	for ; n > 0 && s.h.full.Load() != 0 && s.wakeBound(from); n-- {
		from++
	}
}

// wakeBound wakes one producer that waits for a place, if there is one, beginning the
// search at lane from.
func (s *shared) wakeBound(from int) bool {
	if s.wakeLane(from) {
		return true
	}
	s.h.full.Store(0)
	crashpoint.Hit("bound.unmarked")
	// One may have gone to sleep before that.
	if s.wakeLane(from) {
		s.h.full.Store(1)
		return true
	}
	return false
}

func (s *shared) wakeLane(from int) bool {
	used := s.usedLanes()
	for k := range used {
		l := &used[(from+k)%len(used)]
		if l.asleep.Load() == forBound && robust.StateOf(l.Word.Load()) == robust.Present {
			_ = futex.WakeClear(&l.asleep)
			return true
		}
	}
	return false
}
