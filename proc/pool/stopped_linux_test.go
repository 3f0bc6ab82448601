package pool_test

import (
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/shmkit/shmkit/proc/pool"
)

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
