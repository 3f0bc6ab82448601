package semaphore

import (
	"context"
	"errors"
	"fmt"
	"structs"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/mem"
	"github.com/shmkit/shmkit/internal/robust"
)

// A Once lets one process of many do something, such as filling the memory that
// they share. Whoever calls Do while it is under way waits; a doer that fails,
// panics or dies hands over to the next one.
//
// It occupies 56 bytes and must be aligned to 8. The zero value is ready. It
// must not be copied.
//
// It is sync.Once with two differences. What failed is done again, by somebody
// else or by the next call. And since a doer may be killed in the middle, the
// function has to cope with whatever an earlier one has left: it runs when no
// thread of that one can store any more.
//
//	off size field written by
//	  0   4  done  the doer, after its function has succeeded: 1
//	  4   4        unused
//	  8  48  mutex who does it, and those who wait for that: see robust.Cell
type Once struct {
	_     structs.HostLayout
	done  mem.Uint32
	_     uint32
	mutex Mutex
}

const onceDone = 1

// Do calls f unless a call of Do for o, in any process, has done so with
// success: then it returns nil at once. If another call is under way it waits
// for that, and calls f if that one did not succeed. If f fails, Do returns f's
// error as it is, and o is not done; so it is when f panics or calls
// runtime.Goexit.
//
// ctx bounds the wait, not f: its error says that f was not called. So do all
// others that are not f's: ErrCorrupt, when somebody has overwritten o, ErrClosed,
// or a failure of the system.
//
// f must not call Do for the same o, which would wait for itself.
//
// A successful f synchronizes before the return of any Do that returns nil, and
// whatever an unsuccessful f has done before the next call of f begins.
func (o *Once) Do(ctx context.Context, f func() error) error {
	if o.done.Load() == onceDone { // acquire: once
		return nil
	}
	return o.do(ctx, f)
}

// Done says whether some f has succeeded, which synchronizes before its return.
func (o *Once) Done() bool { return o.done.Load() == onceDone }

// String says whether o is done, or which process does it.
func (o *Once) String() string {
	switch done, err := o.state(); {
	case done:
		return "Once(done)"
	case err != nil:
		return "Once(corrupt)"
	}
	if pid, held := o.mutex.Owner(); held {
		return fmt.Sprintf("Once(under way in pid %d)", pid)
	}
	return "Once(not done)"
}

func (o *Once) do(ctx context.Context, f func() error) error {
	mine, err := o.await(ctx)
	if !mine {
		return err
	}
	defer o.handOver() // also when f panics or calls Goexit
	if err := f(); err != nil {
		return err
	}
	crashpoint.Hit("once.did")
	o.done.Store(onceDone) // release: once
	crashpoint.Hit("once.done")
	return nil
}

// handOver ends a doer's part, done or not. Once it is done, nobody has to
// queue for the mutex: all are woken, so that none of those who were woken can
// hold up another by being stopped.
func (o *Once) handOver() {
	word := &o.mutex.cell.Word
	if o.Done() && word.Load()&robust.Waiters != 0 {
		_ = futex.WakeBit(word) // a fault means that the memory is gone, and its sleepers with it
		crashpoint.Hit("once.told")
	}
	o.mutex.cell.Release()
}

// await waits until o is done, or gives o's mutex to this process, which then
// has to do it.
//
// It is Mutex.wait with three changes: it does not spin, since what others do
// may take long; a dead doer is succeeded at once; and whoever finds that it is
// done leaves, whatever has become of the mutex, as does a sleeper's look where
// the doer is stopped before it has woken anybody.
func (o *Once) await(ctx context.Context) (mine bool, err error) {
	c := &o.mutex.cell
	slept, bits := false, uint32(0)
	defer func() {
		if slept && !mine {
			o.mutex.giveUp()
		}
	}()
	for {
		if done, err := o.state(); done || err != nil {
			return false, err
		}
		w := c.Word.Load()
		switch {
		case w&robust.OwnerDied != 0:
			err = c.TakeOver(ctx, w)
		case w&robust.TIDMask == 0:
			err = c.Take(w, w&robust.Waiters|bits)
		default:
			if err := ctx.Err(); err != nil {
				return false, err
			}
			if w&robust.Waiters == 0 && !c.Word.CompareAndSwap(w, w|robust.Waiters) {
				continue
			}
			crashpoint.Hit("once.announced")
			slept, bits = true, robust.Waiters
			err = futex.Sleep(ctx, &c.Word, w|robust.Waiters, o.over)
			crashpoint.Hit("once.woken")
			if err == nil || o.Done() {
				continue
			}
			if errors.Is(err, futex.ErrFault) {
				slept = false // there is nobody to wake
				err = fmt.Errorf("once: %w", err)
			}
			return false, err
		}
		if errors.Is(err, robust.ErrHeld) {
			continue
		}
		if err != nil {
			return false, fmt.Errorf("once: %w", err)
		}
		crashpoint.Hit("once.taken")
		if done, err := o.state(); done || err != nil { // since it was read above
			c.Release()
			slept = false // that woke the next one, if there is any
			return false, err
		}
		return true, nil
	}
}

// state reads done.
func (o *Once) state() (done bool, err error) {
	switch d := o.done.Load(); d { // acquire: once
	case 0:
		return false, nil
	case onceDone:
		return true, nil
	default:
		return false, fmt.Errorf("%w: once %#x", ErrCorrupt, d)
	}
}

// over is what a sleeper's look asks.
func (o *Once) over() bool { return o.done.Load() != 0 || o.mutex.cell.CheckOwner() }
