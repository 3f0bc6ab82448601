package pool_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/proc"
	"github.com/shmkit/shmkit/proc/pool"
)

// F29: submitting does not wait for workers.
func TestSubmitDoesNotWaitF29(t *testing.T) {
	p := newPool(t, 1, nil)
	name, g := newGate(t)
	var fs []*pool.Future[[2]int]
	for i := range 100000 {
		fs = append(fs, hold.Go(t.Context(), p, atGate{name, i}))
	}
	await(t, "one runs", func() bool { return g.Begun.Load() == 1 })
	for _, f := range fs[1:] {
		f.Cancel()
	}
	g.Open.Set()
	_, _, err := pool.WaitAll(watchdog(t), fs...)
	require.NoError(t, err)
	require.Equal(t, 100000, p.Stats().Done+p.Stats().Cancelled)
}

// F34: what is cancelled, and what is not.
func TestCancelManyF34(t *testing.T) {
	p := newPool(t, 2, nil)
	name, g := newGate(t)
	var fs []*pool.Future[[2]int]
	for i := range 1000 {
		fs = append(fs, hold.Go(t.Context(), p, atGate{name, i}))
	}
	await(t, "two run", func() bool { return g.Begun.Load() == 2 })
	cancelled := 0
	for _, f := range fs {
		if f.Cancel() {
			cancelled++
		}
	}
	for _, f := range fs {
		_, err := f.Get(watchdog(t))
		require.ErrorIs(t, err, pool.ErrCancelled, "or the task says so")
	}
	require.EqualValues(t, 1000-cancelled, g.Begun.Load(), "what was taken back has not run")
	require.Equal(t, g.Begun.Load(), g.Ended.Load())
}

// F34: what is not cancelled is done, whatever is cancelled around it.
func TestTheRestCompletesF34(t *testing.T) {
	p := newPool(t, 2, nil)
	name, g := newGate(t)
	var fs []*pool.Future[[2]int]
	for i := range 1000 {
		fs = append(fs, hold.Go(t.Context(), p, atGate{name, i}))
	}
	await(t, "two run", func() bool { return g.Begun.Load() == 2 })
	cancelled := make(map[int]bool)
	for i, f := range fs {
		if i%3 > 0 && f.State() == pool.Pending {
			require.True(t, f.Cancel())
			cancelled[i] = true
		}
	}
	require.GreaterOrEqual(t, len(cancelled), 664)
	g.Open.Set()
	for i, f := range fs {
		r, err := f.Get(watchdog(t))
		if cancelled[i] {
			require.ErrorIs(t, err, pool.ErrCancelled)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, i, r[0])
	}
}

// A context bounds its task: one that waits is dropped, one that runs is told.
func TestContexts(t *testing.T) {
	p := newPool(t, 1, nil)
	name, g := newGate(t)
	ctx, cancel := context.WithCancel(t.Context())
	f, next := hold.Go(ctx, p, atGate{name, 1}), hold.Go(ctx, p, atGate{name, 2})
	await(t, "it runs", func() bool { return g.Begun.Load() == 1 })
	cancel()
	_, err := f.Get(watchdog(t))
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, pool.Finished, f.State())
	_, err = next.Get(watchdog(t))
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, pool.Cancelled, next.State())
	await(t, "it has heard", func() bool { return g.Ended.Load() == 1 })
	require.EqualValues(t, 1, g.Begun.Load())
	f = hold.Go(ctx, p, atGate{name, 1})
	require.Equal(t, pool.Cancelled, f.State())
}

// Timeouts and times of grace.
func TestLimits(t *testing.T) {
	patient := newPool(t, 1, &pool.Options{Grace: time.Hour})
	name, g := newGate(t)
	short := pool.Limits{Timeout: 10 * time.Millisecond}
	_, err := hold.With(short).Apply(watchdog(t), patient, atGate{name, 1})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.NotErrorIs(t, err, pool.ErrWorkerDied)
	require.EqualValues(t, 1, g.Ended.Load())
	p := newPool(t, 1, &pool.Options{Grace: 10 * time.Millisecond})
	_, err = deaf.With(short).Apply(watchdog(t), p, atGate{name, 1})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorIs(t, err, pool.ErrWorkerDied)
	g.Begun.Store(0)
	f := deaf.Go(t.Context(), p, atGate{name, 1})
	await(t, "it runs", func() bool { return g.Begun.Load() == 1 })
	require.False(t, f.Cancel())
	_, err = f.Get(watchdog(t))
	require.ErrorIs(t, err, pool.ErrCancelled)
	require.ErrorIs(t, err, pool.ErrWorkerDied)
	n, err := square.With(pool.Limits{Timeout: time.Minute}).Apply(watchdog(t), p, 2)
	require.NoError(t, err)
	require.Equal(t, 4, n)
}

// What was sent to a worker that has not begun it can be cancelled, with the objects that
// go with it; those of the next task are its own.
func TestCancelBesideTheRing(t *testing.T) {
	p := newPool(t, 1, &pool.Options{Eager: true})
	ctx := watchdog(t)
	q, err := proc.NewQueue[int](nil)
	require.NoError(t, err)
	defer q.Close()
	worker := p.Stats().PerWorker[0].PID
	for _, sent := range []bool{true, false} { // and while it is being sent, perhaps
		stop(t, worker)
		f := fill.Go(ctx, p, parcel{Queue: q, N: 1})
		large := size.Go(ctx, p, make([]byte, 5<<20))
		if sent {
			await(t, "it is sent", func() bool { return !pool.Sending(p) })
		}
		require.Equal(t, sent, f.Cancel() && sent)
		_, err = f.Get(ctx)
		require.ErrorIs(t, err, pool.ErrCancelled)
		require.True(t, large.Cancel())
		resume(worker)
	}
	for i := 2; i < 5; i++ {
		r, err := fill.Apply(ctx, p, parcel{Queue: q, N: i})
		require.NoError(t, err)
		n, err := r.Queue.Get(ctx)
		require.NoError(t, err)
		require.Equal(t, i, n)
		r.Queue.Close()
	}
}
