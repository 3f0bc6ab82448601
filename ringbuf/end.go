package ringbuf

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/mem"
	"github.com/shmkit/shmkit/internal/robust"
)

// end is what the two ends of a ring or channel have in common: a role, and
// the way they wait for each other.
//
// Waiting. The side that waits sets its sleep flag, reads the other's index
// once more, and sleeps on the flag and on the other's presence. The side that
// publishes stores its index, reads the flag, and if it is set clears it and
// wakes, both in one system call. For this to be safe one of the two must fence
// between its store and its load. The sleeper does it for both
// (futex.HeavyFence), so that publishing is one plain store; where the kernel
// has no such fence, or the strategy is Block and somebody is woken nearly
// every time, the publisher fences itself.
//
// Death. A publisher that is killed before it has woken the sleeper leaves its
// presence marked, and the sleeper sleeps on that too.
type end struct {
	h        *header
	mine     *role
	theirs   *role
	flag     *mem.Uint32 // this end sleeps
	peerFlag *mem.Uint32 // the other end sleeps
	strategy Strategy
	patient  bool // OnPeerDeath is Wait
	fenced   bool // this end fences when it publishes
	guarded  bool // the file may be truncated under us

	// peerWord is the other's presence word when it was last found in order.
	peerWord uint32

	broken error         // ErrCorrupt, once found
	closed atomic.Bool   // Close was called, or the role was given away
	given  atomic.Uint32 // the presence word under which it was given away
	busy   mem.Uint32    // 1 while a call is under way: Close waits for it

	// ready says whether the wait for want is over. The look calls it too.
	ready  func() bool
	want   mem.Uint64 // private
	spin   futex.Spinner
	checks uint32 // how often a spinning end has looked up
}

// noWord is not a presence word: the peer has not been looked at.
const noWord = 1

func (e *end) init(h *header, o Options, producer bool) {
	e.h, e.strategy, e.patient = h, o.Strategy, o.OnPeerDeath == Wait
	e.fenced = o.Strategy == Block || !futex.LightFences()
	e.peerWord = noWord
	if producer {
		e.mine, e.theirs, e.flag, e.peerFlag = &h.producer, &h.consumer, &h.sendSleeps, &h.recvSleeps
	} else {
		e.mine, e.theirs, e.flag, e.peerFlag = &h.consumer, &h.producer, &h.recvSleeps, &h.sendSleeps
	}
}

// join takes the role, from a dead holder behind the take-over fence, or from
// the parent process that held it in trust under word (0: from nobody).
func (e *end) join(ctx context.Context, word uint32) error {
	var err error
	if word != 0 {
		err = e.mine.Adopt(ctx, word)
	} else {
		err = e.mine.Join(ctx)
	}
	if err != nil {
		return err
	}
	crashpoint.Hit("ring.joined")
	e.flag.Store(0)
	e.mine.joined.Add(1)
	return nil
}

// enter begins a call and leave ends it; between them Close does not give the
// role away. The fence between enter's store and the load of closed is Close's.
func (e *end) enter() bool {
	e.busy.StoreRelaxed(1)
	return !e.closed.Load()
}

func (e *end) leave() {
	mem.StoreFence()
	e.busy.StoreRelaxed(0)
}

// close gives the role up and returns when no call is under way any more. It
// says whether this was the first time.
func (e *end) close(give func()) bool {
	if e.closed.Swap(true) {
		return false
	}
	futex.HeavyFence()
	for e.busy.Load() != 0 {
		e.flag.Store(0) // the call may be asleep, or about to be
		futex.WakeAll(e.flag)
		runtime.Gosched()
	}
	give()
	return true
}

// publish stores an index of this end's.
//
// release: index. Pairs with "acquire: index" in the other end's refresh.
func (e *end) publish(index *mem.Uint64, v uint64) {
	if e.fenced {
		index.Store(v)
	} else {
		index.StoreRelease(v)
	}
	crashpoint.Hit("ring.published")
}

// wakePeer wakes the other end, which sleeps.
func (e *end) wakePeer() {
	crashpoint.Hit("ring.waking")
	_ = futex.WakeClear(e.peerFlag) // a fault means the file is gone, and the sleeper with it
	crashpoint.Hit("ring.woken")
}

// peerGone reads the other's presence, and returns the word and whether the
// role is vacant after somebody had it, and whether that one died.
func (e *end) peerGone() (word uint32, gone, died bool) {
	word = e.theirs.Word.Load()
	switch robust.StateOf(word) {
	case robust.Dead:
		return word, true, true
	case robust.Vacant:
		return word, e.theirs.joined.Load() != 0, false
	}
	return word, false, false
}

// over is a receiver's: why nothing further will come, nil if something may. A
// producer that the kernel reports dead may have a thread that still runs: the
// take-over fence waits for its end, so that nothing is published afterwards.
func (e *end) over(ctx context.Context, word uint32) error {
	if e.h.ended.Load() != 0 {
		return io.EOF
	}
	if e.patient {
		return nil
	}
	switch robust.StateOf(word) {
	case robust.Dead:
		if err := e.theirs.AwaitGone(ctx); err != nil {
			return err
		}
		crashpoint.Hit("ring.mourned")
		return ErrPeerDied
	case robust.Vacant:
		if e.theirs.joined.Load() != 0 {
			return io.EOF
		}
	}
	return nil
}

// endOfStream is a sender's: nothing further will come.
func (e *end) endOfStream() {
	e.h.ended.Store(1)
	crashpoint.Hit("ring.ended")
	e.peerWord = noWord // so that the next call finds out
	e.wakePeer()
}

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

// await waits until e.ready, the peer's presence differs from word, or the end
// is closed; it may return for no reason. The error is the context's or the
// system's.
func (e *end) await(ctx context.Context, w *patience, word uint32) error {
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
			return e.spinOn(ctx)
		}
		w.rounds = 0
	}
	return e.sleep(ctx, w, word)
}

// spinOn is what a spinning end does now and then.
func (e *end) spinOn(ctx context.Context) error {
	runtime.Gosched()
	if e.checks++; e.checks%ownerChecks == 0 {
		e.theirs.CheckOwner()
	}
	return ctx.Err()
}

// sleep announces that this end sleeps, and does.
func (e *end) sleep(ctx context.Context, w *patience, word uint32) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	e.flag.Store(1)
	crashpoint.Hit("ring.announced")
	if e.strategy != Block {
		futex.HeavyFence()
	}
	if e.ready() || e.closed.Load() {
		e.flag.Store(0)
		return nil
	}
	began := time.Now()
	err := futex.SleepAny(ctx, []futex.Word{{Addr: e.flag, Val: 1}, {Addr: &e.theirs.Word, Val: word}},
		func() bool { return e.ready() || e.theirs.CheckOwner() })
	e.flag.Store(0)
	crashpoint.Hit("ring.awake")
	e.spin.Slept(time.Since(began))
	if e.strategy == Hybrid {
		w.rounds = min(e.spin.Rounds(), 64)
	}
	if errors.Is(err, futex.ErrFault) {
		return fmt.Errorf("%w: %w", ErrTruncated, err)
	}
	return err
}
