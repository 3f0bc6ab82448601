package proc_test

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/shmkit/shmkit/proc"
)

// readable says whether f becomes readable within d.
func readable(t *testing.T, f *os.File, d time.Duration) (ready bool) {
	t.Helper()
	raw, err := f.SyscallConn()
	require.NoError(t, err)
	require.NoError(t, raw.Control(func(fd uintptr) {
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		for deadline := time.Now().Add(d); !ready && time.Now().Before(deadline); {
			n, _ := unix.Poll(fds, int(time.Until(deadline).Milliseconds())+1)
			ready = n > 0
		}
	}))
	return ready
}

// A pollable descriptor is readable when there is something, stays so while Poll has
// found it, and is not when Poll finds nothing.
func TestConnPollFile(t *testing.T) {
	ctx := watchdog(t)
	a, b := pipe(t, nil)
	p := start(t, parrot, b, nil)
	f, err := a.PollFile()
	require.NoError(t, err)
	defer f.Close()
	for range 3 {
		ok, err := a.Poll(over())
		require.NoError(t, err)
		require.False(t, ok)
		require.False(t, readable(t, f, 20*time.Millisecond))
		require.NoError(t, a.SendBytes(ctx, []byte("x")))
		require.True(t, readable(t, f, time.Minute))
		for range 2 {
			ok, err = a.Poll(over())
			require.NoError(t, err)
			require.True(t, ok)
		}
		_, err = a.RecvBytes(ctx, 0)
		require.NoError(t, err)
	}
	// Also when a goroutine waits in Recv meanwhile.
	got := make(chan error, 1)
	go func() { got <- a.Recv(ctx, new([]byte)) }()
	require.NoError(t, a.SendBytes(ctx, []byte("x")))
	require.NoError(t, <-got)
	ok, err := a.Poll(over())
	require.NoError(t, err)
	require.False(t, ok)
	require.NoError(t, p.Kill())
	require.True(t, readable(t, f, time.Minute), "the end is news too")

	require.NoError(t, a.Close())
	x, _ := pipe(t, nil)
	g, err := x.PollFile()
	require.NoError(t, err)
	defer g.Close()
	require.NoError(t, x.Close())
	require.True(t, readable(t, g, time.Minute))
	_, err = x.PollFile()
	require.ErrorIs(t, err, proc.ErrClosed)
}
