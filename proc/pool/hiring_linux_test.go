package pool

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/shmkit/shmkit/proc"
	"github.com/shmkit/shmkit/shm"
)

// The first few processes that find a directory in their environment leave their ids there
// and stop, before they are anything.
func init() {
	dir := os.Getenv("POOL_TEST_STOP")
	most, _ := strconv.Atoi(os.Getenv("POOL_TEST_STOPS"))
	for i := range most {
		f, err := os.OpenFile(filepath.Join(dir, strconv.Itoa(i)), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err != nil {
			continue
		}
		fmt.Fprintln(f, os.Getpid())
		f.Close()
		_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
		return
	}
}

func stopFirst(t *testing.T, n int) proc.Options {
	dir := t.TempDir()
	return proc.Options{Env: append(os.Environ(), "POOL_TEST_STOP="+dir, "POOL_TEST_STOPS="+strconv.Itoa(n))}
}

func endPool(t *testing.T, p *Pool) {
	t.Cleanup(func() {
		p.Terminate()
		ctx, cancel := context.WithTimeout(context.Background(), testproc.Watchdog)
		defer cancel()
		require.NoError(t, p.Join(ctx))
	})
}

// S2: a worker that is stopped before it has come holds up neither the only task, nor, if
// there are as many as start at once, all others.
func TestStoppedWhileStarting(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), testproc.Watchdog)
	defer cancel()
	p, err := New(2, &Options{Process: stopFirst(t, 1)})
	require.NoError(t, err)
	endPool(t, p)
	n, err := tarry.Apply(ctx, p, "")
	require.NoError(t, err)
	require.Equal(t, 1, n)

	atOnce := cap(p.starts)
	p, err = New(atOnce+1, &Options{Process: stopFirst(t, atOnce)})
	require.NoError(t, err)
	endPool(t, p)
	var fs []*Future[int]
	for range atOnce + 1 {
		fs = append(fs, tarry.Go(ctx, p, ""))
	}
	_, rest, err := WaitAll(ctx, fs...)
	require.NoError(t, err)
	require.Empty(t, rest)
}

var tarryFirst = RegisterInit("tarry first", func(ctx context.Context, name string) error {
	_, err := tarryAt(ctx, name)
	return err
})

// One task starts one worker, however long its initializer takes; another only when the
// first one is late.
func TestSlowInitializer(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), testproc.Watchdog)
	defer cancel()
	name := testproc.Name(t)
	o, err := shm.NewObject[pass](name, nil)
	require.NoError(t, err)
	defer o.Close()
	defer shm.Unlink(name)
	p, err := New(4, &Options{Init: tarryFirst(name)})
	require.NoError(t, err)
	endPool(t, p)
	p.mu.Lock()
	p.tolerance = time.Hour
	p.mu.Unlock()
	f := tarry.Go(ctx, p, "")
	arrive := func() {
		t.Helper()
		testproc.Within(t, func() {
			for o.Ptr().Here.Swap(0) == 0 {
				time.Sleep(time.Millisecond) // sleep: between two looks
			}
		})
	}
	arrive()
	for range 3 {
		p.mu.Lock()
		p.pump()
		p.unlock()
	}
	require.Equal(t, 1, p.Stats().Workers)
	p.mu.Lock()
	p.tolerance = 1
	p.mu.Unlock()
	arrive()
	o.Ptr().Go.Store(1)
	_, err = f.Get(ctx)
	require.NoError(t, err)
}

// brokenLoad is a batch that no worker can read.
type brokenLoad struct {
	slowLoad
	err chan error
}

func (l brokenLoad) fail(i int, err error) {
	if i == 0 {
		l.err <- err
	}
}
func (brokenLoad) finish(*batch) {}

// Workers that die one after the other before they have begun anything are not replaced for
// ever.
func TestDeadBeforeTheyBegin(t *testing.T) {
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	require.NoError(t, err)
	defer null.Close()
	p, err := New(1, &Options{Process: proc.Options{Stderr: null}})
	require.NoError(t, err)
	endPool(t, p)
	l := brokenLoad{err: make(chan error, 1)}
	require.NoError(t, p.submit(&batch{name: "none", n: maxTasks + 1, load: l}))
	testproc.Within(t, func() {
		err = <-l.err
		require.ErrorIs(t, err, ErrStart)
		var exit *proc.ExitError
		require.ErrorAs(t, err, &exit)
	})
	n, err := tarry.Apply(t.Context(), p, "")
	require.NoError(t, err)
	require.Equal(t, 1, n)
}

var dieFirst = RegisterInit("die first", func(ctx context.Context, name string) error {
	o, err := shm.OpenObject[pass](ctx, name, nil)
	if err != nil {
		return err
	}
	defer o.Close()
	if left := o.Ptr().Here.Add(^uint32(0)); int32(left) >= 0 {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
	return nil
})

// An eager pool is complete, also if some were killed on the way; but if all are, it is none.
func TestEagerReplacesTheKilled(t *testing.T) {
	name := testproc.Name(t)
	o, err := shm.NewObject[pass](name, nil)
	require.NoError(t, err)
	defer o.Close()
	defer shm.Unlink(name)
	o.Ptr().Here.Store(3)
	p, err := New(2, &Options{Init: dieFirst(name), Eager: true})
	require.NoError(t, err)
	endPool(t, p)
	require.Equal(t, 2, p.Stats().Workers)
	require.Equal(t, 3, p.Stats().Died)
	o.Ptr().Here.Store(1000)
	_, err = New(2, &Options{Init: dieFirst(name), Eager: true})
	require.ErrorIs(t, err, ErrStart)
	require.False(t, errors.Is(err, ErrInit))
}
