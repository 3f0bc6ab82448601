package pool_test

import (
	"context"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/shmkit/shmkit/proc/pool"
)

// arrivals are what this process does when an awkward value arrives.
var arrivals sync.Map // string: func()

// awkward is a type whose method does what the test wants.
type awkward struct{ Way string }

func (a awkward) MarshalBinary() ([]byte, error) { return []byte(a.Way), nil }

func (a *awkward) UnmarshalBinary(b []byte) error {
	a.Way = string(b)
	if do, ok := arrivals.Load(a.Way); ok {
		do.(func())()
	}
	return nil
}

var awkwardly = pool.RegisterTask("awkwardly", func(_ context.Context, way string) (awkward, error) {
	return awkward{way}, nil
})

// Methods of results that block, end their goroutine, panic or use the pool are the trouble
// of their own tasks.
func TestResultsThatReadThemselves(t *testing.T) {
	ctx := watchdog(t)
	for _, in := range [][]string{{"fine"}, {"fine", "wait", "fine"}} { // without and with a chunk
		p := newPool(t, 1, nil)
		here, goOn := make(chan struct{}), make(chan struct{})
		arrivals.Store("wait", func() { close(here); <-goOn })
		mapped := make(chan error, 1)
		var waits *pool.Future[awkward]
		if len(in) == 1 {
			waits = awkwardly.Go(ctx, p, "wait")
		} else {
			go func() {
				r, err := awkwardly.MapSlice(ctx, p, in, &pool.MapOptions{Chunk: 3})
				if len(r) != 3 || r[1].Way != "wait" || r[2].Way != "fine" {
					t.Errorf("%v", r)
				}
				mapped <- err
			}()
		}
		testproc.Within(t, func() { <-here })
		testproc.Within(t, func() {
			for i := range 10 {
				n, err := square.Apply(ctx, p, i)
				if err != nil || n != i*i {
					t.Error(n, err)
				}
			}
		})
		if waits != nil {
			require.Equal(t, pool.Running, waits.State())
			require.False(t, waits.Cancel())
		}
		p.Close()
		require.ErrorIs(t, p.Join(done(t)), context.Canceled, "not before the end of the task")
		close(goOn)
		require.NoError(t, p.Join(ctx))
		if waits != nil {
			r, err := waits.Get(ctx)
			require.NoError(t, err)
			require.Equal(t, "wait", r.Way)
		} else {
			require.NoError(t, <-mapped)
		}
	}

	p := newPool(t, 1, nil)
	arrivals.Store("goexit", func() { runtime.Goexit() })
	arrivals.Store("panic", func() { panic("on arrival") })
	arrivals.Store("apply", func() {
		if n, err := square.Apply(ctx, p, 7); err != nil || n != 49 {
			t.Error(n, err)
		}
	})
	testproc.Within(t, func() {
		r, err := awkwardly.MapSlice(ctx, p, []string{"fine", "goexit", "apply", "panic", "fine"}, &pool.MapOptions{Chunk: 5})
		require.ErrorIs(t, err, pool.ErrResult)
		require.ErrorContains(t, err, "item 1")
		require.Equal(t, []awkward{{"fine"}, {}, {"apply"}, {}, {"fine"}}, r)
	})
	require.Equal(t, 2, p.Stats().Failed)
	require.Equal(t, 6, p.Stats().Done)
}

// done returns a context that has ended.
func done(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}
