package proc_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"
	"testing"
	"weak"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/proc"
)

type lockArg struct{ Lock *sync.Mutex }

var takeLock = proc.Register("takeLock", func(context.Context, lockArg) error { return nil })

// P42: a lock that is not shared is refused by Start itself.
func TestLockOfOneProcessP42(t *testing.T) {
	_, err := takeLock.Start(watchdog(t), lockArg{new(sync.Mutex)}, nil)
	require.ErrorIs(t, err, proc.ErrArgument)
	require.ErrorContains(t, err, "lockArg.Lock is a sync.Mutex")
	require.Empty(t, proc.Children(), "and no child has run")
}

// P21: a process does not keep its argument.
func TestArgumentIsNotKeptP21(t *testing.T) {
	in, release := heldInput(t)
	arg := &cargoOf{In: in, Text: "large"}
	ref := weak.Make(arg)
	p := start(t, holdCargo, arg, nil)
	arg = nil
	for ref.Value() != nil {
		runtime.GC()
	}
	require.True(t, p.Alive())
	release()
	require.NoError(t, p.Wait(watchdog(t)))
}

type cargoOf struct {
	In   *file
	Text string
}

var holdCargo = proc.Register("holdCargo", func(_ context.Context, c *cargoOf) error {
	_, err := io.Copy(io.Discard, c.In)
	return err
})

func heldInput(t *testing.T) (*file, func()) {
	t.Helper()
	r, w, err := os.Pipe()
	require.NoError(t, err)
	t.Cleanup(func() { r.Close(); w.Close() })
	return &file{File: r}, func() { w.Close() }
}

type straggle struct {
	Wait bool
	Out  *file
}

// stragglers leaves a goroutine behind, which waits for the end of the function
// before it says anything.
var stragglers = proc.Register("stragglers", func(ctx context.Context, a straggle) error {
	var wg sync.WaitGroup
	wg.Go(func() {
		<-ctx.Done()
		if !a.Wait {
			select {}
		}
		fmt.Fprintln(a.Out, "goroutine is through")
	})
	if a.Wait {
		proc.AtExit(0, wg.Wait)
	}
	return nil
})

// P23: goroutines are daemons, unless AtExit waits for them.
func TestGoroutinesP23(t *testing.T) {
	for wait, want := range map[bool]string{true: "goroutine is through\n", false: ""} {
		out := newOutput(t)
		p := start(t, stragglers, straggle{wait, out.W}, nil)
		require.Equal(t, want, out.all())
		require.NoError(t, p.Wait(watchdog(t)))
	}
}

var tellFlags *proc.Func[straggle]

func init() { tellFlags = proc.Register("tellFlags", runTellFlags) }

func runTellFlags(ctx context.Context, a straggle) error {
	if !a.Wait {
		fmt.Fprintln(a.Out, os.Getenv("GODEBUG"))
		return nil
	}
	a.Wait = false
	p, err := tellFlags.Start(ctx, a, nil)
	if err != nil {
		return err
	}
	return p.Wait(ctx)
}

// P34: what flags are to Python, the environment is to Go: grandchildren have it.
func TestEnvironmentP34(t *testing.T) {
	t.Setenv("GODEBUG", "panicnil=1")
	out := newOutput(t)
	p := start(t, tellFlags, straggle{true, out.W}, nil)
	require.Equal(t, "panicnil=1\n", out.all())
	require.NoError(t, p.Wait(watchdog(t)))
}

// What Python's repr shows.
func TestString(t *testing.T) {
	p, release := held(t, &proc.Options{Name: "worker", Daemon: true})
	who := fmt.Sprintf("process worker (pid %d, parent %d, ", p.PID(), os.Getpid())
	require.Equal(t, who+"running, daemon)", p.String())
	release()
	<-p.Done()
	require.Equal(t, who+"exit code 0, daemon)", p.String())
	require.NoError(t, p.Close())
	require.Equal(t, who+"closed, daemon)", p.String())

	p, _ = held(t, &proc.Options{Name: "worker"})
	require.NoError(t, p.Terminate())
	<-p.Done()
	require.Contains(t, p.String(), ", exit code -15, terminated)")
	require.Equal(t, fmt.Sprintf("process main (pid %d, running)", os.Getpid()), proc.Current().String())
	require.Contains(t, proc.NotOurs().String(), ", ended)")
}
