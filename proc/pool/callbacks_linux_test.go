package pool_test

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/proc/pool"
)

// A callback that ends its goroutine does no more harm than one that panics.
func TestCallbackExits(t *testing.T) {
	f, set := pool.NewFuture[int]()
	later := false
	f.OnDone(func(int, error) { runtime.Goexit() })
	f.OnDone(func(int, error) { later = true })
	set(1, nil)
	_, err := f.Get(watchdog(t))
	require.NoError(t, err)
	require.True(t, later)
}
