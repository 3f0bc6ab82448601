//go:build !explore

package futex

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSleepAnyReturnsWhenAnyWordChanges(t *testing.T) {
	ways(t, func(t *testing.T) {
		for n := 1; n <= MaxWords; n += 5 {
			for i := range n {
				w, _ := newTable(t)
				v := words(w, n)
				done := start(func() error { return SleepAny(context.Background(), v, nil) })
				if isWaitv(t) || i == 0 {
					await(t, func() bool { return sleepers(v[i].Addr) == 1 })
				}
				v[i].Addr.Store(1)
				Wake(v[i].Addr, 1)
				require.NoError(t, result(t, done))
			}
		}
	})
}

// Without a store, a wake is enough: it is the hint.
func TestSleepAnyReturnsWhenAnyWordIsWoken(t *testing.T) {
	w, _ := newTable(t)
	v := words(w, MaxWords)
	ways(t, func(t *testing.T) {
		for i := range v {
			if i > 0 && !isWaitv(t) {
				break // only the first is slept on
			}
			done := start(func() error { return SleepAny(context.Background(), v, nil) })
			await(t, func() bool { return Wake(v[i].Addr, 1) == 1 })
			require.NoError(t, result(t, done))
		}
	})
}

func TestSleepAnyOnNoWordsOrTooMany(t *testing.T) {
	w, _ := newTable(t)
	require.Error(t, SleepAny(context.Background(), nil, nil))
	require.Error(t, SleepAny(context.Background(), words(w, MaxWords+1), nil))
}

// The look finds that a counterpart is gone though no word says so, and rouses
// by the sleeper's private word.
func TestGone(t *testing.T) {
	ways(t, func(t *testing.T) {
		w, _ := newTable(t)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		for name, sleep := range map[string]func(gone func() bool) error{
			"one":              func(gone func() bool) error { return Sleep(context.Background(), &w[0], 0, gone) },
			"one, cancellable": func(gone func() bool) error { return Sleep(ctx, &w[0], 0, gone) },
			"many":             func(gone func() bool) error { return SleepAny(context.Background(), words(w, 3), gone) },
			"many, cancellable": func(gone func() bool) error {
				return SleepAny(ctx, words(w, 3), gone)
			},
		} {
			t.Run(name, func(t *testing.T) {
				var asked atomic.Int32
				var gone atomic.Bool
				done := start(func() error {
					return sleep(func() bool { asked.Add(1); return gone.Load() })
				})
				await(t, func() bool { return asked.Load() >= 2 })
				require.Empty(t, done)
				gone.Store(true)
				require.NoError(t, result(t, done))
			})
		}
	})
}

// The look asks the leader of a group for all; a follower is asked once it leads.
func TestGoneOfAFollower(t *testing.T) {
	w, _ := newTable(t)
	ctx, cancel := context.WithCancel(context.Background())
	leader := start(func() error { return Sleep(ctx, &w[0], 0, func() bool { return false }) })
	awaitSleepers(t, &w[0], 1)
	var gone atomic.Bool
	follower := start(func() error { return Sleep(context.Background(), &w[0], 0, gone.Load) })
	await(t, func() bool { return followers(&w[0]) == 1 })
	gone.Store(true)
	cancel()
	require.ErrorIs(t, result(t, leader), context.Canceled)
	require.NoError(t, result(t, follower))
}
