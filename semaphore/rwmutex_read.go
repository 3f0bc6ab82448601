package semaphore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/mem"
	"github.com/shmkit/shmkit/internal/robust"
)

// A bell is sleepers | a count of rings. Who is about to sleep sets sleepers and
// then reads again what it waits for; who has changed that rings if it finds
// sleepers set.
const bellSleepers = 1 << 31

// ring wakes all readers that wait, if there may be any.
func (rw *RWMutex) ring() {
	if rw.bell.Load()&bellSleepers == 0 {
		return
	}
	rw.bell.Add(1)
	crashpoint.Hit("rwmutex.rung")
	_ = futex.WakeBit(&rw.bell) // a fault means that the memory is gone, and its sleepers with it
}

// read locks rw for reading where enter could not.
func (rw *RWMutex) read(ctx context.Context) error {
	for {
		l, err := rw.join(ctx)
		if err != nil {
			return err
		}
		word := &l.at.word
		w := rwWord(word.Load())
		if w&rwTags != l.tag {
			if l.left.Load() {
				continue
			}
			return w.corrupt()
		}
		if w&rwClosed == 0 {
			if w&rwFull != 0 {
				return fmt.Errorf("lock for reading: %w", ErrOverflow)
			}
			if l.enter() {
				return nil
			}
			continue
		}
		if ctx == noWait && robust.StateOf(rw.gate.Word.Load()) == robust.Present && tries.Add(1)%triesPerCheck != 0 {
			return ErrLocked
		}
		next, ok := w.registered()
		if !ok {
			return fmt.Errorf("lock for reading: %w", ErrOverflow)
		}
		if word.CompareAndSwap(uint64(w), uint64(next)) {
			crashpoint.Hit("rwmutex.registered")
			return (&rwReader{rw, l, w.phase()}).wait(ctx)
		}
	}
}

// rwReader is a registered reader, which came in phase.
type rwReader struct {
	rw    *RWMutex
	l     *rwLocal
	phase rwWord
}

// wait waits until r is inside, or registered no more.
func (r *rwReader) wait(ctx context.Context) error {
	rw := r.rw
	const never = ^rwWord(0)
	healed := never // the phase that healing should have ended
	for first := true; ; first = false {
		w, inside, err := r.claim()
		if inside || err != nil {
			return err
		}
		if w.phase() == healed {
			// Whoever heals opens all seats there are.
			return r.withdraw(w.corrupt())
		}
		healed = never
		if err := ctx.Err(); err != nil && !first {
			return r.withdraw(err)
		}
		// The ident comes first: of two writers that died one after the other
		// the words are the same.
		id, g := rw.gate.Ident.Load(), rw.gate.Word.Load()
		if robust.StateOf(g) == robust.Present {
			if err := r.sleep(ctx, &rw.gate); err != nil {
				return r.withdraw(err)
			}
			continue
		}
		// No writer, but the seat is closed: one has died, or the seat was closed
		// in vain. What dirty says counts if all this was so at one time.
		died := rw.dirty.Load() != 0
		if rw.gate.Word.Load() != g || rw.gate.Ident.Load() != id || (rwWord(r.l.at.word.Load())^w)&(rwPhases|rwClosed|rwGrants) != 0 {
			continue
		}
		if died {
			return r.withdraw(ErrOwnerDied)
		}
		switch c, err := r.heal(); {
		case err == nil:
			healed = w.phase()
		case errors.Is(err, errDying):
			err = c.AwaitGone(ctx, r.called)
			if err != nil {
				return r.withdraw(err)
			}
		case !errors.Is(err, ErrLocked):
			return r.withdraw(err)
		case c == &rw.queue.cell:
			// Who holds the queue heals as well, or rings when it does not.
			if err := r.sleep(ctx, c); err != nil {
				return r.withdraw(err)
			}
		}
	}
}

