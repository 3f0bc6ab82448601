package ringbuf

import (
	"context"
	"fmt"
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

// manyChanCalls are calls that neither wait nor find anybody asleep.
func manyChanCalls(t require.TestingT, c *Chan[uint64]) map[string]func() {
	ctx := context.Background()
	values := make([]uint64, 8)
	must := func(err error) {
		if err != nil {
			require.NoError(t, err)
		}
	}
	return map[string]func(){
		"Send, Recv": func() {
			must(c.Send(ctx, 1))
			_, err := c.Recv(ctx)
			must(err)
		},
		"TrySend, TryRecv": func() {
			must(c.TrySend(1))
			_, err := c.TryRecv()
			must(err)
		},
		"SendBatch, RecvBatch": func() {
			_, err := c.SendBatch(ctx, values)
			must(err)
			_, err = c.RecvBatch(ctx, values)
			must(err)
		},
		"nothing": func() {
			if _, err := c.TryRecv(); err != ErrEmpty {
				require.ErrorIs(t, err, ErrEmpty)
			}
		},
		"Stats": func() { _ = c.Stats() },
	}
}

// S5: no allocation where nobody waits, in anonymous and in named channels.
func TestManyChanNoAllocations(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	eachManyChan(t, func(t *testing.T, o *Options) {
		for _, name := range []string{"", newName(t)} {
			c, err := NewChan[uint64](name, 64, o)
			require.NoError(t, err)
			for what, call := range manyChanCalls(t, c) {
				require.Zero(t, testing.AllocsPerRun(200, call), what)
			}
			require.NoError(t, c.Close())
		}
	})
}

var _ = testproc.Helper("chan.many cost", func(c *testproc.Child) {
	ch, err := NewChan[uint64]("", 64, &Options{Mode: many[number(c, 0)]})
	require.NoError(c, err)
	calls := manyChanCalls(c, ch)
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
func TestManyChanNoSystemCalls(t *testing.T) {
	strace := testproc.NeedTool(t, "strace")
	self, err := os.Executable()
	require.NoError(t, err)
	for i, m := range many {
		t.Run(m.String(), func(t *testing.T) {
			log := filepath.Join(t.TempDir(), "log")
			child := testproc.Start(t, "chan.many cost", testproc.Binary(strace),
				testproc.Args("-f", "-qq", "-o", log, self, fmt.Sprint(i)), testproc.Env("GOMAXPROCS=1"))
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
		})
	}
}
