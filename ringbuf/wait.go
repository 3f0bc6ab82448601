package ringbuf

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/mem"
	"github.com/shmkit/shmkit/internal/robust"
)

// Waiting. The side that waits sets Waiters in the other's presence word, reads
// the other's index once more, and sleeps on that word. The side that publishes
// stores its index, reads its own presence word, and if Waiters is set clears it
// and wakes, both in one system call. So one word tells of what was published,
// of coming, of leaving, and of death: the kernel wakes who sleeps on the word of
// a holder that dies, also of one that was killed before it has woken anybody.
//
// For this to be safe one of the two must fence between its store and its load.
// The sleeper does it for both (futex.HeavyFence), so that publishing is one
// plain store; where the kernel has no such fence, or the strategy is Block and
// somebody is woken nearly every time, the publisher fences itself.

// exclusive is an end of a ring or channel that has two: one producer, one consumer.
type exclusive struct {
	end
	h      *header
	theirs *robust.Presence
	counts *tally
	n      uint64 // messages that were published, or released

	// ready says whether the wait for want is over, gone whether a sleeper has
	// reason to wake. The look calls them too, so what they read is atomic.
	ready  func() bool
	gone   func() bool
	want   mem.Uint64 // private
	seen   mem.Uint64 // private: the peer that the sleeper saw, packed
	parked peer       // the peer that a call saw which parks
	spin   futex.Spinner
	checks uint32 // how often a spinning end has looked up
}

// init is called with guarded set.
func (e *exclusive) init(h *header, o Options, mine, theirs *role) {
	both := handOverOf(h.object[:])
	told, heard := &both.tail, &both.head
	if mine == &h.consumer {
		told, heard = heard, told
	}
	e.end.init(o, &mine.Presence, told, heard)
	e.h, e.theirs, e.counts = h, &theirs.Presence, &h.sent
	if mine == &h.consumer {
		e.counts = &h.received
	}
	e.rouse = func() { futex.WakeAll(&theirs.Word) }
	e.gone = e.hasGone
}

// publish stores an index of this end's.
//
// release: index. Pairs with "acquire: index" where the other end reads it.
func (e *exclusive) publish(index *mem.Uint64, v uint64) {
	e.told.ReleaseMerge()
	e.counts.messages.StoreRelaxed(e.n)
	if e.fenced {
		index.Store(v)
	} else {
		index.StoreRelease(v)
	}
	crashpoint.Hit("ring.published")
}

// dashed is publish on the fast path, where no fence is needed.
func (e *exclusive) dashed(index *mem.Uint64, v uint64) {
	e.told.ReleaseMerge()
	index.StoreRelease(v) // release: index
	crashpoint.Hit("ring.dashed")
}

// peerSleeps says whether the other end sleeps, or is about to.
func (e *exclusive) peerSleeps() bool { return e.mine.Word.Load()&robust.Waiters != 0 }

// wakePeer wakes the other end, which sleeps.
func (e *exclusive) wakePeer() {
	crashpoint.Hit("ring.waking")
	e.mine.Rouse()
	raise(&e.counts.wakes)
	crashpoint.Hit("ring.woken")
}

// peer is what was last read of the other's presence.
type peer struct {
	arrivals uint32 // read first: else it could count one who came after word was read
	word     uint32 // without Waiters
}

func (e *exclusive) seePeer() peer {
	p := peer{e.theirs.Arrivals.Load(), e.theirs.Word.Load() &^ robust.Waiters}
	e.heard.Acquire()
	return p
}

// gone says whether the role is vacant after somebody had it, or its holder died.
func (p peer) gone() bool {
	return robust.StateOf(p.word) == robust.Vacant && p.arrivals != 0 || p.died()
}

func (p peer) pack() uint64   { return uint64(p.arrivals)<<32 | uint64(p.word) }
func unpack(seen uint64) peer { return peer{uint32(seen >> 32), uint32(seen)} }

func (p peer) died() bool { return robust.StateOf(p.word) == robust.Dead }

// patience is one wait: it spins first and sleeps then.
type patience struct {
	rounds uint32
	begun  bool
}

// spinChecks is how many rounds pass between two looks at the context and the
// peer while spinning without end.
const spinChecks = 1024

// ownerChecks is how many such looks pass between two questions to the kernel
// whether the peer still exists: some ten milliseconds.
const ownerChecks = 1024

// await waits until e.ready, the peer's presence differs from seen, or the end
// is closed; it may return for no reason. The error is the context's, the
// system's, or ErrClosed.
func (e *exclusive) await(ctx context.Context, w *patience, seen peer) error {
	if e.parks {
		e.parked = seen
		return errParked
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if !w.begun {
		w.begun = true
		if e.strategy != Block {
			w.rounds = e.spin.Rounds()
		}
		if w.rounds > 0 && e.strategy == Spin {
			w.rounds = spinChecks
		}
	}
	if w.rounds > 0 {
		for n := w.rounds; n > 0; n-- {
			if e.ready() {
				e.spin.Won()
				return nil
			}
			mem.Pause(1)
		}
		if e.strategy == Spin {
			e.lookUp()
		} else {
			w.rounds = 0
		}
	} else if err := e.sleep(ctx, w, seen); err != nil {
		return err
	}
	if e.closed.Load() {
		return ErrClosed
	}
	return nil
}

// lookUp is what an end that spins without end does now and then.
func (e *exclusive) lookUp() {
	runtime.Gosched()
	if e.checks++; e.checks%ownerChecks == 0 {
		e.theirs.CheckOwner()
	}
}

// sleep announces that this end sleeps, and does.
func (e *exclusive) sleep(ctx context.Context, w *patience, seen peer) error {
	word, same := e.theirs.Watch(seen.word)
	if !same {
		return nil
	}
	crashpoint.Hit("ring.announced")
	raise(&e.counts.waits)
	if e.strategy != Block {
		futex.HeavyFence()
	}
	e.seen.Store(seen.pack())
	if e.news() || e.closed.Load() {
		e.theirs.Unwatch(word)
		return nil
	}
	var began time.Time
	if e.strategy == Hybrid {
		began = time.Now()
	}
	err := futex.SleepAny(ctx, []futex.Word{{Addr: &e.theirs.Word, Val: word}}, e.gone)
	crashpoint.Hit("ring.awake")
	if e.strategy == Hybrid {
		e.spin.Slept(time.Since(began))
		w.rounds = e.spin.Again()
	}
	if errors.Is(err, futex.ErrFault) {
		return fmt.Errorf("%w: %w", ErrTruncated, err)
	}
	e.theirs.Unwatch(word) // unless the one who woke us has done it
	return err
}

// news says whether what this end sleeps for has come, or the peer is not as it
// was seen.
func (e *exclusive) news() bool { return e.ready() || e.seePeer().pack() != e.seen.Load() }

// hasGone is what the look asks about a sleeper. One that does not wait in the take-over
// fence sleeps beside a dead peer until that can do nothing any more.
func (e *exclusive) hasGone() bool {
	switch {
	case e.news():
		return true
	case unpack(e.seen.Load()).died():
		return !e.patient && e.theirs.Gone()
	}
	return e.theirs.CheckOwner()
}
