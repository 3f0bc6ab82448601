package pool_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/shmkit/shmkit/proc/pool"
)

// doomed is a pool whose workers all die at a crash point, the first time that they come
// there.
var _ = testproc.Helper("doomed", func(c *testproc.Child) {
	ctx := context.Background()
	o, err := openGate(ctx, c.Args[0])
	require.NoError(c, err)
	p, err := pool.New(2, nil)
	require.NoError(c, err)
	values, died := 0, 0
	count := func(got, want int, err error) {
		switch {
		case err == nil && got == want:
			values++
		case errors.Is(err, pool.ErrWorkerDied):
			died++
		default:
			require.NoError(c, err)
		}
	}
	var in []deadly // results lie in the tray
	for i := range 12 {
		d := deadly{Value: i}
		copy(d.Gate[:], c.Args[0])
		in = append(in, d)
	}
	i := 0
	for r, err := range mayDie.Imap(ctx, p, slices.Values(in), &pool.MapOptions{Chunk: 6}) {
		count(r, i+1, err)
		i++
	}
	var fs []*pool.Future[string] // and these do not
	for i := range 12 {
		fs = append(fs, passBy.Go(ctx, p, atGate{c.Args[0], i}))
	}
	for i, f := range fs {
		r, err := f.Get(ctx)
		n, _ := strconv.Atoi(r)
		count(n, i, err)
	}
	p.Close()
	require.NoError(c, p.Join(ctx))
	c.WriteLine("%d of 24, ran %v", values+died, o.Ptr().Begun.Load() <= 24 && o.Ptr().Begun.Load() >= int64(values))
})

// passBy counts that it was there.
var passBy = pool.RegisterTask("passBy", func(ctx context.Context, a atGate) (string, error) {
	o, err := openGate(ctx, a.Gate)
	if err != nil {
		return "", err
	}
	defer o.Close()
	o.Ptr().Begun.Add(1)
	return strconv.Itoa(a.Value), nil
})

// Wherever a worker dies, each task ends once, with its result or with ErrWorkerDied, and
// ran at most once.
func TestCrashWalk(t *testing.T) {
	testproc.CrashWalk(t, nil, func(t *testing.T, v *testproc.Victim) {
		name, _ := newGate(t)
		p := v.Start("doomed", testproc.Args(name))
		p.Expect("24 of 24, ran true")
		p.Succeed()
	})
}

var family = pool.RegisterTask("family", func(ctx context.Context, a atGate) (int, error) {
	p, err := pool.New(1, nil)
	if err != nil {
		return 0, err
	}
	defer p.Terminate()
	r, err := hold.Apply(ctx, p, a)
	return r[0], err
})

var _ = testproc.Helper("parent", func(c *testproc.Child) {
	p, err := pool.New(2, nil)
	require.NoError(c, err)
	hold.Go(context.Background(), p, atGate{c.Args[0], 1})
	family.Go(context.Background(), p, atGate{c.Args[0], 2})
	o, err := openGate(context.Background(), c.Args[0])
	require.NoError(c, err)
	for o.Ptr().Begun.Load() < 2 {
		syscall.Select(0, nil, nil, nil, &syscall.Timeval{Usec: 1000})
	}
	pids := []string{}
	for _, w := range p.Stats().PerWorker {
		pids = append(pids, strconv.Itoa(w.PID))
		// The grandchild, as the kernel lists it at the thread that has started it.
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", w.PID))
		require.NoError(c, err)
		for _, name := range threads {
			b, _ := os.ReadFile(name)
			pids = append(pids, strings.Fields(string(b))...)
		}
	}
	c.WriteLine("%s", strings.Join(pids, " "))
	c.Park()
})

// A pool's workers, and those of pools in them, end with the pool's process, when it is
// killed in the middle of tasks.
func TestParentKilled(t *testing.T) {
	name, _ := newGate(t)
	p := testproc.Start(t, "parent", testproc.Args(name))
	pids := strings.Fields(p.ReadLine())
	require.Len(t, pids, 3)
	p.Kill()
	p.Wait()
	for _, pid := range pids {
		await(t, "process "+pid+" ends", func() bool {
			n, err := strconv.Atoi(pid)
			return err != nil || state(n) == 'Z'
		})
	}
}
