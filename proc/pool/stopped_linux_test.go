package pool_test

import (
	"context"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/shmkit/shmkit/proc/pool"
)

// S2: a stopped worker keeps what it has begun, and holds up nothing else.
func TestStoppedWorker(t *testing.T) {
	p := newPool(t, 2, &pool.Options{Eager: true})
	ctx := watchdog(t)
	stopped := p.Stats().PerWorker[1].PID
	require.NoError(t, syscall.Kill(stopped, syscall.SIGSTOP))
	defer syscall.Kill(stopped, syscall.SIGCONT)
	for i := range 3 { // the stopped one may be the one that was busy last
		r, err := square.Apply(ctx, p, i)
		require.NoError(t, err)
		require.Equal(t, i*i, r)
	}
	r, err := square.Map(ctx, p, span(1000), nil)
	require.NoError(t, err)
	require.Equal(t, squares(1000), r)
	require.NoError(t, syscall.Kill(stopped, syscall.SIGCONT))
	await(t, "it skips what others have done", func() bool { return p.Stats().Idle == 2 })
	require.Equal(t, 1003, p.Stats().Done)
}

// S2: nor does one that is stopped in the middle of a task, which ends when it goes on.
func TestStoppedInATask(t *testing.T) {
	p := newPool(t, 2, nil)
	ctx := watchdog(t)
	name, g := newGate(t)
	f := hold.Go(ctx, p, atGate{name, 1})
	await(t, "it runs", func() bool { return g.Begun.Load() == 1 })
	stopped := p.Stats().PerWorker[0].PID
	stop(t, stopped)
	g.Open.Set()
	var fs []*pool.Future[int]
	for i := range 100 {
		fs = append(fs, square.Go(ctx, p, i))
	}
	for i, f := range fs {
		r, err := f.Get(ctx)
		require.NoError(t, err)
		require.Equal(t, i*i, r)
	}
	r, err := square.Map(ctx, p, span(1000), nil)
	require.NoError(t, err)
	require.Equal(t, squares(1000), r)
	require.Equal(t, pool.Running, f.State())
	p.Close()
	over, cancel := context.WithCancel(ctx)
	cancel()
	require.ErrorIs(t, p.Join(over), context.Canceled)
	resume(stopped)
	v, err := f.Get(ctx)
	require.NoError(t, err)
	require.Equal(t, [2]int{1, stopped}, v)
	require.NoError(t, p.Join(ctx))
	require.Zero(t, p.Stats().Died)
}

// A stopped worker that has begun nothing holds up nothing, also if there is no other one
// yet.
func TestStoppedOnlyWorker(t *testing.T) {
	p := newPool(t, 2, nil)
	ctx := watchdog(t)
	_, err := square.Apply(ctx, p, 1)
	require.NoError(t, err)
	stopped := p.Stats().PerWorker[0].PID
	require.NoError(t, syscall.Kill(stopped, syscall.SIGSTOP))
	defer syscall.Kill(stopped, syscall.SIGCONT)
	testproc.Within(t, func() {
		for i := range 3 {
			r, err := square.Apply(ctx, p, i)
			require.NoError(t, err)
			require.Equal(t, i*i, r)
		}
	})
}

// Nor after Close: those that could do its work stay for it.
func TestStoppedWorkerAfterClose(t *testing.T) {
	p := newPool(t, 2, &pool.Options{Eager: true})
	ctx := watchdog(t)
	stopped := p.Stats().PerWorker[1].PID
	require.NoError(t, syscall.Kill(stopped, syscall.SIGSTOP))
	defer syscall.Kill(stopped, syscall.SIGCONT)
	var fs []*pool.Future[int]
	for i := range 2 {
		fs = append(fs, square.Go(ctx, p, i))
	}
	p.Close()
	testproc.Within(t, func() {
		for i, f := range fs {
			r, err := f.Get(ctx)
			require.NoError(t, err)
			require.Equal(t, i*i, r)
		}
	})
	require.NoError(t, syscall.Kill(stopped, syscall.SIGCONT))
	require.NoError(t, p.Join(ctx))
}