// claim enters if r may. Otherwise it returns the word that says so, in which
// r's process is absent no more: it gets its turn again.
func (r *rwReader) claim() (w rwWord, inside bool, err error) {
	word := &r.l.at.word
	for {
		w = rwWord(word.Load())
		if w&rwTags != r.l.tag {
			return w, false, w.corrupt()
		}
		if !w.claimable(r.phase) {
			here := w &^ rwAbsent
			if here == w || word.CompareAndSwap(uint64(w), uint64(here)) {
				return here, false, nil
			}
			continue
		}
		next, err := w.claimed()
		if err != nil {
			return w, false, err
		}
		if word.CompareAndSwap(uint64(w), uint64(next)) { // acquire: rwmutex writer
			crashpoint.Hit("rwmutex.claimed")
			return w, true, nil
		}
	}
}

// withdraw ends the registration and returns why, unless r may enter: then it
// does, and returns nil. Where the memory is gone there is nothing to end.
func (r *rwReader) withdraw(why error) error {
	if errors.Is(why, futex.ErrFault) {
		return why
	}
	word := &r.l.at.word
	for {
		w, inside, err := r.claim()
		if inside || err != nil {
			return err
		}
		if w&rwWaitings == 0 {
			return w.corrupt() // r waits
		}
		if word.CompareAndSwap(uint64(w), uint64(w-rwWaiting)) {
			crashpoint.Hit("rwmutex.withdrawn")
			return why
		}
	}
}

// called says whether it is worth while to try a claim.
func (r *rwReader) called() bool {
	w := rwWord(r.l.at.word.Load())
	return w&rwTags != r.l.tag || w.claimable(r.phase)
}

// sleep sleeps until r is called, or c's holder is not there any more, or ctx
// ends, or for no reason.
func (r *rwReader) sleep(ctx context.Context, c *robust.Cell) error {
	rw := r.rw
	if err := ctx.Err(); err != nil {
		if ctx == noWait {
			c.CheckOwner() // nobody looks after one who never sleeps
		}
		return err
	}
	spin := rw.gate.Spinner()
	for rounds := spin.Rounds(); rounds > 0; rounds-- {
		if r.called() {
			spin.Won()
			return nil
		}
		mem.Pause(1)
	}
	b := rw.bell.Load()
	if b&bellSleepers == 0 && !rw.bell.CompareAndSwap(b, b|bellSleepers) {
		return nil
	}
	crashpoint.Hit("rwmutex.announced")
	b |= bellSleepers
	g := c.Word.Load()
	if r.called() || robust.StateOf(g) != robust.Present {
		return nil
	}
	news := func() bool {
		return r.called() || robust.StateOf(c.Word.Load()) != robust.Present || c.CheckOwner()
	}
	began := time.Now()
	err := r.sleepOn(ctx, b, c, g, news)
	spin.Slept(time.Since(began))
	crashpoint.Hit("rwmutex.woken")
	if errors.Is(err, futex.ErrFault) {
		return err
	}
	if rw.bell.Load() == b && news() {
		// Others, in this process too, may sleep and not have been told.
		if robust.StateOf(c.Word.Load()) == robust.Dead {
			futex.WakeAll(&c.Word) // the kernel woke one of us
		}
		rw.ring()
	}
	return err
}

// sleepOn sleeps on the bell. One goroutine of the process sleeps on the gate
// too, where the kernel wakes somebody when the writer dies. That is for speed:
// without it, the look finds the same.
func (r *rwReader) sleepOn(ctx context.Context, b uint32, c *robust.Cell, g uint32, news func() bool) error {
	bell := &r.rw.bell
	if c != &r.rw.gate || !r.l.watching.CompareAndSwap(false, true) {
		return sleepErr(futex.Sleep(ctx, bell, b, news))
	}
	defer r.l.watching.Store(false)
	if g&robust.Waiters == 0 && !c.Word.CompareAndSwap(g, g|robust.Waiters) {
		return nil
	}
	crashpoint.Hit("rwmutex.watching")
	return sleepErr(futex.SleepAny(ctx, []futex.Word{{Addr: bell, Val: b}, {Addr: &c.Word, Val: g | robust.Waiters}}, news))
}

// sleepErr says what a failed sleep was for. A context's error stays as it is.
func sleepErr(err error) error {
	if errors.Is(err, futex.ErrFault) {
		return fmt.Errorf("lock: %w", err)
	}
	return err
}
