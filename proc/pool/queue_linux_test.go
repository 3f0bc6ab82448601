package pool

import (
	"context"
	"runtime"
	"syscall"
	"testing"
	"time"
	"weak"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/shmkit/shmkit/shm"
)

// awaitFact looks until a fact is one.
func awaitFact(t *testing.T, fact func() bool) {
	t.Helper()
	testproc.Within(t, func() {
		for !fact() {
			time.Sleep(time.Millisecond) // sleep: between two looks
		}
	})
}

// busy returns a pool of one worker that runs a task, which ends when the pass says so.
func busy(t *testing.T) (*Pool, *Future[int], *pass) {
	t.Helper()
	name := testproc.Name(t)
	o, err := shm.NewObject[pass](name, nil)
	require.NoError(t, err)
	t.Cleanup(func() { shm.Unlink(name); o.Close() })
	p, err := New(1, nil)
	require.NoError(t, err)
	endPool(t, p)
	f := tarry.Go(t.Context(), p, name)
	awaitFact(t, func() bool { return o.Ptr().Here.Load() == 1 })
	return p, f, o.Ptr()
}

// What comes back comes first, the last one before all; what was cancelled is not in the way.
func TestQueue(t *testing.T) {
	p, f, pass := busy(t)
	c := p.core
	c.mu.Lock()
	c.pending, c.queue, c.back = 0, nil, nil
	many := make([]*batch, 1000)
	for i := range many {
		many[i] = &batch{n: 2}
		c.queue = append(c.queue, many[i])
		c.pending++
		c.waiting += 2
	}
	old, older := &batch{n: 3, next: 1}, &batch{n: 1}
	c.again(old)
	c.again(older)
	require.Equal(t, 1002, c.pending)
	require.Equal(t, 2003, c.waiting)
	c.withdraw(older)
	require.Same(t, old, c.front())
	for _, b := range many[1:] {
		c.withdraw(b)
	}
	require.LessOrEqual(t, len(c.queue)+len(c.back), 2*c.pending+leastSweep)
	require.Same(t, old, c.front())
	c.pop()
	require.Same(t, many[0], c.front())
	c.withdraw(many[0])
	require.Nil(t, c.front())
	c.pending, c.waiting = 0, 0
	c.mu.Unlock()
	pass.Go.Store(1)
	_, err := f.Get(t.Context())
	require.NoError(t, err)
}

// Workers are hired for tasks that wait, and not for those that were cancelled.
func TestNobodyIsHiredForTheCancelled(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), testproc.Watchdog)
	defer cancel()
	name := testproc.Name(t)
	o, err := shm.NewObject[pass](name, nil)
	require.NoError(t, err)
	defer o.Close()
	defer shm.Unlink(name)
	p, err := New(3, &Options{Init: tarryFirst(name)})
	require.NoError(t, err)
	endPool(t, p)
	p.mu.Lock()
	p.tolerance = time.Hour
	p.mu.Unlock()
	first := tarry.Go(ctx, p, "")
	require.True(t, tarry.Go(ctx, p, "").Cancel())
	last := tarry.Go(ctx, p, "")
	require.Equal(t, 2, p.Stats().Workers)
	o.Ptr().Go.Store(1)
	_, rest, err := WaitAll(ctx, first, last)
	require.NoError(t, err)
	require.Empty(t, rest)
}

// Who looks for those that wait in vain looks ever less often.
func TestLooksLessOften(t *testing.T) {
	p, f, pass := busy(t)
	c := p.core
	c.mu.Lock()
	c.pace = 0
	c.mu.Unlock()
	next := tarry.Go(t.Context(), p, "")
	awaitFact(t, func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.looking && c.pause == aWhile
	})
	pass.Go.Store(1)
	for _, f := range []*Future[int]{f, next} {
		_, err := f.Get(t.Context())
		require.NoError(t, err)
	}
	awaitFact(t, func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return !c.looking
	})
}

// A worker is told once of what is cancelled, however often that is asked for.
func TestCancelAgainAndAgain(t *testing.T) {
	p, f, pass := busy(t)
	pid := p.Stats().PerWorker[0].PID
	require.NoError(t, syscall.Kill(pid, syscall.SIGSTOP))
	defer syscall.Kill(pid, syscall.SIGCONT)
	before := runtime.NumGoroutine()
	for range 20000 { // more than a pipe holds
		require.False(t, f.Cancel())
	}
	require.Less(t, runtime.NumGoroutine(), before+1000)
	require.NoError(t, syscall.Kill(pid, syscall.SIGCONT))
	pass.Go.Store(1)
	_, err := f.Get(t.Context())
	require.NoError(t, err)
}

// A future that is done keeps its result, and neither its argument nor its pool.
func TestAFutureKeepsNoPool(t *testing.T) {
	var ref weak.Pointer[core]
	f := func() *Future[int] {
		p, err := New(1, &Options{OnPanic: func(CallbackPanic) { panic("again") }})
		require.NoError(t, err)
		ref = weak.Make(p.core)
		f := tarry.Go(t.Context(), p, "")
		f.OnDone(func(int, error) { panic("once") })
		_, err = f.Get(t.Context())
		require.NoError(t, err)
		require.Equal(t, 2, p.Stats().CallbackPanics)
		p.Close()
		ctx, cancel := context.WithTimeout(t.Context(), testproc.Watchdog)
		defer cancel()
		require.NoError(t, p.Join(ctx))
		return f
	}()
	awaitFact(t, func() bool { runtime.GC(); return ref.Value() == nil })
	f.OnDone(func(int, error) { panic("and now") })
	require.NoError(t, f.Err())
}
