package ringbuf

import (
	"context"
	"fmt"
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
	tracedCalls(c, calls)
})

// S5: no system call where nobody waits.
func TestManyChanNoSystemCalls(t *testing.T) {
	for i, m := range many {
		t.Run(m.String(), func(t *testing.T) { noSystemCalls(t, "chan.many cost", fmt.Sprint(i)) })
	}
}
