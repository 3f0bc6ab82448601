package manager_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/shmkit/shmkit/proc"
	"github.com/shmkit/shmkit/proc/manager"
)

func TestMain(m *testing.M) {
	proc.Main()
	testproc.Main(m)
}

// patience ends tests that hang.
const patience = 30 * time.Second

func bounded(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// started is a manager in a process of its own.
func started(t testing.TB, o *manager.Options) *manager.Manager {
	t.Helper()
	m, err := manager.Start(bounded(t), o)
	require.NoError(t, err)
	t.Cleanup(func() { m.Close() })
	return m
}

// inside is a manager in this process.
func inside(t testing.TB, o *manager.Options) *manager.Manager {
	t.Helper()
	m, err := manager.New(bounded(t), o)
	require.NoError(t, err)
	t.Cleanup(func() { m.Close() })
	return m
}

// both runs a test with a manager in a process of its own, and with one in this process.
func both(t *testing.T, test func(t *testing.T, m *manager.Manager)) {
	t.Run("process", func(t *testing.T) { test(t, started(t, nil)) })
	t.Run("inside", func(t *testing.T) { test(t, inside(t, nil)) })
}

// nothingLeft waits until no object lives (G22): of a process that has just ended the
// manager hears a moment later.
func nothingLeft(t testing.TB, m *manager.Manager) {
	t.Helper()
	for ctx := bounded(t); ; {
		n, err := m.NumberOfObjects(ctx)
		if err != nil || ctx.Err() != nil {
			info, _ := m.Info(t.Context())
			t.Fatalf("%d objects live: %+v, %v", n, info, err)
		}
		if n == 0 {
			return
		}
		time.Sleep(time.Millisecond) // sleep: the manager tells nobody
	}
}

// stop stops a process, and returns when it has.
func stop(t testing.TB, pid int) {
	t.Helper()
	require.NoError(t, syscall.Kill(pid, syscall.SIGSTOP))
	for ctx := bounded(t); ; {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		require.NoError(t, err)
		if bytes.Contains(stat, []byte(") T ")) {
			return
		}
		require.NoError(t, ctx.Err())
		time.Sleep(time.Millisecond) // sleep: it may be nobody's child here
	}
}

// collect is nothingLeft for tests that leave proxies to the garbage collector.
func collect(t testing.TB, m *manager.Manager) {
	t.Helper()
	for ctx := bounded(t); ctx.Err() == nil; runtime.GC() {
		if n, err := m.NumberOfObjects(ctx); n == 0 || err != nil {
			break
		}
	}
	nothingLeft(t, m)
}
