package pool_test

import (
	"context"
	"iter"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/proc/pool"
)

// F37: waiting for all, one, or the first error, with futures given twice.
func TestWaitF37(t *testing.T) {
	a, setA := pool.NewFuture[int]()
	b, setB := pool.NewFuture[int]()
	c, _ := pool.NewFuture[int]()
	over, cancel := context.WithCancel(t.Context())
	cancel()
	type futures = []*pool.Future[int]

	done, rest, err := pool.WaitAny(over, a, b)
	require.ErrorIs(t, err, context.Canceled)
	require.Empty(t, done)
	require.Equal(t, futures{a, b}, rest)

	require.NoError(t, setA(1, nil))
	done, rest, err = pool.WaitAny(watchdog(t), b, a, a, b)
	require.NoError(t, err)
	require.Equal(t, futures{a}, done)
	require.Equal(t, futures{b}, rest)

	go setB(0, errOdd)
	done, rest, err = pool.WaitError(watchdog(t), a, b, c)
	require.NoError(t, err)
	require.Equal(t, futures{a, b}, done)
	require.Equal(t, futures{c}, rest)
	done, rest, err = pool.WaitAll(over, a, b, c)
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, futures{a, b}, done)
	require.Equal(t, futures{c}, rest)

	go c.Cancel()
	done, rest, err = pool.WaitAll(watchdog(t), c, a, c)
	require.NoError(t, err)
	require.Equal(t, futures{c, a}, done)
	require.Empty(t, rest)
	done, _, err = pool.WaitError(watchdog(t), a)
	require.NoError(t, err)
	require.Equal(t, futures{a}, done)

	text, setText := pool.NewFuture[string]()
	setText("other", nil)
	mixed, _, err := pool.WaitAll[pool.Awaitable](watchdog(t), a, text)
	require.NoError(t, err)
	require.Len(t, mixed, 2)
	for _, wait := range []func(context.Context, ...pool.Awaitable) ([]pool.Awaitable, []pool.Awaitable, error){
		pool.WaitAll[pool.Awaitable], pool.WaitAny[pool.Awaitable], pool.WaitError[pool.Awaitable],
	} {
		_, _, err := wait(watchdog(t))
		require.NoError(t, err)
	}
}

// F38: as they end, those that have first, each once; at the deadline what is left.
func TestAsCompletedF38(t *testing.T) {
	a, setA := pool.NewFuture[int]()
	b, setB := pool.NewFuture[int]()
	c, _ := pool.NewFuture[int]()
	d, _ := pool.NewFuture[int]()
	setB(2, nil)
	next, stop := iter.Pull2(pool.AsCompleted(watchdog(t), a, b, a, b))
	defer stop()
	f, err, _ := next()
	require.NoError(t, err)
	require.Same(t, b, f)
	setA(1, nil)
	f, err, _ = next()
	require.NoError(t, err)
	require.Same(t, a, f)
	_, _, more := next()
	require.False(t, more)

	over, cancel := context.WithCancel(t.Context())
	cancel()
	n := 0
	for _, err := range pool.AsCompleted(over, c, a, d, b) {
		if n++; n < 3 {
			require.NoError(t, err)
			continue
		}
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorContains(t, err, "2 (of 4) futures unfinished")
	}
	require.Equal(t, 3, n)
	for range pool.AsCompleted(over, c, d, b) {
		break
	}
}
