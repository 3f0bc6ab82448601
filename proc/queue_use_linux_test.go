package proc_test

import (
	"errors"
	"io"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/proc"
)

// A queue that is closed, or ended, while goroutines use it in every way: each of them
// is told soon. (The shared objects in items that are left in a closed queue stay with
// this process; so there are none then.)
func TestQueueClosedWhileInUse(t *testing.T) {
	ctx := watchdog(t)
	for round := range 30 {
		q := newQueue[job](t, &proc.QueueOptions{MaxBytes: 1 << 16})
		idle := newQueue[job](t, &proc.QueueOptions{MaxBytes: 1 << 16})
		closes, out := round%2 == 0, newOutput(t)
		var loads atomic.Int32
		laden := func(j job) job { // some of them
			if closes || loads.Add(1) > 100 {
				return job{}
			}
			return j
		}
		uses := []func() error{
			func() error { return q.Put(ctx, job{Text: "text"}) },
			func() error { return q.Put(ctx, laden(job{Out: out.W})) },
			func() error {
				if err := q.TryPut(laden(job{Jobs: idle})); !errors.Is(err, proc.ErrFull) {
					return err
				}
				return nil
			},
			func() error { return release(q.Get(ctx)) },
			func() error { return release(q.Get(ctx)) },
			func() error {
				if err := release(q.TryGet()); !errors.Is(err, proc.ErrEmpty) {
					return err
				}
				return nil
			},
			func() error {
				if _, err := proc.Wait(ctx, q, idle); err != nil {
					return err
				}
				return release(q.Get(ctx))
			},
			func() error { return idle.Put(ctx, laden(job{Jobs: q})) },
			func() error { return release(idle.Get(ctx)) },
		}
		ended := make(chan error)
		for _, use := range uses {
			go func() {
				var err error
				for err == nil {
					err = use()
				}
				ended <- err
			}()
		}
		for range round * 3 {
			require.NoError(t, q.Put(ctx, job{}))
		}
		if closes {
			require.NoError(t, q.Close())
			require.NoError(t, idle.Close())
		} else {
			require.NoError(t, q.CloseSend(ctx))
			require.NoError(t, idle.CloseSend(ctx))
		}
		for range uses {
			if err := <-ended; err != io.EOF {
				require.ErrorIs(t, err, proc.ErrClosed)
			}
		}
		out.W.Close()
		if !closes {
			for err := error(nil); err != io.EOF; {
				err = release(q.Get(ctx))
			}
			for err := error(nil); err != io.EOF; {
				err = release(idle.Get(ctx))
			}
		}
	}
	eventuallyNoDoor(t)
}

// release closes what came in a job.
func release(j job, err error) error {
	if j.Out != nil {
		j.Out.Close()
	}
	if j.Jobs != nil {
		j.Jobs.Close()
	}
	return err
}
