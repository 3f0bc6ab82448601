package pool_test

import (
	"context"
	"fmt"
	"math"
	"os"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/proc"
	"github.com/shmkit/shmkit/proc/pool"
)

// O12, F07: how many workers.
func TestSizeO12F07(t *testing.T) {
	for _, n := range []int{0, -1, pool.MaxWorkers + 1, math.MinInt} {
		_, err := pool.New(n, nil)
		require.ErrorIs(t, err, pool.ErrWorkers)
	}
	p := newPool(t, 3, &pool.Options{Eager: true})
	require.Equal(t, 3, p.Size())
	require.Equal(t, 3, p.Stats().Workers)
	require.Len(t, p.Stats().PerWorker, 3)
	require.Len(t, proc.Children(), 3)
}

// O13, F19: Terminate ends a pool with ten thousand endless tasks.
func TestTerminateO13F19(t *testing.T) {
	p := newPool(t, 2, nil)
	name, g := newGate(t)
	var futures []*pool.Future[[2]int]
	for i := range 10000 {
		futures = append(futures, hold.Go(context.Background(), p, atGate{name, i}))
	}
	await(t, "they run", func() bool { return g.Begun.Load() == 2 })
	p.Terminate()
	require.NoError(t, p.Join(watchdog(t)))
	for _, f := range futures {
		_, err := f.Get(watchdog(t))
		require.ErrorIs(t, err, pool.ErrTerminated)
	}
	require.Empty(t, proc.Children())
	_, err := square.Apply(watchdog(t), p, 1)
	require.ErrorIs(t, err, pool.ErrClosed)
	p.Terminate()
	p.Close()
	require.NoError(t, p.Join(watchdog(t)))

	never := newPool(t, 2, nil)
	never.Terminate() // F19: nothing was started
	require.NoError(t, never.Join(watchdog(t)))
}

// O14, O19, F30: what comes after Close or Terminate is refused, and Join before.
func TestAfterCloseO14O19F30(t *testing.T) {
	for _, end := range []func(*pool.Pool){(*pool.Pool).Close, (*pool.Pool).Terminate} {
		p := newPool(t, 1, nil)
		_, err := square.Apply(watchdog(t), p, 2)
		require.NoError(t, err)
		require.ErrorIs(t, p.Join(watchdog(t)), pool.ErrRunning)
		end(p)
		f := square.Go(t.Context(), p, 1)
		require.ErrorIs(t, f.Err(), pool.ErrClosed)
		require.ErrorIs(t, f.Err(), os.ErrClosed)
		_, err = square.Map(t.Context(), p, span(10), nil)
		require.ErrorIs(t, err, pool.ErrClosed)
		for _, err := range square.Imap(t.Context(), p, span(10), nil) {
			require.ErrorIs(t, err, pool.ErrClosed)
		}
		require.NoError(t, p.Join(watchdog(t)))
	}
}

// O20, F35: a pool that nobody knows any more ends by itself, after its work.
func TestLostPoolO20F35(t *testing.T) {
	p, err := pool.New(1, nil)
	require.NoError(t, err)
	f := square.Go(t.Context(), p, 3)
	p = nil
	await(t, "it ends", func() bool { runtime.GC(); return len(proc.Children()) == 0 })
	r, err := f.Get(watchdog(t))
	require.NoError(t, err)
	require.Equal(t, 9, r)
}

// O25: options out of range.
func TestOptionsO25(t *testing.T) {
	for _, o := range []*pool.Options{{MaxTasks: -1}, {Grace: -1}, {MaxMessage: -1}} {
		_, err := pool.New(1, o)
		require.ErrorIs(t, err, pool.ErrOption)
	}
}

var forgetful = proc.Register("forgetful", func(ctx context.Context, _ struct{}) error {
	p, err := pool.New(2, nil)
	if err != nil {
		return err
	}
	global = p
	_, err = square.Map(ctx, p, span(100), nil)
	return err
})

var global *pool.Pool

// O26, F31: a pool that is never closed keeps no program from ending.
func TestNeverClosedO26(t *testing.T) {
	c, err := forgetful.Start(watchdog(t), struct{}{}, nil)
	require.NoError(t, err)
	require.NoError(t, c.Wait(watchdog(t)))
}

var pending = proc.Register("pending", func(ctx context.Context, name string) error {
	p, err := pool.New(2, nil)
	if err != nil {
		return err
	}
	global = p
	o, err := openGate(ctx, name)
	if err != nil {
		return err
	}
	for i := range 100 {
		hold.Go(context.Background(), p, atGate{name, i}) // ctx ends with this function, and would end them
	}
	for o.Ptr().Begun.Load() < 2 {
		time.Sleep(time.Millisecond) // sleep: between two looks
	}
	return nil
})

