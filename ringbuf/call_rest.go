package ringbuf

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/mem"
)

// One worker of a process at a time looks for calls while there are none; the others
// sleep, and so does that one in the end. Who wants to sleep sets bell, takes itself
// off awake, and looks once more; a caller makes its slot Asked and reads awake, and
// bell if that is 0. All of it is sequentially consistent, so one sees the other. The
// caller that rings clears bell and wakes one worker, in one system call; that one sets bell
// again for those who still sleep, and wakes the next if there is more to do.

// rest waits for a call.
func (w *callWorker) rest(ctx context.Context) error {
	if w.eager && (w.looker.Load() == w.number || w.looker.CompareAndSwap(0, w.number)) {
		for range w.spin.Rounds() {
			if w.serve() {
				w.spin.Won()
				return nil
			}
			if w.stopping.Load() {
				return nil
			}
			mem.Pause(1)
		}
		for range yieldRounds {
			futex.Yield()
			if w.stopping.Load() || w.serve() {
				return nil
			}
		}
		w.looker.CompareAndSwap(w.number, 0)
	}
	return w.sleep(ctx)
}

// sleep sleeps until somebody rings.
func (w *callWorker) sleep(ctx context.Context) error {
	w.asleep.Add(1)
	w.seat.bell.Store(1)
	crashpoint.Hit("call.belled")
	w.seat.awake.Add(^uint32(0))
	crashpoint.Hit("call.drowsy")
	var err error
	if !w.anyAsked() && !w.stopping.Load() {
		err = w.doze(ctx)
	}
	w.seat.awake.Add(1)
	if w.asleep.Add(-1) > 0 {
		w.seat.bell.Store(1)
	}
	crashpoint.Hit("call.roused")
	w.woken = true
	w.looker.Store(w.number) // whoever looked before is busy, or was not quick enough
	return err
}

func (w *callWorker) doze(ctx context.Context) error {
	var began time.Time
	if w.eager {
		began = time.Now()
	}
	err := futex.SleepAny(ctx, []futex.Word{{Addr: &w.seat.bell, Val: 1}}, w.anyAsked)
	if w.eager {
		w.spin.Slept(time.Since(began))
	}
	switch {
	case w.stopping.Load() || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled):
		return nil // work sees it
	case errors.Is(err, futex.ErrFault):
		return fmt.Errorf("%w: %w", ErrTruncated, err)
	}
	return err
}
