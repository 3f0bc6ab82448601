//go:build !explore

package futex

import (
	"context"
	"runtime"
	"strings"
	"testing"

	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// silent stores, and dies or stops before the wake.
var _ = testproc.Helper("silent", func(c *testproc.Child) {
	w, _ := mapTable(c, c.Files[0])
	w[0].Store(1)
	sig := unix.SIGKILL
	if c.Args[0] == "stop" {
		sig = unix.SIGSTOP
	}
	unix.Kill(unix.Getpid(), sig)
	c.Park()
})

// The waker is killed, or stopped, between its store and its wake: the sleeper
// goes on.
func TestWakerDiesBeforeTheWake(t *testing.T) {
	for _, end := range []string{"kill", "stop"} {
		t.Run(end, func(t *testing.T) {
			ways(t, func(t *testing.T) {
				w, f := newTable(t)
				one := start(func() error { return Sleep(context.Background(), &w[0], 0, nil) })
				awaitSleepers(t, &w[0], 1)
				behind := start(func() error { return Sleep(t.Context(), &w[0], 0, nil) })
				await(t, func() bool { return followers(&w[0]) == 1 })
				many := start(func() error { return SleepAny(context.Background(), []Word{{&w[1], 0}, {&w[0], 0}}, nil) })
				awaitSleepers(t, &w[1], 1)
				testproc.Start(t, "silent", testproc.Args(end), testproc.Files(f))
				require.NoError(t, result(t, one))
				require.NoError(t, result(t, behind))
				require.NoError(t, result(t, many))
			})
		})
	}
}

// The wake goes to a process that dies, or stops, with it: the others go on by
// their own looks.
func TestWokenOneTakesTheWakeWithIt(t *testing.T) {
	for _, end := range []string{"kill", "stop"} {
		t.Run(end, func(t *testing.T) {
			w, f := newTable(t)
			w[0].Store(1)
			victim := testproc.Start(t, "blocked", testproc.Files(f))
			awaitSleepers(t, &w[0], 1)
			done := start(func() error { return Sleep(context.Background(), &w[0], 1, nil) })
			awaitSleepers(t, &w[0], 2)
			// A stopped sleeper is first in the queue and takes the wake.
			require.True(t, victim.Stop())
			require.NoError(t, WakeClear(&w[0]))
			if end == "kill" {
				victim.Kill()
			}
			require.NoError(t, result(t, done))
		})
	}
}

func looking() bool {
	buf := make([]byte, 1<<20)
	return strings.Contains(string(buf[:runtime.Stack(buf, true)]), "futex.lookLoop")
}

// A process in which nobody sleeps does not look.
func TestLookEndsWithTheLastSleeper(t *testing.T) {
	for range 2 {
		w, _ := newTable(t)
		done := start(func() error { return Sleep(context.Background(), &w[0], 0, nil) })
		awaitSleepers(t, &w[0], 1)
		require.True(t, looking())
		w[0].Store(1)
		require.NoError(t, result(t, done))
		await(t, func() bool { return !looking() })
	}
}

// gone may take its time: others are looked after, and a sleeper that has left
// meanwhile is left alone.
func TestSlowGone(t *testing.T) {
	w, _ := newTable(t)
	asked, answer := make(chan struct{}), make(chan bool)
	first := true
	slow := start(func() error {
		return Sleep(context.Background(), &w[0], 0, func() bool {
			if first {
				first = false
				close(asked)
				return <-answer
			}
			return false
		})
	})
	<-asked
	w[0].Store(1)
	WakeAll(&w[0])
	require.NoError(t, result(t, slow), "a sleeper waits for its gone")
	// Its waiter serves another one now; the late answer is not for that one.
	next := start(func() error { return SleepAny(context.Background(), []Word{{&w[1], 0}}, nil) })
	awaitSleepers(t, &w[1], 1)
	answer <- true
	// The look goes round once more: a sleeper that comes now is asked for.
	var seen = make(chan struct{}, 1)
	third := start(func() error {
		return Sleep(context.Background(), &w[2], 0, func() bool {
			select {
			case seen <- struct{}{}:
			default:
			}
			return false
		})
	})
	<-seen
	require.Empty(t, next, "a stranger's gone woke a sleeper")
	w[1].Store(1)
	w[2].Store(1)
	require.NoError(t, result(t, next))
	require.NoError(t, result(t, third))
}
