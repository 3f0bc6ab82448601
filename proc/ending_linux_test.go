package proc_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/shmkit/shmkit/proc"
)

// rung waits until f is readable, or asks only.
func rung(f *os.File, wait bool) (bool, error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return false, err
	}
	ready := false
	err = raw.Read(func(fd uintptr) bool {
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		unix.Poll(fds, 0)
		ready = fds[0].Revents&unix.POLLIN != 0
		return ready || !wait
	})
	return ready, err
}

// P17: the sentinel is not ready while the process runs, ready after its end, and
// its readers do not disturb each other.
func TestSentinelP17(t *testing.T) {
	for _, pidfd := range []bool{true, false} {
		t.Run(fmt.Sprint("pidfd ", pidfd), func(t *testing.T) {
			if !pidfd {
				proc.RefusePidFDs(t)
			}
			p, release := held(t, nil)
			for range 3 {
				f, err := proc.PIDFile(p)
				require.NoError(t, err)
				defer f.Close()
				ready, err := rung(f, false)
				require.NoError(t, err)
				require.False(t, ready)
				defer func() {
					ready, err := rung(f, true)
					require.NoError(t, err)
					require.True(t, ready)
					require.False(t, p.Alive(), "the end is known")
				}()
			}
			release()
			<-p.Done()
			f, err := proc.PIDFile(p)
			require.NoError(t, err)
			defer f.Close()
			ready, err := rung(f, false)
			require.NoError(t, err)
			require.True(t, ready, "also one that is asked for afterwards")
		})
	}
	_, err := proc.PIDFile(proc.Current())
	require.ErrorIs(t, err, proc.ErrSelf)
}

var watchParent = proc.Register("watchParent", func(_ context.Context, out *file) error {
	f, err := proc.ParentPIDFile(proc.Parent())
	if err != nil {
		return err
	}
	before, err := rung(f, false)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, before)
	after, err := rung(f, true)
	fmt.Fprintln(out, after, err, proc.Parent().Alive())
	return nil
})

var startAndStay = proc.Register("startAndStay", func(ctx context.Context, a holdArg) error {
	if _, err := watchParent.Start(ctx, a.Out, nil); err != nil {
		return err
	}
	a.Out.Close()
	_, err := io.Copy(io.Discard, a.In)
	return err
})

// P06, P17: a child can wait for its parent as for its own children.
func TestParentSentinelP17(t *testing.T) {
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer w.Close()
	out := newOutput(t)
	p := start(t, startAndStay, holdArg{In: &file{File: r}, Out: out.W}, nil)
	r.Close()
	line := out.lines()
	require.Equal(t, "false", line())
	require.NoError(t, p.Kill())
	require.Equal(t, "true <nil> false", line())
	require.Empty(t, out.all())
}
