//go:build !explore

package semaphore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// permitsUncontended is every operation on permits that nobody else wants.
func permitsUncontended(p *Permits, ctx context.Context) error {
	if err := errors.Join(p.Acquire(ctx, 2), p.TryAcquire(1)); err != nil {
		return err
	}
	if err := p.TryAcquire(1); err != ErrNoPermits {
		return fmt.Errorf("TryAcquire of none: %w", err)
	}
	return errors.Join(p.Release(2), p.Release(1))
}

func TestPermitsAllocateNothing(t *testing.T) {
	eachPlace(t, func(t *testing.T, place string) {
		m, _ := newPermits(t, place, 3)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		require.NoError(t, permitsUncontended(&m.p, ctx))
		require.Zero(t, testing.AllocsPerRun(1000, func() {
			if err := permitsUncontended(&m.p, ctx); err != nil {
				panic(err)
			}
		}))
	})
}

// permits.calls makes the system calls that the test looks for between two
// getppid.
var _ = testproc.Helper("permits.calls", func(c *testproc.Child) {
	m, _, _ := permitsMap(c, c.Files[0], c.Args[0])
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	require.NoError(c, permitsUncontended(&m.p, ctx)) // starts the keeper
	runtime.LockOSThread()
	unix.Getppid()
	for range 1000 {
		if err := permitsUncontended(&m.p, ctx); err != nil {
			c.WriteLine("%v", err)
		}
	}
	unix.Getppid()
})

// An uncontended operation makes no system call.
func TestPermitsSystemCalls(t *testing.T) {
	strace := testproc.NeedTool(t, "strace")
	testproc.Need(t, "the right to trace processes", exec.Command(strace, "-o", os.DevNull, strace, "-V").Run() == nil)
	exe, err := os.Executable()
	require.NoError(t, err)
	eachPlace(t, func(t *testing.T, place string) {
		_, f := newPermits(t, place, 3)
		trace := filepath.Join(t.TempDir(), "trace")
		testproc.Start(t, "permits.calls", testproc.Files(f), testproc.Binary(strace),
			testproc.Args("-f", "-o", trace, exe, place)).Succeed()
		b, err := os.ReadFile(trace)
		require.NoError(t, err)
		var thread string // the one that makes the calls
		var between []string
		ends := 0
		for line := range strings.Lines(string(b)) {
			tid, call, _ := strings.Cut(line, " ")
			call = strings.TrimSpace(call)
			switch {
			case strings.HasPrefix(call, "getppid("):
				thread = tid
				ends++
			case ends == 1 && tid == thread && !strings.HasPrefix(call, "---") && !strings.HasPrefix(call, "rt_sigreturn"):
				between = append(between, call) // signals are the runtime's
			}
		}
		require.Equal(t, 2, ends, "the trace:\n%s", b)
		require.Less(t, len(between), 100, "of 1000 rounds; the runtime may make some:\n%s", strings.Join(between, "\n"))
		for _, call := range between {
			require.NotRegexp(t, `FUTEX_WAKE(_OP)?,`, call) // the runtime's wakes are _PRIVATE
		}
	})
}

func BenchmarkPermits(b *testing.B)        { benchmarkPermits(b, "near") }
func BenchmarkPermitsForeign(b *testing.B) { benchmarkPermits(b, "foreign") }

func benchmarkPermits(b *testing.B, place string) {
	m, _ := newPermits(b, place, 1)
	p, ctx := &m.p, b.Context()
	for b.Loop() {
		if p.Acquire(ctx, 1) != nil || p.Release(1) != nil {
			b.Fatal(p)
		}
	}
}

func BenchmarkPermitsContended(b *testing.B) {
	m, _ := newPermits(b, "near", 1)
	b.SetParallelism(1)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if m.p.Acquire(context.Background(), 1) != nil || m.p.Release(1) != nil {
				return
			}
		}
	})
}
