package ringbuf

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/race"
	"github.com/shmkit/shmkit/internal/testproc"
)

// queueCalls are calls that neither wait nor find anybody asleep.
func queueCalls(t require.TestingT, q *Queue, size int) map[string]func() {
	ctx := context.Background()
	msg, buf := make([]byte, size), make([]byte, 0, size)
	must := func(err error) {
		if err != nil {
			require.NoError(t, err)
		}
	}
	return map[string]func(){
		"Send, Recv": func() {
			must(q.Send(ctx, msg))
			_, err := q.Recv(ctx, buf)
			must(err)
		},
		"TrySend, TryRecv": func() {
			must(q.TrySend(msg))
			_, err := q.TryRecv(buf)
			must(err)
		},
		"nothing": func() {
			if _, err := q.TryRecv(buf); err != ErrEmpty {
				require.ErrorIs(t, err, ErrEmpty)
			}
		},
		"Len": func() { q.Len(); q.Empty() },
	}
}

// S5: no allocation where nobody waits, in anonymous and in named queues.
func TestQueueNoAllocations(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	eachQueue(t, func(t *testing.T, o *Options) {
		for _, name := range []string{"", newName(t)} {
			for _, size := range []int{8, 5000} {
				q, err := NewQueue(name, o)
				require.NoError(t, err)
				for what, call := range queueCalls(t, q, size) {
					require.Zero(t, testing.AllocsPerRun(200, call), "%s of %d", what, size)
				}
				require.NoError(t, q.Unlink())
				require.NoError(t, q.Close())
			}
		}
	})
}

var _ = testproc.Helper("queue cost", func(c *testproc.Child) {
	q, err := NewQueue("", nil)
	require.NoError(c, err)
	calls := queueCalls(c, q, 64)
	for _, call := range calls {
		call()
	}
	runtime.GC()
	debug.SetGCPercent(-1)
	runtime.LockOSThread()
	c.WriteLine(costBegin)
	for _, call := range calls {
		for range costRounds {
			call()
		}
	}
	c.WriteLine(costEnd)
})

// S5: no system call where nobody waits.
func TestQueueNoSystemCalls(t *testing.T) {
	strace := testproc.NeedTool(t, "strace")
	self, err := os.Executable()
	require.NoError(t, err)
	log := filepath.Join(t.TempDir(), "log")
	child := testproc.Start(t, "queue cost", testproc.Binary(strace),
		testproc.Args("-f", "-qq", "-o", log, self), testproc.Env("GOMAXPROCS=1"))
	if line, ok := child.NextLine(); !ok {
		testproc.Need(t, "permission to trace: "+child.Stderr(), false)
	} else {
		require.Equal(t, costBegin, line)
	}
	child.Expect(costEnd)
	child.Succeed()
	b, err := os.ReadFile(log)
	require.NoError(t, err)
	_, after, ok := strings.Cut(string(b), costBegin)
	require.True(t, ok)
	during, _, ok := strings.Cut(after, costEnd)
	require.True(t, ok)
	thread := straceLine.FindStringSubmatch(during[strings.LastIndexByte(during, '\n')+1:])[1]
	calls := 0
	for line := range strings.Lines(during) {
		m := straceLine.FindStringSubmatch(line)
		// The runtime interrupts long loops by signals.
		if m != nil && m[1] == thread && m[2] != "rt_sigreturn" && m[2] != "write" {
			calls++
		}
	}
	// Now and then the runtime does something of its own.
	require.Less(t, calls, costRounds/50, "%.2000s", during)
}
