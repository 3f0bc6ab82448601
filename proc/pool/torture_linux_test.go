package pool_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/shmkit/shmkit/proc"
	"github.com/shmkit/shmkit/proc/pool"
)

var tortureFor = flag.Duration("torture", time.Second, "how long the torture lasts")

// agony is what a tortured task does.
type agony struct {
	What  string
	Size  int
	Bytes []byte
}

var errAgony = proc.RegisterError("agony", errors.New("agony"))

var suffer = pool.RegisterTask("suffer", func(ctx context.Context, a agony) (agony, error) {
	switch a.What {
	case "sleep":
		select {
		case <-time.After(time.Duration(a.Size) * time.Microsecond):
		case <-ctx.Done():
			return a, context.Cause(ctx)
		}
	case "panic":
		panic("in agony")
	case "exit":
		os.Exit(a.Size % 256)
	case "goexit":
		runtime.Goexit()
	case "allocate":
		var heap [][]byte
		for range a.Size % 64 {
			heap = append(heap, make([]byte, 64<<10))
		}
		runtime.KeepAlive(heap)
	case "huge":
		a.Bytes = make([]byte, a.Size*97)
	case "fail":
		return a, fmt.Errorf("%w of size %d", errAgony, a.Size)
	}
	return a, nil
})

// torturer submits random tasks from several goroutines while somebody kills and stops workers, and
// checks that each ends once, as it may.
var _ = testproc.Helper("torturer", func(c *testproc.Child) {
	d, err := time.ParseDuration(c.Args[0])
	require.NoError(c, err)
	seed, err := strconv.ParseUint(c.Args[1], 10, 64)
	require.NoError(c, err)
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	require.NoError(c, err)
	p, err := pool.New(4, &pool.Options{MaxTasks: 200, Grace: 50 * time.Millisecond, Process: proc.Options{Stderr: null, Daemon: c.Args[2] == "daemon"}})
	require.NoError(c, err)
	var all sync.WaitGroup
	stops := c.Args[2] != "" // else they would stay when this process is killed
	all.Go(func() { killWorkers(ctx, p, stops, rand.New(rand.NewPCG(seed, 0))) })
	tasks := 0
	var mu sync.Mutex
	for g := range uint64(4) {
		all.Go(func() {
			r := rand.New(rand.NewPCG(seed, 1+g))
			for ctx.Err() == nil {
				n := tortureRound(c, p, r)
				mu.Lock()
				tasks += n
				mu.Unlock()
			}
		})
	}
	all.Wait()
	p.Close()
	over, stop := context.WithTimeout(context.Background(), testproc.Watchdog)
	defer stop()
	require.NoError(c, p.Join(over), "%+v", p.Stats())
	s := p.Stats()
	require.Zero(c, s.Waiting)
	require.Equal(c, s.Submitted, s.Done+s.Cancelled, "%+v", s)
	require.Empty(c, proc.Children())
	c.WriteLine("ended: %d tasks, %d workers died", tasks, s.Died)
})

func killWorkers(ctx context.Context, p *pool.Pool, stops bool, r *rand.Rand) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Duration(r.IntN(10000)) * time.Microsecond):
		}
		ws := p.Stats().PerWorker
		if len(ws) == 0 {
			continue
		}
		q, err := os.FindProcess(ws[r.IntN(len(ws))].PID)
		if err != nil {
			continue
		}
		if !stops || r.IntN(3) > 0 {
			q.Kill()
			continue
		}
		if q.Signal(syscall.SIGSTOP) == nil { // for so long that others do what it has
			time.Sleep(time.Duration(r.IntN(60)) * time.Millisecond) // sleep: for a stop that lasts
			q.Signal(syscall.SIGCONT)
		}
	}
}

func someAgony(r *rand.Rand) agony {
	a := agony{Size: r.IntN(2000)}
	what := []string{"sleep", "allocate", "huge", "fail", "nothing", "nothing", "nothing"}
	if r.IntN(30) == 0 {
		what = []string{"panic", "exit", "goexit"}
	}
	a.What = what[r.IntN(len(what))]
	if r.IntN(20) == 0 {
		a.Bytes = make([]byte, r.IntN(1<<20)) // often larger than the ring
	}
	return a
}

// tortureRound submits some tasks in one of the ways that there are.
func tortureRound(c *testproc.Child, p *pool.Pool, r *rand.Rand) int {
	n := 1 + r.IntN(40)
	var in []agony
	for range n {
		in = append(in, someAgony(r))
	}
	task := suffer.With(pool.Limits{Retries: r.IntN(2), Timeout: time.Duration(r.IntN(2)) * time.Second})
	ctx, cancel := context.WithTimeout(context.Background(), testproc.Watchdog)
	defer cancel()
	switch r.IntN(3) {
	case 0:
		var fs []*pool.Future[agony]
		ends := make([]int, n)
		for i, a := range in {
			f := task.Go(ctx, p, a)
			f.OnDone(func(agony, error) { ends[i]++ })
			fs = append(fs, f)
			if r.IntN(10) == 0 {
				fs[r.IntN(len(fs))].Cancel()
			}
		}
		for i, f := range fs {
			out, err := f.Get(ctx)
			checkAgony(c, in[i], out, err)
			require.Equal(c, 1, ends[i])
		}
	case 1:
		i := 0
		for out, err := range task.Imap(ctx, p, func(yield func(agony) bool) {
			for _, a := range in {
				if !yield(a) {
					return
				}
			}
		}, &pool.MapOptions{Chunk: r.IntN(8)}) {
			checkAgony(c, in[i], out, err)
			if i++; r.IntN(100) == 0 {
				return i
			}
		}
		require.Equal(c, n, i)
	case 2:
		out, err := square.Map(ctx, p, span(n*100), &pool.MapOptions{Chunk: r.IntN(50)})
		if err != nil {
			require.ErrorIs(c, err, pool.ErrWorkerDied)
		}
		lost := 0
		for i, x := range out {
			if x != i*i {
				require.Zero(c, x)
				lost++
			}
		}
		if err == nil {
			require.Zero(c, lost)
		}
		n *= 100
	}
	return n
}

func checkAgony(c *testproc.Child, a, out agony, err error) {
	switch {
	case errors.Is(err, pool.ErrWorkerDied), errors.Is(err, pool.ErrCancelled): // the killer, or the task
	case a.What == "fail":
		require.ErrorIs(c, err, errAgony)
	case a.What == "sleep" && errors.Is(err, context.DeadlineExceeded):
	default:
		require.NoError(c, err, a.What)
		require.Equal(c, a.What, out.What)
		if a.What == "huge" {
			require.Len(c, out.Bytes, a.Size*97)
		}
	}
}

// Each submitted task ends once, with a result or a reason, whoever is killed; and no
// process is left, nor a descriptor.
func TestTorture(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	p := testproc.Start(t, "torturer", testproc.Args(tortureFor.String(), strconv.FormatUint(seed, 10), "stops"))
	line := p.ReadLine()
	require.True(t, strings.HasPrefix(line, "ended: "), line)
	t.Log(line)
	p.Succeed()

	// The pool's own process is killed at some time; that its workers end is found by
	// TestMain, and here.
	r := rand.New(rand.NewPCG(seed, 9))
	for _, way := range []string{"", "daemon", ""} {
		p := testproc.Start(t, "torturer", testproc.Args("1m", strconv.FormatUint(r.Uint64(), 10), way))
		select {
		case <-p.Exited():
			t.Fatal(p.Stderr())
		case <-time.After(time.Duration(r.IntN(300)) * time.Millisecond):
		}
		p.Kill()
		p.Wait()
	}
}
