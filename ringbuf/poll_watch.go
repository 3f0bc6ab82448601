package ringbuf

import (
	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/mem"
	"github.com/shmkit/shmkit/internal/robust"
)

// watched is how the poller's goroutine sees an end: by shared words, and those private
// ones that are atomic. What else the end knows belongs to whoever uses it.
type watched interface {
	// lie announces that somebody sleeps as the end, and adds the words to sleep on.
	lie(words []futex.Word) []futex.Word
	// rise undoes it, and says whether the end was woken as one of many.
	rise() (woken bool)
	// due says whether a call would not return ErrEmpty.
	due() bool
	// asked returns what the look asks.
	asked() func() bool
	// passOn wakes another in the place of this end. The caller uses the end, or has
	// closed it and not left.
	passOn()
}

// pairWatch is the receiving end of two. In receiver.want is where the end stood when it
// last found nothing. It may have come further since: then the descriptor is readable for
// nothing, once. (Its head belongs to whoever receives at the moment.)
type pairWatch struct {
	r    *receiver
	seen mem.Uint64 // the peer, packed
	gone func() bool
}

func newPairWatch(r *receiver) *pairWatch {
	w := &pairWatch{r: r}
	w.gone = w.hasGone
	return w
}

func (w *pairWatch) lie(words []futex.Word) []futex.Word {
	p := w.r.seePeer()
	word, same := w.r.theirs.Watch(p.word)
	crashpoint.Hit("poll.watched")
	if !same {
		word = p.word // and so nobody falls asleep
	}
	w.seen.Store(p.pack())
	return append(words, futex.Word{Addr: &w.r.theirs.Word, Val: word})
}

// rise leaves the announcement: others may have made it too. It costs the producer a
// wake for nothing, once.
func (w *pairWatch) rise() bool { return false }

func (w *pairWatch) due() bool {
	r := w.r
	p := r.seePeer()
	switch {
	case r.detour.Load()&defunct != 0 || r.ready():
		return true
	case r.patient || !p.gone():
		return false
	}
	return !p.died() || r.theirs.Gone()
}

func (w *pairWatch) asked() func() bool { return w.gone }

func (w *pairWatch) hasGone() bool {
	p := w.r.seePeer()
	return p.pack() != w.seen.Load() || w.due() || !p.died() && w.r.theirs.CheckOwner()
}

func (w *pairWatch) passOn() {}

// laneWatch is a receiving end of many.
type laneWatch struct {
	r      *laneReceiver
	t      *turns // of goroutines that share the end; nil: one has it
	friend *robust.Presence
	lies   bool
}

func (w *laneWatch) lie(words []futex.Word) []futex.Word {
	w.friend = nil
	used := w.r.s.usedLanes()
	for i := range used {
		if p := &used[i].Presence; robust.StateOf(p.Word.Load()) == robust.Present {
			w.friend = p
			break
		}
	}
	w.lies = true
	words, _ = w.r.nap.lieDown(words, 1, w.r.notify, w.friend)
	return words
}

func (w *laneWatch) rise() (woken bool) {
	if w.lies {
		w.lies = false
		woken = w.r.seat.asleep.Swap(awake) == awake
		spread(w.friend)
	}
	return woken
}

func (w *laneWatch) due() bool {
	r := w.r
	if r.detour.Load()&defunct != 0 {
		return true
	}
	r.s.tidy(nobody)
	used := r.s.usedLanes()
	for i := range used {
		if used[i].head.Load() != r.s.end(&used[i]) {
			return true
		}
	}
	return r.s.opts.Redeliver && r.s.anyAgain() || r.over() != nil && !r.mayComeBack()
}

func (w *laneWatch) asked() func() bool { return w.r.gone }

func (w *laneWatch) passOn() {
	if w.t != nil {
		w.t.lock.Lock()
		defer w.t.lock.Unlock()
		_ = guard(func() error { w.r.passOn(); return nil })
		return
	}
	w.r.enter()
	_ = guard(func() error { w.r.passOn(); return nil })
	w.r.leave()
}
