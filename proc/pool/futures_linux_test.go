package pool_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/proc/pool"
)

// O03, O21: callbacks come once, with result or error, before whoever waits goes on.
func TestCallbacksO03O21(t *testing.T) {
	p := newPool(t, 2, nil)
	ctx := watchdog(t)
	for _, x := range []int{4, 5} {
		var calls []error
		f := evens.Go(ctx, p, x)
		f.OnDone(func(r int, err error) { calls = append(calls, err) })
		r, err := f.Get(ctx)
		require.Len(t, calls, 1)
		require.Equal(t, err, calls[0])
		if x == 4 {
			require.NoError(t, err)
			require.Equal(t, 4, r)
		} else {
			require.ErrorIs(t, err, errOdd)
		}
	}
}

// O07, O08, F41: Get waits for the result, or for its context.
func TestGetWaitsO07O08F41(t *testing.T) {
	p := newPool(t, 1, nil)
	name, g := newGate(t)
	f := hold.Go(context.Background(), p, atGate{name, 5})
	ctx, cancel := context.WithTimeout(t.Context(), 1)
	defer cancel()
	_, err := f.Get(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorIs(t, f.Err(), pool.ErrNotDone)
	g.Open.Set()
	r, err := f.Get(watchdog(t))
	require.NoError(t, err)
	require.Equal(t, 5, r[0])
	require.NoError(t, f.Err())
}

// F39: callbacks at a result, an error, a cancellation; at once if it is over; in order; one
// that panics does not keep the others from running.
func TestCallbacksF39(t *testing.T) {
	for name, end := range map[string]func(f *pool.Future[int], set func(int, error) error){
		"result": func(_ *pool.Future[int], set func(int, error) error) { set(7, nil) },
		"error":  func(_ *pool.Future[int], set func(int, error) error) { set(0, errOdd) },
		"cancel": func(f *pool.Future[int], _ func(int, error) error) { require.True(t, f.Cancel()) },
	} {
		f, set := pool.NewFuture[int]()
		var calls []int
		for i := range 4 {
			f.OnDone(func(r int, err error) {
				calls = append(calls, i)
				require.Equal(t, name == "result", err == nil)
				require.Equal(t, name == "result", r == 7)
				if i == 1 {
					panic("nobody minds")
				}
			})
		}
		end(f, set)
		<-f.Done()
		require.Equal(t, []int{0, 1, 2, 3}, calls)
		f.OnDone(func(int, error) { calls = append(calls, 4) })
		require.Equal(t, []int{0, 1, 2, 3, 4}, calls)
	}
}

// F40: the states, and what Cancel does in each.
func TestStatesF40(t *testing.T) {
	p := newPool(t, 1, nil)
	name, g := newGate(t)
	f, next := hold.Go(t.Context(), p, atGate{name, 1}), hold.Go(t.Context(), p, atGate{name, 2})
	await(t, "it runs", func() bool { return g.Begun.Load() == 1 })
	require.Equal(t, pool.Running, f.State())
	require.Equal(t, "future (running)", f.String())
	require.Equal(t, pool.Pending, next.State())
	require.True(t, next.Cancel())
	require.True(t, next.Cancel())
	require.Equal(t, pool.Cancelled, next.State())
	_, err := next.Get(watchdog(t))
	require.ErrorIs(t, err, pool.ErrCancelled)
	require.ErrorIs(t, err, context.Canceled)
	require.False(t, f.Cancel(), "it runs")
	_, err = f.Get(watchdog(t))
	require.ErrorIs(t, err, pool.ErrCancelled, "as the task found it")
	require.Equal(t, pool.Finished, f.State())
	require.False(t, f.Cancel())
	require.EqualValues(t, 1, g.Ended.Load())
	require.Equal(t, []string{"pending", "running", "finished", "cancelled"},
		[]string{pool.Pending.String(), pool.Running.String(), pool.Finished.String(), pool.Cancelled.String()})
}

// F41: whoever waits is woken by a cancellation.
func TestCancelWakesF41(t *testing.T) {
	f, _ := pool.NewFuture[int]()
	go f.Cancel()
	_, err := f.Get(watchdog(t))
	require.ErrorIs(t, err, pool.ErrCancelled)
}

// F42: the first value stays.
func TestResolvedOnceF42(t *testing.T) {
	f, set := pool.NewFuture[int]()
	require.NoError(t, set(1, nil))
	require.ErrorIs(t, set(2, errOdd), pool.ErrResolved)
	r, err := f.Get(watchdog(t))
	require.NoError(t, err)
	require.Equal(t, 1, r)
	f, set = pool.NewFuture[int]()
	f.Cancel()
	require.ErrorIs(t, set(2, nil), pool.ErrResolved)
}
