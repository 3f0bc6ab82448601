package pool_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/proc"
	"github.com/shmkit/shmkit/proc/pool"
)

// O23: workers are replaced after so many tasks.
func TestMaxTasksO23(t *testing.T) {
	p := newPool(t, 3, &pool.Options{MaxTasks: 10})
	r, err := square.Map(watchdog(t), p, span(100), nil)
	require.NoError(t, err)
	require.Equal(t, squares(100), r)
	require.GreaterOrEqual(t, p.Stats().Started, 10)
	await(t, "they leave", func() bool { return p.Stats().Retired >= 7 })
	require.Zero(t, p.Stats().Died)
	for _, w := range p.Stats().PerWorker {
		require.LessOrEqual(t, w.Done, 10)
	}
}

// O24, F17, F15, F16: Close while workers come and go.
func TestMaxTasksEarlyCloseO24F15F17(t *testing.T) {
	for range 3 {
		p := newPool(t, 2, &pool.Options{MaxTasks: 1})
		var fs []*pool.Future[int]
		for i := range 12 {
			fs = append(fs, square.Go(t.Context(), p, i))
		}
		p.Close()
		require.NoError(t, p.Join(watchdog(t)))
		for i, f := range fs {
			r, err := f.Get(watchdog(t))
			require.NoError(t, err)
			require.Equal(t, i*i, r)
		}
		require.Equal(t, 12, p.Stats().Retired)
	}
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

// Processes that find a directory in their environment count themselves there; those that
// come after some others end.
func init() {
	dir := os.Getenv("POOL_TEST_COUNT")
	spared, _ := strconv.Atoi(os.Getenv("POOL_TEST_SPARED"))
	for i := 0; dir != ""; i++ {
		f, err := os.OpenFile(filepath.Join(dir, strconv.Itoa(i)), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if errors.Is(err, os.ErrExist) {
			continue
		}
		if err == nil {
			fmt.Fprint(f, os.Getpid())
			f.Close()
		}
		if i >= spared {
			os.Exit(9)
		}
		return
	}
}

// O28: when a worker cannot be started, those that were are stopped.
func TestStartFailsO28(t *testing.T) {
	_, err := pool.New(4, &pool.Options{Eager: true, Process: proc.Options{Dir: "/nowhere"}})
	require.ErrorIs(t, err, pool.ErrStart)
	require.ErrorIs(t, err, os.ErrNotExist)
	require.Empty(t, proc.Children())

	// The fourth one of four.
	dir := t.TempDir()
	_, err = pool.New(4, &pool.Options{Eager: true, Process: proc.Options{
		Env: append(os.Environ(), "POOL_TEST_COUNT="+dir, "POOL_TEST_SPARED=3"),
	}})
	require.ErrorIs(t, err, pool.ErrStart)
	require.Empty(t, proc.Children())
	for i := range 4 {
		b, err := os.ReadFile(filepath.Join(dir, strconv.Itoa(i)))
		require.NoError(t, err)
		n, err := strconv.Atoi(string(b))
		require.NoError(t, err)
		require.Equal(t, byte('Z'), state(n))
	}

	p := newPool(t, 4, &pool.Options{Process: proc.Options{Dir: "/nowhere"}})
	for range 2 {
		_, err = square.Apply(watchdog(t), p, 1)
		require.ErrorIs(t, err, pool.ErrStart)
	}
}

// O29: two hundred workers, and not two hundred threads.
func TestManyWorkersO29(t *testing.T) {
	if testing.Short() {
		t.Skip("200 processes")
	}
	p := newPool(t, 200, &pool.Options{Eager: true})
	r, err := square.Map(watchdog(t), p, span(1000), nil)
	require.NoError(t, err)
	require.Equal(t, squares(1000), r)
	require.Equal(t, 200, p.Stats().Workers)
	status, err := os.ReadDir("/proc/self/task")
	require.NoError(t, err)
	require.Less(t, len(status), 100, "threads")
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
