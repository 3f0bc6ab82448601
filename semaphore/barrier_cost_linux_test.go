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

	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// barUncontended is every operation on a barrier of one party.
func barUncontended(b *Barrier, ctx context.Context, action func() error) error {
	if _, err := b.Wait(ctx); err != nil {
		return err
	}
	if _, err := b.WaitAction(ctx, action); err != nil {
		return err
	}
	b.Abort()
	if _, err := b.Wait(ctx); err != ErrBroken {
		return err
	}
	return b.Reset(ctx)
}

func TestBarrierAllocatesNothing(t *testing.T) {
	eachPlace(t, func(t *testing.T, place string) {
		m, _ := newBar(t, place, 1)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		action := func() error { return nil }
		require.NoError(t, barUncontended(&m.b, ctx, action))
		require.Zero(t, testing.AllocsPerRun(1000, func() {
			if err := barUncontended(&m.b, ctx, action); err != nil {
				panic(err)
			}
		}))
	})
}

// Two processes meet, and nothing is allocated as long as they spin.
func TestBarrierSpinningAllocatesNothing(t *testing.T) {
	m, f := newBar(t, "near", 2)
	testproc.Start(t, "barrier.pong", testproc.Files(f))
	require.Less(t, testing.AllocsPerRun(2000, func() {
		if _, err := m.b.Wait(context.Background()); err != nil {
			panic(err)
		}
	}), 3.0, "a sleep may")
	m.b.Abort()
}

// barrier.calls makes the system calls that the test looks for between two
// getppid.
var _ = testproc.Helper("barrier.calls", func(c *testproc.Child) {
	m, _, _ := barMap(c, c.Files[0], c.Args[0])
	ctx, action := context.Background(), func() error { return nil }
	require.NoError(c, barUncontended(&m.b, ctx, action)) // starts the keeper
	runtime.LockOSThread()
	unix.Getppid()
	for range 1000 {
		if err := barUncontended(&m.b, ctx, action); err != nil {
			c.WriteLine("%v", err)
		}
	}
	unix.Getppid()
	runtime.UnlockOSThread()
	c.WriteLine("%s", barWait(&m.b, 1))
})

// With one party there is no system call at all.
func TestBarrierSystemCalls(t *testing.T) {
	strace := testproc.NeedTool(t, "strace")
	testproc.Need(t, "the right to trace processes", exec.Command(strace, "-o", os.DevNull, strace, "-V").Run() == nil)
	exe, err := os.Executable()
	require.NoError(t, err)
	eachPlace(t, func(t *testing.T, place string) {
		_, f := newBar(t, place, 1)
		trace := filepath.Join(t.TempDir(), "trace")
		p := testproc.Start(t, "barrier.calls", testproc.Files(f), testproc.Binary(strace),
			testproc.Args("-f", "-o", trace, exe, place))
		p.Expect("0")
		p.Succeed()
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

// barrier.pong meets until it is killed.
var _ = testproc.Helper("barrier.pong", func(c *testproc.Child) {
	m, _, _ := barMap(c, c.Files[0], "near")
	for {
		if _, err := m.b.Wait(context.Background()); err != nil {
			return
		}
	}
})

func BenchmarkBarrierOfOne(b *testing.B) {
	m, _ := newBar(b, "near", 1)
	ctx := context.Background()
	for b.Loop() {
		if _, err := m.b.Wait(ctx); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkBarrierOfTwo(b *testing.B) {
	m, f := newBar(b, "near", 2)
	testproc.Start(b, "barrier.pong", testproc.Files(f))
	ctx := context.Background()
	for b.Loop() {
		if _, err := m.b.Wait(ctx); err != nil {
			b.Fatal(err)
		}
	}
	m.b.Abort()
}
