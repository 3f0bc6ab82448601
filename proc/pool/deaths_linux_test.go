package pool_test

import (
	"context"
	"errors"
	"os"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/proc"
	"github.com/shmkit/shmkit/proc/pool"
)

// X07, W-1, F08, F10, F22, F23: a worker that dies fails the task that it ran, and no
// other; a panic in a callback harms nobody (W-2).
func TestWorkerDiesX07W1(t *testing.T) {
	var panics atomic.Int64
	p := newPool(t, 2, &pool.Options{OnPanic: func(c pool.CallbackPanic) { panics.Add(1) }})
	ctx := watchdog(t)
	for way, code := range map[string]int{"kill": -9, "exit": 99, "exit well": 0, "panic": 2, "goroutine": 2, "goexit": 1, "fault": 2} {
		var fs []*pool.Future[string]
		for i := range 8 {
			w := "live"
			if i == 3 {
				w = way
			}
			f := die.Go(ctx, p, w)
			f.OnDone(func(string, error) { panic("in a callback") })
			fs = append(fs, f)
		}
		for i, f := range fs {
			r, err := f.Get(ctx)
			if i != 3 {
				require.NoError(t, err, way)
				require.Equal(t, "live", r)
				continue
			}
			require.ErrorIs(t, err, pool.ErrWorkerDied, way)
			var exit *proc.ExitError
			require.ErrorAs(t, err, &exit, way)
			require.Equal(t, code, exit.Code, way)
			if code == 99 {
				require.ErrorContains(t, err, "exited with code 99")
			}
			var panicked *proc.PanicError
			require.Equal(t, code == 2, errors.As(err, &panicked), way)
		}
	}
	require.EqualValues(t, 7*8, panics.Load())
	require.Equal(t, 7*8, p.Stats().CallbackPanics)
	n, err := square.Apply(ctx, p, 3)
	require.NoError(t, err)
	require.Equal(t, 9, n)
}

// X07: of a chunk only the task that ran fails; those before it keep their results, those
// after it run elsewhere, each once.
func TestChunkOfDeadWorkerX07(t *testing.T) {
	p := newPool(t, 2, nil)
	for _, at := range []int{0, 1, 7, 19} {
		name, g := newGate(t)
		g.Open.Set()
		var in []deadly
		for i := range 20 {
			in = append(in, deadly{Value: i, Dies: i == at})
			copy(in[i].Gate[:], name)
		}
		for _, chunk := range []int{1, 20, 0} {
			g.Begun.Store(0)
			r, err := mayDie.Map(watchdog(t), p, slices.Values(in), &pool.MapOptions{Chunk: chunk})
			var item *pool.ItemError
			require.ErrorAs(t, err, &item)
			require.ErrorIs(t, err, pool.ErrWorkerDied)
			require.Equal(t, at, item.Index)
			require.EqualValues(t, 20, g.Begun.Load(), "each ran once")
			for i, v := range r {
				if i != at {
					require.Equal(t, i+1, v)
				}
			}
		}
	}
}

// deadly has no pointers, so that results lie in the tray.
type deadly struct {
	Gate  [96]byte
	Value int
	Dies  bool
}

var mayDie = pool.RegisterTask("mayDie", func(ctx context.Context, d deadly) (int, error) {
	name := string(d.Gate[:slices.Index(d.Gate[:], 0)])
	o, err := openGate(ctx, name)
	if err != nil {
		return 0, err
	}
	defer o.Close()
	o.Ptr().Begun.Add(1)
	if d.Dies {
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
	return d.Value + 1, nil
})

// F08, F09: a killed worker takes one task with it, not the pool; each future has an error
// of its own.
func TestKilledWorkerF08F09(t *testing.T) {
	p := newPool(t, 2, nil)
	name, g := newGate(t)
	a, b := hold.Go(t.Context(), p, atGate{name, 1}), hold.Go(t.Context(), p, atGate{name, 2})
	c := hold.Go(t.Context(), p, atGate{name, 3})
	await(t, "two run", func() bool { return g.Begun.Load() == 2 })
	for _, w := range p.Stats().PerWorker {
		kill(t, w.PID)
	}
	_, err1 := a.Get(watchdog(t))
	_, err2 := b.Get(watchdog(t))
	require.ErrorIs(t, err1, pool.ErrWorkerDied)
	require.ErrorIs(t, err2, pool.ErrWorkerDied)
	require.NotSame(t, err1, err2)
	require.NotEqual(t, err1.Error(), err2.Error())
	g.Open.Set()
	r, err := c.Get(watchdog(t))
	require.NoError(t, err)
	require.Equal(t, 3, r[0])
	require.Equal(t, 2, p.Stats().Died)
}

func kill(t testing.TB, pid int) {
	t.Helper()
	q, err := os.FindProcess(pid)
	require.NoError(t, err)
	_ = q.Kill() // it may have ended
}

// Retries: a task is tried again when its worker died, so often and no more.
func TestRetries(t *testing.T) {
	p := newPool(t, 2, nil)
	name, g := newGate(t)
	g.Open.Set()
	for _, tries := range []int{0, 1, 3} {
		g.Begun.Store(0)
		var d deadly
		copy(d.Gate[:], name)
		d.Dies = true
		_, err := mayDie.With(pool.Limits{Retries: tries}).Apply(watchdog(t), p, d)
		require.ErrorIs(t, err, pool.ErrWorkerDied)
		require.EqualValues(t, tries+1, g.Begun.Load())
	}
	g.Begun.Store(0)
	in := func(yield func(atGate) bool) {
		for i := range 10 {
			if !yield(atGate{name, i}) {
				return
			}
		}
	}
	r, err := secondTime.With(pool.Limits{Retries: 1}).Map(watchdog(t), p, in, nil)
	require.NoError(t, err)
	require.Len(t, r, 10)
	require.GreaterOrEqual(t, p.Stats().Retried, 1)
}

// secondTime dies the first time that anybody comes to the gate.
var secondTime = pool.RegisterTask("secondTime", func(ctx context.Context, a atGate) (int, error) {
	o, err := openGate(ctx, a.Gate)
	if err != nil {
		return 0, err
	}
	if o.Ptr().Begun.Add(1) == 1 {
		panic("the first time")
	}
	return a.Value, nil
})
