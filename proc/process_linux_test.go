package proc_test

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/race"
	"github.com/shmkit/shmkit/proc"
)

// P01: the process itself.
func TestCurrentP01(t *testing.T) {
	me := proc.Current()
	require.Same(t, me, proc.Current())
	require.Equal(t, os.Getpid(), me.PID())
	require.Equal(t, "main", me.Name())
	require.True(t, me.Alive())
	require.False(t, me.Daemon())
	_, ok := me.ExitCode()
	require.False(t, ok)
	require.ErrorIs(t, me.Wait(t.Context()), proc.ErrSelf)
	require.ErrorIs(t, me.Close(), proc.ErrRunning)
}

// P07, P08, P09, P15, P17, P18, P19: the life of a child.
func TestLife(t *testing.T) {
	require.Empty(t, proc.Children(), "P07: before the start")

	p, release := held(t, nil)
	other, releaseOther := held(t, nil)
	require.True(t, p.Alive(), "P08: after the start")
	require.Equal(t, []*proc.Process{p, other}, proc.Children(), "P08, P15")
	_, ok := p.ExitCode()
	require.False(t, ok)
	require.NotEqual(t, os.Getpid(), p.PID())
	require.Regexp(t, `^hold-\d+$`, p.Name())
	require.NotEqual(t, p.Name(), other.Name())
	select {
	case <-p.Done():
		t.Fatal("P17: done while running")
	default:
	}
	require.ErrorIs(t, p.Close(), proc.ErrRunning, "P18")
	require.ErrorIs(t, p.Wait(over()), context.Canceled)

	release()
	require.NoError(t, p.Wait(watchdog(t)), "P09: after the end")
	<-p.Done() // P17
	require.Zero(t, code(t, p))
	require.False(t, p.Alive())
	require.Equal(t, []*proc.Process{other}, proc.Children(), "P09, P15")
	require.NoError(t, p.Wait(over()), "the end is known without waiting")
	require.NoError(t, p.Kill(), "no error for one that has ended")

	require.NoError(t, p.Close(), "P19")
	require.NoError(t, p.Close(), "P19")
	require.ErrorIs(t, p.Wait(watchdog(t)), proc.ErrClosed)
	require.ErrorIs(t, p.Terminate(), proc.ErrClosed)
	require.ErrorIs(t, p.Interrupt(), proc.ErrClosed)
	require.ErrorIs(t, p.Kill(), proc.ErrClosed)
	require.False(t, p.Alive())
	_, ok = p.ExitCode()
	require.False(t, ok)

	releaseOther()
	<-other.Done()
	require.Empty(t, proc.Children())
}

// P11, P12, P13: killed by a signal.
func TestSignals(t *testing.T) {
	for name, c := range map[string]struct {
		send func(*proc.Process) error
		sig  syscall.Signal
	}{
		"P11 terminate": {(*proc.Process).Terminate, syscall.SIGTERM},
		"P12 kill":      {(*proc.Process).Kill, syscall.SIGKILL},
		"P13 interrupt": {(*proc.Process).Interrupt, syscall.SIGINT},
	} {
		t.Run(name, func(t *testing.T) {
			p, _ := held(t, nil)
			require.ErrorIs(t, p.Wait(over()), context.Canceled)
			require.True(t, p.Alive())
			require.NoError(t, c.send(p))
			err := p.Wait(watchdog(t))
			require.Equal(t, &proc.ExitError{Name: p.Name(), PID: p.PID(), Code: -int(c.sig), Signal: c.sig}, err)
			require.ErrorContains(t, err, fmt.Sprintf("was killed by signal %d (%v)", int(c.sig), c.sig))
			require.Equal(t, -int(c.sig), code(t, p))
			require.Equal(t, err, p.Wait(watchdog(t)), "a second Wait is fine")
		})
	}
}

// P13: a child that asks for SIGINT decides for itself.
func TestInterruptHandledP13(t *testing.T) {
	out := newOutput(t)
	p := start(t, patient, out.W, &proc.Options{Stderr: out.W.File})
	require.Equal(t, "listening", out.lines()())
	require.NoError(t, p.Interrupt())
	require.Equal(t, 1, code(t, p))
}