// O26, F31: nor one that has work under way and work that waits, which ends with it.
func TestNeverClosedWithWorkO26F31(t *testing.T) {
	name, g := newGate(t)
	c, err := pending.Start(watchdog(t), name, nil)
	require.NoError(t, err)
	require.NoError(t, c.Wait(watchdog(t)))
	require.EqualValues(t, 2, g.Begun.Load(), "no other has begun")
}

// F05, F33, F35: Close right after submitting; everything is done, everybody leaves.
func TestCloseAtOnceF05F33F35(t *testing.T) {
	for range 5 {
		p := newPool(t, 2, nil)
		var fs []*pool.Future[int]
		for i := range 50 {
			fs = append(fs, square.Go(t.Context(), p, i))
		}
		fs[49].Cancel()
		p.Close()
		require.NoError(t, p.Join(watchdog(t)))
		for i, f := range fs[:49] {
			r, err := f.Get(watchdog(t))
			require.NoError(t, err)
			require.Equal(t, i*i, r)
		}
		require.Empty(t, proc.Children())
	}
}

// F27: a worker that dies, or an argument that fails, after Close.
func TestDeathAfterCloseF27(t *testing.T) {
	p := newPool(t, 2, nil)
	name, g := newGate(t)
	f := hold.Go(t.Context(), p, atGate{name, 1})
	await(t, "it runs", func() bool { return g.Begun.Load() == 1 })
	p.Close()
	kill(t, p.Stats().PerWorker[0].PID)
	_, err := f.Get(watchdog(t))
	require.ErrorIs(t, err, pool.ErrWorkerDied)
	require.NoError(t, p.Join(watchdog(t)))

	p = newPool(t, 1, nil)
	name, g = newGate(t)
	refuses := refuseAt.Go(t.Context(), p, atGate{Gate: name})
	await(t, "it runs", func() bool { return g.Begun.Load() == 1 })
	p.Close()
	g.Open.Set()
	_, err = refuses.Get(watchdog(t))
	require.ErrorIs(t, err, pool.ErrResult)
	require.NoError(t, p.Join(watchdog(t)))
}

// refuseAt has a result that does not travel, in time.
var refuseAt = pool.RegisterTask("refuseAt", func(ctx context.Context, a atGate) (reluctant, error) {
	o, err := openGate(ctx, a.Gate)
	if err != nil {
		return reluctant{}, err
	}
	defer o.Close()
	o.Ptr().Begun.Add(1)
	return reluctant{"refuse"}, o.Ptr().Open.Wait(ctx)
})

var nested = pool.RegisterTask("nested", func(ctx context.Context, n int) ([]int, error) {
	p, err := pool.New(2, nil)
	if err != nil {
		return nil, err
	}
	defer p.Terminate()
	return square.Map(ctx, p, span(n), nil)
})

var child = proc.Register("child with a pool", func(ctx context.Context, _ struct{}) error {
	p, err := pool.New(2, nil)
	if err != nil {
		return err
	}
	defer p.Terminate()
	r, err := nested.Apply(ctx, p, 10)
	if err == nil && !slices.Equal(r, squares(10)) {
		err = fmt.Errorf("%v", r)
	}
	return err
})

// O30: a pool in a child, and a pool in a worker of that.
func TestPoolInChildO30(t *testing.T) {
	c, err := child.Start(watchdog(t), struct{}{}, nil)
	require.NoError(t, err)
	require.NoError(t, c.Wait(watchdog(t)))

	d, err := child.Start(watchdog(t), struct{}{}, &proc.Options{Daemon: true})
	require.NoError(t, err)
	require.ErrorContains(t, d.Wait(watchdog(t)), proc.ErrDaemon.Error())
}

var say = pool.RegisterTask("say", func(_ context.Context, s string) (struct{}, error) {
	_, err := os.Stdout.WriteString("out " + s + "\n")
	os.Stderr.WriteString("err " + s + "\n")
	return struct{}{}, err
})

// The workers' standard streams.
func TestStreams(t *testing.T) {
	out, err := os.CreateTemp(t.TempDir(), "")
	require.NoError(t, err)
	defer out.Close()
	p := newPool(t, 1, &pool.Options{Process: proc.Options{Name: "talker", Stdout: out, Stderr: out}})
	_, err = say.Apply(watchdog(t), p, "hello")
	require.NoError(t, err)
	b, err := os.ReadFile(out.Name())
	require.NoError(t, err)
	require.Equal(t, "out hello\nerr hello\n", string(b))
	require.Equal(t, "talker-worker-1", p.Stats().PerWorker[0].Name)
}
