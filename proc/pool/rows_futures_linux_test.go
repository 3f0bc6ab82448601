package pool_test

import (
	"context"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/proc"
	"github.com/shmkit/shmkit/proc/pool"
	"github.com/shmkit/shmkit/ringbuf"
)

// F03: Imap delivers what comes before a failure, then that, and goes on.
func TestImapFailureF03(t *testing.T) {
	p := newPool(t, 2, nil)
	for _, chunk := range []int{1, 4, 0} {
		i := 0
		for r, err := range evens.Imap(watchdog(t), p, span(10), &pool.MapOptions{Chunk: chunk}) {
			if i%2 == 0 {
				require.NoError(t, err)
				require.Equal(t, i, r)
			} else {
				require.ErrorIs(t, err, errOdd)
			}
			i++
		}
		require.Equal(t, 10, i)
		i = 0
		for _, err := range evens.Imap(watchdog(t), p, span(10), &pool.MapOptions{Chunk: chunk, StopOnError: true}) {
			require.Equal(t, i == 1, err != nil)
			i++
		}
		require.Equal(t, 2, i)
	}
	r, err := evens.Map(watchdog(t), p, span(6), nil)
	require.ErrorIs(t, err, errOdd)
	require.Equal(t, []int{0, 0, 2, 0, 4, 0}, r)
}

