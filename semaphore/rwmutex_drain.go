package semaphore

import (
	"context"
	"time"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/mem"
	"github.com/shmkit/shmkit/internal/robust"
)

// shut closes all seats and waits until those who were inside have left.
func (rw *RWMutex) shut(ctx context.Context) error {
	n := rw.count()
	for i := range n {
		word := &rw.seat(i).word
		for w := word.Load(); rwWord(w)&rwClosed == 0 && !word.CompareAndSwap(w, w|uint64(rwClosed)); w = word.Load() {
		}
		crashpoint.Hit("rwmutex.closed")
	}
	for i := range n {
		if err := rw.seat(i).drain(ctx); err != nil {
			return err
		}
	}
	return nil
}

// drain waits until nobody is inside the closed seat, and those who were let in
// have come and left.
func (s *rwSeat) drain(ctx context.Context) error {
	var spin *futex.Spinner
	for inVain := 0; ; {
		w := rwWord(s.word.Load()) // acquire: rwmutex readers
		if w&rwMustDrain == 0 || s.tidy() {
			return nil
		}
		c := s.cell.Word.Load()
		if robust.StateOf(c) != robust.Present {
			if err := s.cell.AwaitGone(ctx, nil); err != nil {
				return err
			}
			continue
		}
		if w&rwActives == 0 && (w&rwAbsent != 0 || inVain >= looksForGranted) {
			if s.word.CompareAndSwap(uint64(w), uint64(w.revoked())) {
				crashpoint.Hit("rwmutex.revoked")
			}
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if spin == nil {
			spin = s.cell.Spinner()
			if s.spin(spin) {
				continue
			}
		}
		if c&robust.Waiters == 0 && !s.cell.Word.CompareAndSwap(c, c|robust.Waiters) {
			continue
		}
		crashpoint.Hit("rwmutex.draining")
		if (rwWord(s.word.Load())^w)&rwMustDrain != 0 {
			continue
		}
		began := time.Now()
		err := futex.Sleep(ctx, &s.cell.Word, c|robust.Waiters, s.over)
		spin.Slept(time.Since(began))
		if err != nil {
			return sleepErr(err)
		}
		if inVain++; (rwWord(s.word.Load())^w)&rwMustDrain != 0 {
			inVain = 0
		}
	}
}

// looksForGranted is after how many looks in vain those who were let in lose
// their turn.
const looksForGranted = 2

// over is what a draining writer's look asks. It wakes the writer, who decides,
// where only grants are left.
func (s *rwSeat) over() bool {
	w := rwWord(s.word.Load())
	return w&rwActives == 0 || s.cell.CheckOwner()
}

// spin reads the word until nobody is inside; false if that takes long.
func (s *rwSeat) spin(spin *futex.Spinner) bool {
	for n := spin.Rounds(); n > 0; n-- {
		if rwWord(s.word.Load())&rwMustDrain == 0 {
			spin.Won()
			return true
		}
		mem.Pause(1)
	}
	return false
}

// open lets those in who wait.
func (s *rwSeat) open() {
	for {
		w := rwWord(s.word.Load())
		if w&rwClosed == 0 {
			return
		}
		if s.word.CompareAndSwap(uint64(w), uint64(w.opened())) { // release: rwmutex writer
			crashpoint.Hit("rwmutex.opened")
			return
		}
	}
}
