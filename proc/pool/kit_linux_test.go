package pool_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/shmkit/shmkit/proc"
	"github.com/shmkit/shmkit/proc/pool"
	"github.com/shmkit/shmkit/semaphore"
	"github.com/shmkit/shmkit/shm"
)

func TestMain(m *testing.M) {
	proc.Main()
	testproc.Main(m)
}

// watchdog bounds whatever a test waits for.
func watchdog(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testproc.Watchdog)
	t.Cleanup(cancel)
	return ctx
}

// newPool returns a pool that ends with the test.
func newPool(t testing.TB, n int, o *pool.Options) *pool.Pool {
	t.Helper()
	p, err := pool.New(n, o)
	require.NoError(t, err)
	t.Cleanup(func() {
		p.Terminate()
		ctx, cancel := context.WithTimeout(context.Background(), testproc.Watchdog)
		defer cancel()
		require.NoError(t, p.Join(ctx))
	})
	return p
}

// gate is where tasks wait until the test lets them go on.
type gate struct {
	Open  semaphore.Event
	Begun atomic.Int64 // tasks that have come to it
	Ended atomic.Int64 // tasks that have found their context cancelled
}

// atGate is the argument of tasks that wait at a gate.
type atGate struct {
	Gate  string
	Value int
}

func newGate(t testing.TB) (string, *gate) {
	t.Helper()
	name := testproc.Name(t)
	o, err := shm.NewObject[gate](name, nil)
	require.NoError(t, err)
	t.Cleanup(func() {
		o.Ptr().Open.Set()
		shm.Unlink(name)
		o.Close()
	})
	return name, o.Ptr()
}

// hold waits at a gate, for its context too, and returns the value and its process id.
var hold = pool.RegisterTask("hold", func(ctx context.Context, a atGate) ([2]int, error) {
	o, err := shm.OpenObject[gate](context.Background(), a.Gate, nil) // which exists
	if err != nil {
		return [2]int{}, err
	}
	defer o.Close()
	o.Ptr().Begun.Add(1)
	if err := o.Ptr().Open.Wait(ctx); err != nil {
		o.Ptr().Ended.Add(1)
		<-ctx.Done()
		return [2]int{}, context.Cause(ctx)
	}
	return [2]int{a.Value, os.Getpid()}, nil
})

// deaf is hold that does not heed its context.
var deaf = pool.RegisterTask("deaf", func(_ context.Context, a atGate) (int, error) {
	o, err := shm.OpenObject[gate](context.Background(), a.Gate, nil)
	if err != nil {
		return 0, err
	}
	o.Ptr().Begun.Add(1)
	return a.Value, o.Ptr().Open.Wait(context.Background())
})

// await waits until a fact is one, which nobody tells of.
func await(t testing.TB, what string, fact func() bool) {
	t.Helper()
	testproc.Within(t, func() {
		for !fact() {
			runtime.Gosched()
			time.Sleep(time.Millisecond) // sleep: between two looks at what cannot be waited for
		}
	})
}

// stop stops a process, and returns when it stands still.
func stop(t testing.TB, pid int) {
	t.Helper()
	require.NoError(t, syscall.Kill(pid, syscall.SIGSTOP))
	t.Cleanup(func() { resume(pid) })
	await(t, "it stands still", func() bool { return state(pid) == 'T' })
}

func resume(pid int) { _ = syscall.Kill(pid, syscall.SIGCONT) }

// state is what the kernel says of a process, 'Z' also of one that has gone.
func state(pid int) byte {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, s, ok := strings.Cut(string(b), ") ")
	if err != nil || !ok {
		return 'Z'
	}
	return s[0]
}

var pid = pool.RegisterTask("pid", func(context.Context, struct{}) (int, error) { return os.Getpid(), nil })

// ErrOdd keeps its identity.
var errOdd = proc.RegisterError("odd", errors.New("odd"))

// evens refuses odd numbers.
var evens = pool.RegisterTask("evens", func(_ context.Context, x int) (int, error) {
	if x%2 != 0 {
		return 0, fmt.Errorf("number %d: %w", x, errOdd)
	}
	return x, nil
})

// die ends its worker in the way that it is told.
var die = pool.RegisterTask("die", func(_ context.Context, way string) (string, error) {
	switch way {
	case "kill":
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	case "exit":
		os.Exit(99)
	case "exit well":
		os.Exit(0)
	case "panic":
		panic("in a task")
	case "goroutine":
		go func() { panic("elsewhere") }()
		select {}
	case "goexit":
		runtime.Goexit()
	case "fault":
		var p *int
		*p = 1
	}
	return way, nil
})

// span returns 0 to n-1.
func span(n int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := range n {
			if !yield(i) {
				return
			}
		}
	}
}

func squares(n int) []int {
	s := make([]int, n)
	for i := range s {
		s[i] = i * i
	}
	return s
}

func openGate(ctx context.Context, name string) (*shm.Object[gate], error) {
	return shm.OpenObject[gate](ctx, name, nil)
}
