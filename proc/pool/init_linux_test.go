package pool_test

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/proc"
	"github.com/shmkit/shmkit/proc/pool"
)

var greeting string

var initialize = pool.RegisterInit("initialize", func(_ context.Context, s string) error {
	switch s {
	case "":
		return fmt.Errorf("no greeting: %w", errOdd)
	case "panic":
		panic("no greeting")
	case "exit":
		os.Exit(3)
	}
	greeting += s
	return nil
})

var greet = pool.RegisterTask("greet", func(context.Context, struct{}) (string, error) { return greeting, nil })

// O27, F36: the initializer runs once in each worker, before its tasks; if it fails, the
// pool is broken, and says why.
func TestInitializerO27F36(t *testing.T) {
	p := newPool(t, 2, &pool.Options{Init: initialize("hello")})
	for range 3 {
		r, err := greet.Apply(watchdog(t), p, struct{}{})
		require.NoError(t, err)
		require.Equal(t, "hello", r)
	}
	for _, s := range []string{"", "panic", "exit"} {
		p := newPool(t, 2, &pool.Options{Init: initialize(s)})
		f, g := greet.Go(t.Context(), p, struct{}{}), square.Go(t.Context(), p, 1)
		for _, done := range []func(context.Context) error{
			func(ctx context.Context) error { _, err := f.Get(ctx); return err },
			func(ctx context.Context) error { _, err := g.Get(ctx); return err },
			func(ctx context.Context) error { _, err := square.Apply(ctx, p, 1); return err },
		} {
			err := done(watchdog(t))
			require.ErrorIs(t, err, pool.ErrInit)
			var exit *proc.ExitError
			switch s {
			case "":
				require.ErrorIs(t, err, errOdd)
			case "exit":
				require.ErrorAs(t, err, &exit)
				require.Equal(t, 3, exit.Code)
			default:
				require.ErrorContains(t, err, "no greeting")
			}
		}
		p.Close()
		require.NoError(t, p.Join(watchdog(t)))
		_, err := pool.New(2, &pool.Options{Init: initialize(s), Eager: true})
		require.ErrorIs(t, err, pool.ErrInit)
	}
	require.Len(t, proc.Children(), p.Stats().Workers, "of those that failed none is left")
	_, err := pool.New(1, &pool.Options{Init: initFunc(func() {})})
	require.ErrorIs(t, err, pool.ErrArgument)
}

var initFunc = pool.RegisterInit("a function", func(context.Context, func()) error { return nil })

// While it is unknown, the initializer's answer is not lost: many pools, at once.
func TestInitializerAnswers(t *testing.T) {
	for range 10 {
		p := newPool(t, 2, &pool.Options{Init: initialize("again"), Eager: true})
		r, err := greet.Apply(watchdog(t), p, struct{}{})
		require.NoError(t, err)
		require.Equal(t, "again", r)
		p.Terminate()
	}
}
