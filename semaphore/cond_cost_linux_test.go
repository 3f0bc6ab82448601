//go:build !explore

package semaphore

import (
	"context"
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

// Signals for which nobody waits, and waits that end at once.
func TestCondAllocatesNothing(t *testing.T) {
	eachPlace(t, func(t *testing.T, place string) {
		m, _ := condNew(t, place)
		h := m.rec.Holder()
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		for _, l := range []interface {
			CondLocker
			Lock() error
			Unlock()
		}{&m.mu, h} {
			once := func() {
				err := l.Lock()
				m.c.Signal()
				if err == nil {
					err = m.c.WaitContext(ended, l)
				}
				if err != context.Canceled {
					panic(err)
				}
				m.c.Broadcast()
				l.Unlock()
			}
			once()
			require.Zero(t, testing.AllocsPerRun(1000, once))
		}
	})
}

// cond.calls signals between two getppid, and waits for a time afterwards. Args:
// place.
var _ = testproc.Helper("cond.calls", func(c *testproc.Child) {
	m, _, _ := condMap(c, c.Files[0], c.Args[0])
	require.ErrorIs(c, condTimed(m), context.DeadlineExceeded) // takes a seat
	runtime.LockOSThread()
	unix.Getppid()
	for range 1000 {
		if err := m.mu.Lock(); err != nil {
			c.WriteLine("%v", err)
		}
		m.c.Signal()
		m.c.Broadcast()
		m.mu.Unlock()
		m.c.Signal()
	}
	unix.Getppid()
	runtime.UnlockOSThread()
	for range 3 {
		require.ErrorIs(c, condTimed(m), context.DeadlineExceeded)
	}
})

func condTimed(m *condMemory) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	return m.wait(ctx)
}

// A signal for which nobody waits makes no system call; a timed wait sleeps on the
// monotonic clock (X14).
func TestCondSystemCalls(t *testing.T) {
	strace := testproc.NeedTool(t, "strace")
	testproc.Need(t, "the right to trace processes", exec.Command(strace, "-o", os.DevNull, strace, "-V").Run() == nil)
	exe, err := os.Executable()
	require.NoError(t, err)
	eachPlace(t, func(t *testing.T, place string) {
		_, f := condNew(t, place)
		trace := filepath.Join(t.TempDir(), "trace")
		testproc.Start(t, "cond.calls", testproc.Files(f), testproc.Binary(strace),
			testproc.Args("-f", "-o", trace, exe, place)).Succeed()
		b, err := os.ReadFile(trace)
		require.NoError(t, err)
		thread, ends, timed := "", 0, 0
		var between []string
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
			if strings.Contains(line, "futex") && strings.Contains(line, "tv_sec") {
				require.NotContains(t, line, "REALTIME")
				timed++
			}
		}
		require.Equal(t, 2, ends, "the trace:\n%s", b)
		require.Positive(t, timed)
		require.Less(t, len(between), 100, "of 3000 signals; the runtime may make some:\n%s", strings.Join(between, "\n"))
		for _, call := range between {
			require.NotRegexp(t, `FUTEX_WAKE(_OP)?,`, call) // the runtime's wakes are _PRIVATE
		}
		t.Logf("%d timed waits in the trace, %d system calls in 1000 rounds", timed, len(between))
	})
}

func BenchmarkCondSignalNobody(b *testing.B) {
	m, _ := condNew(b, "near")
	require.ErrorIs(b, condTimed(m), context.DeadlineExceeded)
	for b.Loop() {
		m.c.Signal()
	}
}

// A wait that ends at once, with the lock and the unlock that it needs.
func BenchmarkCondWaitEnded(b *testing.B) {
	m, _ := condNew(b, "near")
	ctx, cancel := context.WithCancel(b.Context())
	cancel()
	condLock(b, m)
	for b.Loop() {
		_ = m.c.WaitContext(ctx, &m.mu)
	}
	m.mu.Unlock()
}