// F04: a deadline of the whole: what is there, then the context's error; what runs is
// cancelled.
func TestMapDeadlineF04(t *testing.T) {
	p := newPool(t, 2, nil)
	name, g := newGate(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	in := func(yield func(atGate) bool) {
		_ = yield(atGate{"", 1}) && yield(atGate{name, 2}) && yield(atGate{"", 3})
	}
	var errs []error
	for _, err := range hold.Imap(ctx, p, in, &pool.MapOptions{Chunk: 1}) {
		if errs = append(errs, err); len(errs) == 1 {
			go func() {
				for g.Begun.Load() == 0 {
					time.Sleep(time.Millisecond) // sleep: between two looks
				}
				cancel(nil)
			}()
		}
	}
	require.Len(t, errs, 2)
	require.NotErrorIs(t, errs[0], context.Canceled, "it found no gate")
	require.ErrorIs(t, errs[1], context.Canceled)
	await(t, "the task hears of it", func() bool { return g.Ended.Load() == 1 })

	// A deadline, which comes when the second task runs.
	open, h := newGate(t)
	h.Open.Set()
	end := deadline{t.Context(), make(chan struct{})}
	go func() {
		for g.Begun.Load() < 2 || h.Begun.Load() < 1 {
			time.Sleep(time.Millisecond) // sleep: between two looks
		}
		for p.Stats().Done < 2 { // the first of each
			time.Sleep(time.Millisecond) // sleep: between two looks
		}
		close(end.over)
	}()
	r, err := hold.Map(end, p, slices.Values([]atGate{{open, 1}, {name, 2}}), &pool.MapOptions{Chunk: 1})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.NotEmpty(t, r)
	require.Equal(t, 1, r[0][0], "what is there")
	await(t, "the task hears of it", func() bool { return g.Ended.Load() == 2 })
}

// deadline is a context whose time is up when the test says so.
type deadline struct {
	context.Context
	over chan struct{}
}

func (d deadline) Done() <-chan struct{} { return d.over }

func (d deadline) Err() error {
	select {
	case <-d.over:
		return context.DeadlineExceeded
	default:
		return nil
	}
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

// F12, F13: no more processes than there may be, and none while there is an idle one.
func TestOnDemandF12F13(t *testing.T) {
	p := newPool(t, 3, nil)
	require.Zero(t, p.Stats().Workers)
	first, err := pid.Apply(watchdog(t), p, struct{}{})
	require.NoError(t, err)
	for range 20 {
		again, err := pid.Apply(watchdog(t), p, struct{}{})
		require.NoError(t, err)
		require.Equal(t, first, again)
	}
	require.Equal(t, 1, p.Stats().Started)

	name, g := newGate(t)
	var fs []*pool.Future[[2]int]
	for i := range 45 {
		fs = append(fs, hold.Go(t.Context(), p, atGate{name, i}))
	}
	await(t, "three run", func() bool { return g.Begun.Load() == 3 })
	require.Equal(t, 3, p.Stats().Workers)
	g.Open.Set()
	_, rest, err := pool.WaitAll(watchdog(t), fs...)
	require.NoError(t, err)
	require.Empty(t, rest)
	require.Equal(t, 3, p.Stats().Started)
}

// F13: two at a time never need a third process.
func TestIdleWorkersAreUsedF13(t *testing.T) {
	p := newPool(t, 5, nil)
	for range 6 {
		name, g := newGate(t)
		a, b := hold.Go(t.Context(), p, atGate{name, 1}), hold.Go(t.Context(), p, atGate{name, 2})
		await(t, "two run", func() bool { return g.Begun.Load() == 2 })
		g.Open.Set()
		_, rest, err := pool.WaitAll(watchdog(t), a, b)
		require.NoError(t, err)
		require.Empty(t, rest)
		require.Equal(t, 2, p.Stats().Started)
	}
}

// Short tasks before do not make long ones wait behind each other.
func TestLongTasksAfterShortOnes(t *testing.T) {
	p := newPool(t, 3, nil)
	_, err := square.Map(watchdog(t), p, span(20000), &pool.MapOptions{Chunk: 1})
	require.NoError(t, err)
	name, g := newGate(t)
	for i := range 9 {
		hold.Go(t.Context(), p, atGate{name, i})
	}
	await(t, "three run", func() bool { return g.Begun.Load() == 3 })
}

// F14: a new process for the fourth task, and never a second one beside it.
func TestMaxTasksF14(t *testing.T) {
	p := newPool(t, 1, &pool.Options{MaxTasks: 3})
	var pids []int
	for range 4 {
		n, err := pid.Apply(watchdog(t), p, struct{}{})
		require.NoError(t, err)
		pids = append(pids, n)
		require.LessOrEqual(t, len(proc.Children()), 1)
	}
	require.Equal(t, pids[0], pids[1])
	require.Equal(t, pids[0], pids[2])
	require.NotEqual(t, pids[0], pids[3])
}

// F16: Close with workers that are replaced: what is left runs, or fails with a reason.
func TestStrandedWorkF16(t *testing.T) {
	p := newPool(t, 1, &pool.Options{MaxTasks: 2, Process: proc.Options{}})
	name, g := newGate(t)
	a := hold.Go(t.Context(), p, atGate{name, 1})
	await(t, "it runs", func() bool { return g.Begun.Load() == 1 })
	var fs []*pool.Future[int]
	for i := range 9 {
		fs = append(fs, square.Go(t.Context(), p, i))
	}
	p.Close()
	g.Open.Set()
	for i, f := range fs {
		r, err := f.Get(watchdog(t))
		require.NoError(t, err)
		require.Equal(t, i*i, r)
	}
	_, err := a.Get(watchdog(t))
	require.NoError(t, err)
	require.NoError(t, p.Join(watchdog(t)))
}

// F16: when the worker that is to replace another one cannot start, what waits for it fails
// with the reason, also after Close.
func TestReplacementFailsF16(t *testing.T) {
	for _, closed := range []bool{false, true} {
		dir := filepath.Join(t.TempDir(), "gone")
		require.NoError(t, os.Mkdir(dir, 0o700))
		p := newPool(t, 1, &pool.Options{MaxTasks: 1, Process: proc.Options{Dir: dir}})
		name, g := newGate(t)
		a := hold.Go(t.Context(), p, atGate{name, 1})
		await(t, "it runs", func() bool { return g.Begun.Load() == 1 })
		require.NoError(t, os.Remove(dir))
		var fs []*pool.Future[int]
		for i := range 9 {
			fs = append(fs, square.Go(t.Context(), p, i))
		}
		if closed {
			p.Close()
		}
		g.Open.Set()
		_, err := a.Get(watchdog(t))
		require.NoError(t, err)
		for _, f := range fs {
			_, err := f.Get(watchdog(t))
			require.ErrorIs(t, err, pool.ErrStart)
			require.ErrorIs(t, err, os.ErrNotExist)
		}
		p.Close()
		require.NoError(t, p.Join(watchdog(t)))
	}
}

// F21, F26: an argument that cannot be decoded by the worker, a result that cannot be
// decoded here.
func TestDecodingFailsF21F26(t *testing.T) {
	p := newPool(t, 1, nil)
	ctx := watchdog(t)
	_, err := echo.Apply(ctx, p, reluctant{"stay"})
	require.ErrorIs(t, err, pool.ErrArgument)
	require.Equal(t, 1, p.Stats().Started)
	for _, mood := range []string{"crash", "leave"} {
		_, err := echo.Apply(ctx, p, reluctant{mood})
		require.ErrorIs(t, err, pool.ErrWorkerDied)
	}
	for _, mood := range []string{"stay here", "crash here"} {
		_, err = echo.Apply(ctx, p, reluctant{mood})
		require.ErrorIs(t, err, pool.ErrResult)
		require.ErrorContains(t, err, "I do not arrive")
	}
	r, err := echo.Apply(ctx, p, reluctant{"fine"})
	require.NoError(t, err)
	require.Equal(t, "fine", r.Mood)
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

var size = pool.RegisterTask("size", func(_ context.Context, b []byte) (int, error) {
	if len(b) > 0 && b[0] == 'x' {
		os.Exit(5)
	}
	return len(b), nil
})

// F28: a worker dies while, or before, it gets an argument that is larger than the ring.
func TestLargeArgumentF28(t *testing.T) {
	p := newPool(t, 2, nil)
	ctx := watchdog(t)
	deadlyOne := make([]byte, 20<<20)
	deadlyOne[0] = 'x'
	n, err := size.Apply(ctx, p, make([]byte, 20<<20))
	require.NoError(t, err)
	require.Equal(t, 20<<20, n)
	for range 3 {
		f := size.Go(ctx, p, deadlyOne)
		for _, w := range p.Stats().PerWorker {
			kill(t, w.PID)
		}
		_, err := f.Get(ctx)
		require.ErrorIs(t, err, pool.ErrWorkerDied)
	}
	n, err = size.Apply(ctx, p, nil)
	require.NoError(t, err)
	require.Zero(t, n)
	for range 3 { // it dies with an argument that it has not begun to read
		for _, w := range p.Stats().PerWorker {
			stop(t, w.PID)
		}
		f := size.Go(ctx, p, make([]byte, 20<<20))
		for _, w := range p.Stats().PerWorker {
			kill(t, w.PID)
		}
		n, err := f.Get(ctx)
		require.NoError(t, err)
		require.Equal(t, 20<<20, n)
	}
	r, err := blob.Apply(ctx, p, 20<<20) // a result that is larger than the ring
	require.NoError(t, err)
	require.Len(t, r, 20<<20)
	small := newPool(t, 1, &pool.Options{MaxMessage: 1 << 20})
	_, err = size.Apply(ctx, small, make([]byte, 2<<20))
	require.ErrorIs(t, err, pool.ErrArgument)
	require.ErrorIs(t, err, ringbuf.ErrTooLarge)
	_, err = blob.Apply(ctx, small, 2<<20)
	require.ErrorIs(t, err, pool.ErrResult)
	require.Zero(t, small.Stats().Died)
}

// F29: submitting does not wait for workers.
func TestSubmitDoesNotWaitF29(t *testing.T) {
	p := newPool(t, 1, nil)
	name, g := newGate(t)
	var fs []*pool.Future[[2]int]
	for i := range 100000 {
		fs = append(fs, hold.Go(t.Context(), p, atGate{name, i}))
	}
	await(t, "one runs", func() bool { return g.Begun.Load() == 1 })
	for _, f := range fs[1:] {
		f.Cancel()
	}
	g.Open.Set()
	_, _, err := pool.WaitAll(watchdog(t), fs...)
	require.NoError(t, err)
	require.Equal(t, 100000, p.Stats().Done+p.Stats().Cancelled)
}

// F34: what is cancelled, and what is not.
func TestCancelManyF34(t *testing.T) {
	p := newPool(t, 2, nil)
	name, g := newGate(t)
	var fs []*pool.Future[[2]int]
	for i := range 1000 {
		fs = append(fs, hold.Go(t.Context(), p, atGate{name, i}))
	}
	await(t, "two run", func() bool { return g.Begun.Load() == 2 })
	cancelled := 0
	for _, f := range fs {
		if f.Cancel() {
			cancelled++
		}
	}
	for _, f := range fs {
		_, err := f.Get(watchdog(t))
		require.ErrorIs(t, err, pool.ErrCancelled, "or the task says so")
	}
	require.EqualValues(t, 1000-cancelled, g.Begun.Load(), "what was taken back has not run")
	require.Equal(t, g.Begun.Load(), g.Ended.Load())
}

// F34: what is not cancelled is done, whatever is cancelled around it.
func TestTheRestCompletesF34(t *testing.T) {
	p := newPool(t, 2, nil)
	name, g := newGate(t)
	var fs []*pool.Future[[2]int]
	for i := range 1000 {
		fs = append(fs, hold.Go(t.Context(), p, atGate{name, i}))
	}
	await(t, "two run", func() bool { return g.Begun.Load() == 2 })
	cancelled := make(map[int]bool)
	for i, f := range fs {
		if i%3 > 0 && f.State() == pool.Pending {
			require.True(t, f.Cancel())
			cancelled[i] = true
		}
	}
	require.GreaterOrEqual(t, len(cancelled), 664)
	g.Open.Set()
	for i, f := range fs {
		r, err := f.Get(watchdog(t))
		if cancelled[i] {
			require.ErrorIs(t, err, pool.ErrCancelled)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, i, r[0])
	}
}

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

// A context bounds its task: one that waits is dropped, one that runs is told.
func TestContexts(t *testing.T) {
	p := newPool(t, 1, nil)
	name, g := newGate(t)
	ctx, cancel := context.WithCancel(t.Context())
	f, next := hold.Go(ctx, p, atGate{name, 1}), hold.Go(ctx, p, atGate{name, 2})
	await(t, "it runs", func() bool { return g.Begun.Load() == 1 })
	cancel()
	_, err := f.Get(watchdog(t))
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, pool.Finished, f.State())
	_, err = next.Get(watchdog(t))
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, pool.Cancelled, next.State())
	await(t, "it has heard", func() bool { return g.Ended.Load() == 1 })
	require.EqualValues(t, 1, g.Begun.Load())
	f = hold.Go(ctx, p, atGate{name, 1})
	require.Equal(t, pool.Cancelled, f.State())
}

// Timeouts and times of grace.
func TestLimits(t *testing.T) {
	patient := newPool(t, 1, &pool.Options{Grace: time.Hour})
	name, g := newGate(t)
	short := pool.Limits{Timeout: 10 * time.Millisecond}
	_, err := hold.With(short).Apply(watchdog(t), patient, atGate{name, 1})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.NotErrorIs(t, err, pool.ErrWorkerDied)
	require.EqualValues(t, 1, g.Ended.Load())
	p := newPool(t, 1, &pool.Options{Grace: 10 * time.Millisecond})
	_, err = deaf.With(short).Apply(watchdog(t), p, atGate{name, 1})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorIs(t, err, pool.ErrWorkerDied)
	g.Begun.Store(0)
	f := deaf.Go(t.Context(), p, atGate{name, 1})
	await(t, "it runs", func() bool { return g.Begun.Load() == 1 })
	require.False(t, f.Cancel())
	_, err = f.Get(watchdog(t))
	require.ErrorIs(t, err, pool.ErrCancelled)
	require.ErrorIs(t, err, pool.ErrWorkerDied)
	n, err := square.With(pool.Limits{Timeout: time.Minute}).Apply(watchdog(t), p, 2)
	require.NoError(t, err)
	require.Equal(t, 4, n)
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

type parcel struct {
	Queue *proc.Queue[int]
	Role  *ringbuf.Producer
	N     int
}

var fill = pool.RegisterTask("fill", func(ctx context.Context, c parcel) (parcel, error) {
	if c.N < 0 {
		os.Exit(4)
	}
	for i := range c.N {
		if err := c.Queue.Put(ctx, i); err != nil {
			return c, err
		}
	}
	if c.Role != nil {
		return c, c.Role.Send(ctx, []byte("sent"))
	}
	q, err := proc.NewQueue[int](nil)
	if err != nil {
		return c, err
	}
	if err := q.Put(ctx, c.N); err != nil {
		return c, err
	}
	return parcel{Queue: q}, nil
})

// Shared objects, and roles, travel in arguments and results.
func TestHandles(t *testing.T) {
	p := newPool(t, 2, nil)
	ctx := watchdog(t)
	q, err := proc.NewQueue[int](nil)
	require.NoError(t, err)
	defer q.Close()
	for i := range 5 {
		r, err := fill.Apply(ctx, p, parcel{Queue: q, N: i})
		require.NoError(t, err)
		got, err := r.Queue.Get(ctx)
		require.NoError(t, err)
		require.Equal(t, i, got)
		r.Queue.Close()
	}
	for range 10 {
		_, err := q.Get(ctx)
		require.NoError(t, err)
	}
	rs, err := fill.Map(ctx, p, slices.Values([]parcel{{Queue: q, N: 1}, {Queue: q, N: 2}, {N: -1}, {Queue: q, N: 3}}), nil)
	require.ErrorIs(t, err, pool.ErrWorkerDied)
	for i, r := range rs {
		if i != 2 {
			_, err := r.Queue.Get(ctx)
			require.NoError(t, err)
			r.Queue.Close()
		}
	}
	ring, err := ringbuf.New("", nil)
	require.NoError(t, err)
	defer ring.Close()
	role, err := ring.Producer()
	require.NoError(t, err)
	c, err := ring.Consumer()
	require.NoError(t, err)
	defer c.Close()
	r, err := fill.Apply(ctx, p, parcel{Role: role})
	require.NoError(t, err)
	r.Role.Close()
	msg, err := c.Recv(ctx, nil)
	require.NoError(t, err)
	require.Equal(t, "sent", string(msg))
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

// Forms: what arrives is what was sent.
func TestForms(t *testing.T) {
	p := newPool(t, 1, nil)
	ctx := watchdog(t)
	for _, s := range []string{"", "x", strings.Repeat("long ", 1000)} {
		r, err := echoText.Apply(ctx, p, s)
		require.NoError(t, err)
		require.Equal(t, s, r)
	}
	for _, s := range [][]float32{nil, {}, {1, 2.5}, make([]float32, 99999)} {
		r, err := echoFloats.Apply(ctx, p, s)
		require.NoError(t, err)
		require.Equal(t, s, r)
	}
	for _, s := range []map[string][]any{nil, {"a": {int64(1), "b", nil}}} {
		r, err := echoMap.Apply(ctx, p, s)
		require.NoError(t, err)
		require.Equal(t, s, r)
	}
	_, err := badResult.Apply(ctx, p, 1)
	require.ErrorIs(t, err, pool.ErrResult)
	_, err = badArgument.Apply(ctx, p, nil)
	require.ErrorIs(t, err, pool.ErrArgument)
}

var (
	echoText   = pool.RegisterTask("echoText", func(_ context.Context, s string) (string, error) { return s, nil })
	echoFloats = pool.RegisterTask("echoFloats", func(_ context.Context, s []float32) ([]float32, error) { return s, nil })
	echoMap    = pool.RegisterTask("echoMap", func(_ context.Context, m map[string][]any) (map[string][]any, error) { return m, nil })

	badResult   = pool.RegisterTask("badResult", func(context.Context, int) (*os.File, error) { return nil, nil })
	badArgument = pool.RegisterTask("badArgument", func(context.Context, chan int) (int, error) { return 0, nil })
)

// Progress: serial, rising, and in the end complete.
func TestProgress(t *testing.T) {
	p := newPool(t, 2, nil)
	var seen []pool.Progress
	o := &pool.MapOptions{Every: 1, Total: 100, Chunk: 5, Progress: func(r pool.Progress) { seen = append(seen, r) }}
	check := func() {
		t.Helper()
		require.NotEmpty(t, seen)
		for i := 1; i < len(seen); i++ {
			require.GreaterOrEqual(t, seen[i].Done, seen[i-1].Done)
			require.False(t, seen[i-1].Over)
		}
		last := seen[len(seen)-1]
		require.Equal(t, pool.Progress{Done: 100, Failed: 50, Total: 100, Elapsed: last.Elapsed, Over: true}, last)
		seen = nil
	}
	_, err := evens.Map(watchdog(t), p, span(100), o)
	require.Error(t, err)
	check()
	for range evens.Imap(watchdog(t), p, span(100), o) {
	}
	check()
	o.Progress = func(pool.Progress) { panic("progress") }
	require.PanicsWithValue(t, "progress", func() { evens.Map(watchdog(t), p, span(10), o) })
	_, err = square.Apply(watchdog(t), p, 1)
	require.NoError(t, err)
}

// A slow input does not keep what came before it waiting.
func TestSlowInput(t *testing.T) {
	p := newPool(t, 1, nil)
	release := make(chan struct{})
	in := func(yield func(int) bool) {
		for i := range 3 {
			if i == 2 {
				<-release
			}
			if !yield(i) {
				return
			}
		}
	}
	_, err := square.Map(watchdog(t), p, span(10000), nil)
	require.NoError(t, err)
	before := p.Stats().Done
	go func() {
		for p.Stats().Done < before+2 {
			time.Sleep(time.Millisecond) // sleep: between two looks
		}
		close(release)
	}()
	r, err := square.Map(watchdog(t), p, in, &pool.MapOptions{Chunk: 1000})
	require.NoError(t, err)
	require.Equal(t, squares(3), r)
}

// S2: a stopped worker keeps what it has begun, and holds up nothing else.
func TestStoppedWorker(t *testing.T) {
	p := newPool(t, 2, &pool.Options{Eager: true})
	ctx := watchdog(t)
	stopped := p.Stats().PerWorker[1].PID
	require.NoError(t, syscall.Kill(stopped, syscall.SIGSTOP))
	defer syscall.Kill(stopped, syscall.SIGCONT)
	for i := range 3 { // the stopped one may be the one that was busy last
		r, err := square.Apply(ctx, p, i)
		require.NoError(t, err)
		require.Equal(t, i*i, r)
	}
	r, err := square.Map(ctx, p, span(1000), nil)
	require.NoError(t, err)
	require.Equal(t, squares(1000), r)
	require.NoError(t, syscall.Kill(stopped, syscall.SIGCONT))
	await(t, "it skips what others have done", func() bool { return p.Stats().Idle == 2 })
	require.Equal(t, 1003, p.Stats().Done)
}

// S2: nor does one that is stopped in the middle of a task, which ends when it goes on.
func TestStoppedInATask(t *testing.T) {
	p := newPool(t, 2, nil)
	ctx := watchdog(t)
	name, g := newGate(t)
	f := hold.Go(ctx, p, atGate{name, 1})
	await(t, "it runs", func() bool { return g.Begun.Load() == 1 })
	stopped := p.Stats().PerWorker[0].PID
	stop(t, stopped)
	g.Open.Set()
	var fs []*pool.Future[int]
	for i := range 100 {
		fs = append(fs, square.Go(ctx, p, i))
	}
	for i, f := range fs {
		r, err := f.Get(ctx)
		require.NoError(t, err)
		require.Equal(t, i*i, r)
	}
	r, err := square.Map(ctx, p, span(1000), nil)
	require.NoError(t, err)
	require.Equal(t, squares(1000), r)
	require.Equal(t, pool.Running, f.State())
	p.Close()
	over, cancel := context.WithCancel(ctx)
	cancel()
	require.ErrorIs(t, p.Join(over), context.Canceled)
	resume(stopped)
	v, err := f.Get(ctx)
	require.NoError(t, err)
	require.Equal(t, [2]int{1, stopped}, v)
	require.NoError(t, p.Join(ctx))
	require.Zero(t, p.Stats().Died)
}

// What was sent to a worker that has not begun it can be cancelled, with the objects that
// go with it; those of the next task are its own.
func TestCancelBesideTheRing(t *testing.T) {
	p := newPool(t, 1, &pool.Options{Eager: true})
	ctx := watchdog(t)
	q, err := proc.NewQueue[int](nil)
	require.NoError(t, err)
	defer q.Close()
	worker := p.Stats().PerWorker[0].PID
	for _, sent := range []bool{true, false} { // and while it is being sent, perhaps
		stop(t, worker)
		f := fill.Go(ctx, p, parcel{Queue: q, N: 1})
		large := size.Go(ctx, p, make([]byte, 5<<20))
		if sent {
			await(t, "it is sent", func() bool { return !pool.Sending(p) })
		}
		require.Equal(t, sent, f.Cancel() && sent)
		_, err = f.Get(ctx)
		require.ErrorIs(t, err, pool.ErrCancelled)
		require.True(t, large.Cancel())
		resume(worker)
	}
	for i := 2; i < 5; i++ {
		r, err := fill.Apply(ctx, p, parcel{Queue: q, N: i})
		require.NoError(t, err)
		n, err := r.Queue.Get(ctx)
		require.NoError(t, err)
		require.Equal(t, i, n)
		r.Queue.Close()
	}
}

// A chunk that is larger than what is left of a worker's life goes to several.
func TestChunkOverMaxTasks(t *testing.T) {
	p := newPool(t, 2, &pool.Options{MaxTasks: 3})
	r, err := square.Map(watchdog(t), p, span(20), &pool.MapOptions{Chunk: 10})
	require.NoError(t, err)
	require.Equal(t, squares(20), r)
	require.GreaterOrEqual(t, p.Stats().Started, 6)
}

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
