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
	"time"

	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// semUncontended is every operation on a semaphore of 3 that nobody else uses.
func semUncontended(s anySem, ctx context.Context) error {
	for _, n := range []int{1, 2, 3} {
		if err := s.Acquire(ctx, n); err != nil {
			return err
		}
		if err := s.TryAcquire(3); err != ErrNoPermits {
			return fmt.Errorf("TryAcquire of 3: %w", err)
		}
		if s.Value() != 3-n {
			return errors.New("wrong value")
		}
		if err := s.Release(n); err != nil {
			return err
		}
		if err := s.TryAcquire(n); err != nil {
			return err
		}
		if err := s.Release(n); err != nil {
			return err
		}
	}
	if err := s.Release(1); !errors.Is(err, ErrOverflow) {
		return fmt.Errorf("Release of too many: %w", err)
	}
	return nil
}

func TestUncontendedSemaphoreAllocatesNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	check := func(t *testing.T, s anySem) {
		require.Zero(t, testing.AllocsPerRun(1000, func() {
			if err := semUncontended(s, ctx); err != nil {
				panic(err)
			}
		}))
	}
	eachPlace(t, func(t *testing.T, place string) {
		m, _ := newSem(t, place, 3, 3)
		check(t, &m.s)
	})
	t.Run("named", func(t *testing.T) { check(t, newNamed(t, 3, 3)) })
}

// sem.calls makes the system calls that the test looks for between two getppid.
// Args: place.
var _ = testproc.Helper("sem.calls", func(c *testproc.Child) {
	m, _, _ := semMap(c, c.Files[0], c.Args[0])
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	require.NoError(c, semUncontended(&m.s, ctx))
	runtime.LockOSThread()
	unix.Getppid()
	for range 1000 {
		if err := semUncontended(&m.s, ctx); err != nil {
			c.WriteLine("%v", err)
		}
	}
	unix.Getppid()
	runtime.UnlockOSThread()
	require.NoError(c, m.s.Acquire(ctx, 3))
	for n := range 3 {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Millisecond)
		require.ErrorIs(c, m.s.Acquire(ctx, n+1), context.DeadlineExceeded)
		cancel()
	}
})

// An uncontended operation makes no system call; X14: a timed wait sleeps on the
// monotonic clock.
func TestX14SemaphoreSystemCalls(t *testing.T) {
	strace := testproc.NeedTool(t, "strace")
	testproc.Need(t, "the right to trace processes", exec.Command(strace, "-o", os.DevNull, strace, "-V").Run() == nil)
	exe, err := os.Executable()
	require.NoError(t, err)
	eachPlace(t, func(t *testing.T, place string) {
		_, f := newSem(t, place, 3, 3)
		trace := filepath.Join(t.TempDir(), "trace")
		testproc.Start(t, "sem.calls", testproc.Files(f), testproc.Binary(strace),
			testproc.Args("-f", "-o", trace, exe, place)).Succeed()
		b, err := os.ReadFile(trace)
		require.NoError(t, err)
		var thread string // the one that makes the calls
		var between []string
		ends, timed := 0, 0
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
			if strings.Contains(line, "futex") && strings.Contains(line, "tv_sec") { // nobody's, or absolute
				require.NotContains(t, line, "REALTIME")
				timed++
			}
		}
		require.Equal(t, 2, ends, "the trace:\n%s", b)
		require.Less(t, len(between), 100, "of 1000 rounds; the runtime may make some:\n%s", strings.Join(between, "\n"))
		for _, call := range between {
			require.NotRegexp(t, `FUTEX_WAKE(_OP)?,`, call) // the runtime's wakes are _PRIVATE
		}
		require.Positive(t, timed)
	})
}

func BenchmarkSemaphore(b *testing.B) {
	m, _ := newSem(b, "near", 1, 1)
	benchmarkSemaphore(b, &m.s)
}

func BenchmarkNamed(b *testing.B) { benchmarkSemaphore(b, newNamed(b, 1, 1)) }

func benchmarkSemaphore[S anySem](b *testing.B, s S) {
	ctx := b.Context()
	for b.Loop() {
		if err := s.Acquire(ctx, 1); err != nil {
			b.Fatal(err)
		}
		if err := s.Release(1); err != nil {
			b.Fatal(err)
		}
	}
}

// Two goroutines want the only permit.
func BenchmarkSemaphoreContended(b *testing.B) {
	m, _ := newSem(b, "near", 1, 1)
	b.SetParallelism(1)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if m.s.Acquire(context.Background(), 1) != nil || m.s.Release(1) != nil {
				return
			}
		}
	})
}
