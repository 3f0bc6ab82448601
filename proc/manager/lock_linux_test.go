package manager_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/proc"
	"github.com/shmkit/shmkit/proc/manager"
)

var lockChild = proc.Register("lockChild", func(ctx context.Context, l *manager.Lock) error {
	return l.Release(ctx)
})

// G17: what one process has acquired, another may release.
func TestLockAcrossProcesses(t *testing.T) {
	both(t, func(t *testing.T, m *manager.Manager) {
		ctx := bounded(t)
		l, err := manager.NewLock(ctx, m)
		require.NoError(t, err)
		require.NoError(t, l.Acquire(ctx))
		require.ErrorIs(t, l.TryAcquire(ctx), manager.ErrLocked)
		p, err := lockChild.Start(ctx, l, nil)
		require.NoError(t, err)
		require.NoError(t, p.Wait(ctx))
		locked, err := l.Locked(ctx)
		require.NoError(t, err)
		require.False(t, locked)
		require.ErrorIs(t, l.Release(ctx), manager.ErrNotHeld)
		require.NoError(t, l.Close())
		nothingLeft(t, m)
	})
}

func TestConditionQuick(t *testing.T) {
	both(t, func(t *testing.T, m *manager.Manager) {
		ctx := bounded(t)
		c, err := manager.NewCondition(ctx, m, nil)
		require.NoError(t, err)
		h := c.Holder()
		require.NoError(t, h.Acquire(ctx))
		require.NoError(t, h.Acquire(ctx))
		ended, cancel := context.WithCancel(ctx)
		cancel()
		require.ErrorIs(t, c.Wait(ended, h), context.Canceled)
		n, err := h.Count(ctx)
		require.NoError(t, err)
		require.Equal(t, 2, n)
		require.NoError(t, c.Close())
		nothingLeft(t, m)
	})
}
