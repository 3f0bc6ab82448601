package ringbuf

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/race"
	"github.com/shmkit/shmkit/internal/testproc"
)

// uncontended are calls that neither wait nor find anybody asleep, one name
// each.
func uncontended(t require.TestingT, p *Producer, c *Consumer, ch *Chan[uint64]) map[string]func() {
	ctx := context.Background()
	msg, buf := make([]byte, 64), make([]byte, 0, 64)
	batch := [][]byte{msg, msg, msg}
	bufs := [][]byte{make([]byte, 0, 64), make([]byte, 0, 64), make([]byte, 0, 64)}
	values := make([]uint64, 8)
	must := func(err error) {
		if err != nil {
			require.NoError(t, err)
		}
	}
	return map[string]func(){
		"Send, Recv": func() {
			must(p.Send(ctx, msg))
			_, err := c.Recv(ctx, buf)
			must(err)
		},
		"TrySend, TryRecv": func() {
			must(p.TrySend(msg))
			_, err := c.TryRecv(buf)
			must(err)
		},
		"SendBatch, RecvBatch": func() {
			_, err := p.SendBatch(ctx, batch)
			must(err)
			_, err = c.RecvBatch(ctx, bufs)
			must(err)
		},
		"Reserve, Next": func() {
			_, err := p.Reserve(ctx, 64)
			must(err)
			must(p.Commit(64))
			_, err = c.Next(ctx)
			must(err)
			c.Release()
		},
		"Abort, nothing": func() {
			_, err := p.Reserve(ctx, 64)
			must(err)
			p.Abort()
			_, err = c.TryNext()
			if err != ErrEmpty {
				require.ErrorIs(t, err, ErrEmpty)
			}
		},
		"Chan": func() {
			must(ch.Send(ctx, 1))
			_, err := ch.Recv(ctx)
			must(err)
			must(ch.TrySend(1))
			_, err = ch.TryRecv()
			must(err)
		},
		"Chan batches": func() {
			_, err := ch.SendBatch(ctx, values)
			must(err)
			_, err = ch.RecvBatch(ctx, values)
			must(err)
		},
		"Stats": func() { _ = p.ring.Stats() },
	}
}

// S5: no allocation where nobody waits, in anonymous and in named rings.
func TestNoAllocations(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	for _, s := range strategies {
		for _, name := range []string{"", "named"} {
			t.Run(s.String()+name, func(t *testing.T) {
				chName := name
				if name != "" {
					name, chName = newName(t), newName(t)
				}
				r := namedRing(t, name, &Options{Strategy: s})
				ch, err := NewChan[uint64](chName, 64, &Options{Strategy: s})
				require.NoError(t, err)
				defer func() { require.NoError(t, ch.Close()) }()
				p, c := producer(t, r), consumer(t, r)
				for what, call := range uncontended(t, p, c, ch) {
					require.Zero(t, testing.AllocsPerRun(200, call), what)
				}
			})
		}
	}
}

// costRounds is how often helpers do what must not make system calls.
const costRounds = 5000

// tracedCalls makes the calls for noSystemCalls.
func tracedCalls(c *testproc.Child, calls map[string]func()) {
	round := func() error {
		for _, call := range calls {
			call()
		}
		return nil
	}
	_ = round()
	runtime.GC()
	debug.SetGCPercent(-1)
	c.Traced(costRounds, round)
}

// noSystemCalls runs a helper whose calls make no system call. Now and then the runtime
// does something of its own.
func noSystemCalls(t *testing.T, helper string, args ...string) {
	t.Helper()
	calls, _ := testproc.Trace(t, helper, testproc.Args(args...), testproc.Env("GOMAXPROCS=1"))
	require.Less(t, len(calls), costRounds/50, "%.2000s", strings.Join(calls, "\n"))
}

var _ = testproc.Helper("cost", func(c *testproc.Child) {
	s := strategies[number(c, 0)]
	r, err := New("", &Options{Strategy: s})
	require.NoError(c, err)
	p, err := r.Producer()
	require.NoError(c, err)
	e, err := r.Consumer()
	require.NoError(c, err)
	ch, err := NewChan[uint64]("", 64, &Options{Strategy: s})
	require.NoError(c, err)
	calls := uncontended(c, p, e, ch)
	tracedCalls(c, calls)
})

// S5: no system call where nobody waits, which also says that nobody is woken
// who does not sleep.
func TestNoSystemCalls(t *testing.T) {
	for i, s := range strategies {
		t.Run(s.String(), func(t *testing.T) { noSystemCalls(t, "cost", fmt.Sprint(i)) })
	}
}

// Whoever sleeps is woken once, and not again while it does not sleep.
func TestWakeOnlySleepers(t *testing.T) {
	p, c := pair(t, &Options{Strategy: Block})
	done := async(func() ([]byte, error) { return c.Recv(bounded(t), nil) })
	consumerSleeps(t, p.ring)
	require.NoError(t, p.Send(bounded(t), nil))
	require.False(t, p.ring.h.recvSleeps(), "the wake has cleared the bit")
	require.NoError(t, get(t, done).err)
	require.False(t, p.ring.h.recvSleeps())
	require.False(t, p.ring.h.sendSleeps())
}
