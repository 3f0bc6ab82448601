package semaphore

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/robust"
)

// sleep returns nil when phase p is not open any more, the context's error when
// its time is over, or futex.ErrFault: then b cannot be read any more. If it finds
// that somebody has died it breaks p.
//
// All who sleep let their looks watch everybody. Whoever watches does more, once
// a look has found it asleep: it sleeps on the seats of the others as well, so
// that the kernel wakes it when one of them dies. The first to arrive does,
// because the second may be long in coming. That only makes it faster, and makes
// short waits no slower; when the watching party dies, or is stopped, the looks
// of the others go on.
func (b *Barrier) sleep(ctx context.Context, s *barrierSeat, p uint32, watch bool) error {
	if d := b.timeout.Load(); d > 0 && d <= math.MaxInt64 {
		if _, ok := ctx.Deadline(); !ok {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, time.Duration(d))
			defer cancel()
		}
	}
	var err error
	for slept := false; ; {
		w := barrierWord(b.word.Load())
		if !w.open(p) {
			return nil
		}
		// p has been open since before this looks for the dead and at the clock.
		if b.bereft() {
			b.breakPhase(p)
			return nil
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		if !w.sleepers() && !b.set(w, w|barrierSleepers) {
			continue
		}
		crashpoint.Hit("barrier.announced")
		began := time.Now()
		switch {
		case !watch:
			err = futex.Sleep(ctx, low(&b.word), p|barrierSleepers, s.alarm)
		case !slept:
			err = futex.Sleep(ctx, low(&b.word), p|barrierSleepers, always)
		default:
			err = b.sleepWatching(ctx, s, p|barrierSleepers)
		}
		slept = true
		s.spin.Slept(time.Since(began))
		crashpoint.Hit("barrier.woken")
		if errors.Is(err, futex.ErrFault) {
			return err
		}
	}
}

// always ends a sleep at the first look.
func always() bool { return true }

// sleepWatching sleeps on the word, on used, so that it hears of who joins, and on
// the seats of as many others as it can.
func (b *Barrier) sleepWatching(ctx context.Context, s *barrierSeat, val uint32) error {
	used := b.used.Load()
	var words [futex.MaxWords]futex.Word
	words[0] = futex.Word{Addr: low(&b.word), Val: val}
	words[1] = futex.Word{Addr: &b.used, Val: used}
	n := 2
	own := int(s.held.Load()>>32) - 1
	for i := range int(min(used, barrierSeats)) {
		if n == len(words) {
			break
		}
		c := &b.seats[i].Word
		w := c.Load()
		if i == own || robust.StateOf(w) == robust.Vacant {
			continue
		}
		if robust.StateOf(w) == robust.Dead || w&robust.Waiters == 0 && !c.CompareAndSwap(w, w|robust.Waiters) {
			return nil // it has just died, or gone
		}
		words[n] = futex.Word{Addr: c, Val: w | robust.Waiters}
		n++
	}
	crashpoint.Hit("barrier.watched")
	return futex.SleepAny(ctx, words[:n], s.alarm)
}

// askedPerLook is how many seats a look asks whether their holders exist, in
// case the kernel's mark got lost. With 256 seats it comes round in 1.6 s.
const askedPerLook = 8

// alarmed says whether somebody has died. The look calls it.
func (s *barrierSeat) alarmed() bool {
	if s.b.bereft() {
		return true
	}
	n := uint32(s.b.count())
	for range min(n, askedPerLook) {
		if s.b.seats[s.asked.Add(1)%n].CheckOwner() {
			return true
		}
	}
	return false
}