var patient = proc.Register("patient", func(ctx context.Context, out *file) error {
	c := make(chan os.Signal, 1)
	signal.Notify(c, os.Interrupt)
	fmt.Fprintln(out, "listening")
	<-c
	return fmt.Errorf("interrupted")
})

func TestCancelOption(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	p, _ := held(t, &proc.Options{Cancel: ctx})
	require.True(t, p.Alive())
	cancel()
	require.Equal(t, -int(syscall.SIGKILL), code(t, p))
}

// P20: many at once; and ended as soon as they are started.
func TestManyProcessesP20(t *testing.T) {
	n := 100
	if race.Enabled {
		n = 24 // each takes a hundred times as long
	}
	ps := make([]*proc.Process, n)
	var wg sync.WaitGroup
	for i := range ps {
		wg.Go(func() {
			p, err := refuse.Start(watchdog(t), "ok", nil)
			if err != nil {
				t.Error(err)
				return
			}
			ps[i] = p
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	for _, p := range ps {
		require.NoError(t, p.Wait(watchdog(t)))
	}
	for i := range ps {
		ps[i], _ = held(t, nil)
		require.NoError(t, ps[i].Terminate())
	}
	for _, p := range ps {
		require.Equal(t, -int(syscall.SIGTERM), code(t, p))
	}
	require.Empty(t, proc.Children())
}

// X12: many goroutines ask at once and agree.
func TestConcurrentWaitX12(t *testing.T) {
	p, release := held(t, nil)
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for p.Alive() {
				p.ExitCode()
				runtime.Gosched()
			}
			if c, ok := p.ExitCode(); c != 0 || !ok {
				t.Errorf("exit code %d, %v after the end", c, ok)
			}
		})
		wg.Go(func() {
			if err := p.Wait(watchdog(t)); err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() {
			<-p.Done()
			if p.Alive() {
				t.Error("alive after Done")
			}
		})
	}
	release()
	wg.Wait()
}

// P30: signals that arrive meanwhile do not disturb a Wait.
func TestSignalsDuringWaitP30(t *testing.T) {
	for _, pidfd := range []bool{true, false} {
		t.Run(fmt.Sprint("pidfd ", pidfd), func(t *testing.T) {
			if !pidfd {
				proc.RefusePidFDs(t)
			}
			c := make(chan os.Signal, 1)
			signal.Notify(c, syscall.SIGUSR1)
			defer signal.Stop(c)
			p, release := held(t, nil)
			result := make(chan error)
			go func() { result <- p.Wait(watchdog(t)) }()
			for range 50 {
				require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGUSR1))
				<-c
			}
			release()
			require.NoError(t, <-result)
			require.Zero(t, code(t, p))
		})
	}
}

// Watching a child holds no thread and no goroutine in a system call.
func TestWatchingTakesNoThread(t *testing.T) {
	for range 8 {
		p, _ := held(t, nil)
		require.True(t, p.Alive())
	}
	require.Zero(t, strings.Count(stacks(), "[syscall"), stacks())
}

func stacks() string {
	buf := make([]byte, 1<<20)
	all := string(buf[:runtime.Stack(buf, true)])
	var ours []string
	for g := range strings.SplitSeq(all, "\n\n") {
		if strings.Contains(g, "shmkit/proc.(*Process).watch") {
			ours = append(ours, g)
		}
	}
	return strings.Join(ours, "\n\n")
}

// Without pidfds a thread waits; everything else is the same.
func TestWithoutPidFDs(t *testing.T) {
	proc.RefusePidFDs(t)
	p, _ := held(t, nil)
	require.ErrorIs(t, p.Wait(over()), context.Canceled)
	require.NoError(t, p.Terminate())
	require.Equal(t, -int(syscall.SIGTERM), code(t, p))
}

// A status that somebody else collected is an error, not a hang.
func TestStatusLost(t *testing.T) {
	p := proc.NotOurs()
	require.ErrorIs(t, p.Wait(watchdog(t)), proc.ErrStatusLost)
	_, ok := p.ExitCode()
	require.False(t, ok)
	require.NoError(t, p.Kill(), "whoever has the number now is not signalled")
}
