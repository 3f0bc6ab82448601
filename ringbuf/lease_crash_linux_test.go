package ringbuf

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/testproc"
)

const leaseWalkMessages = 6

// Sends messages, waits until they are finished, and does what is to be done meanwhile.
var _ = testproc.Helper("lease walk", func(c *testproc.Child) {
	q := openedQueue(c, 0)
	for i := range leaseWalkMessages {
		require.NoError(c, q.Send(context.Background(), numbered(1, i, 100+i%2*2000)))
		c.WriteLine("sent %d", i)
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		require.NoError(c, q.WaitFinished(context.Background()))
		cancel()
	}()
	idle(func() bool { return q.ring.many.h.joiners.Load() != 0 || ctx.Err() != nil })
	for {
		l, err := q.Lease(ctx)
		if ctx.Err() != nil {
			break
		}
		require.NoError(c, err)
		from, n := numbers(c, l.Bytes())
		require.NoError(c, l.Done())
		c.WriteLine("%d %d", from, n)
	}
	require.NoError(c, q.Close())
})

// work is done with messages until ctx ends, and enters them.
func work(t *testing.T, ctx context.Context, q *Queue, l *queueLedger) <-chan result {
	return async(func() ([]byte, error) {
		for {
			x, err := q.Lease(ctx)
			if ctx.Err() != nil {
				return nil, nil
			}
			if err != nil {
				return nil, err
			}
			from, n := numbers(t, x.Bytes())
			if !x.Redelivered() {
				l.enter(t, from, n)
			} else {
				l.mu.Lock() // perhaps it was done and nobody has told
				l.seen[[2]int{from, n}] = true
				l.mu.Unlock()
			}
			if err := x.Done(); err != nil {
				return nil, err
			}
		}
	})
}

// telling enters what a process of the walk tells of, and returns how many it has sent.
func telling(t *testing.T, p *testproc.Proc, l *queueLedger) (sent int) {
	for line, ok := p.NextLine(); ok; line, ok = p.NextLine() {
		var from, n int
		if _, err := fmt.Sscanf(line, "sent %d", &n); err == nil {
			sent++
			continue
		}
		_, err := fmt.Sscanf(line, "%d %d", &from, &n)
		require.NoError(t, err)
		l.enter(t, from, n)
	}
	return sent
}

// X05, X06: a process that sends, holds messages, and waits until all are finished, dies
// at each step. Others are done with what it left, and whoever waits for that hears of
// it.
func leaseDies(redeliver, fated bool) func(t *testing.T, v *testproc.Victim) {
	return func(t *testing.T, v *testproc.Victim) {
		q := leaseWalkQueue(t, redeliver, fated)
		p := v.Start("lease walk", testproc.Files(q.File()))
		until(t, func() bool { return ended(p) })
		l := &queueLedger{seen: map[[2]int]bool{}}
		ctx, cancel := context.WithCancel(bounded(t))
		defer cancel()
		for i := range leaseWalkMessages {
			require.NoError(t, q.Send(ctx, numbered(0, i, 100)))
		}
		w := work(t, ctx, another(t, q), l)
		require.NoError(t, q.WaitFinished(ctx))
		require.Zero(t, q.Unfinished())
		cancel()
		require.NoError(t, get(t, w).err)
		sent := telling(t, p, l)
		// It may have been done with one, or held one, and have told of neither.
		require.GreaterOrEqual(t, len(l.seen), leaseWalkMessages+sent-1)
		if redeliver && v.Point == "lease.kept" && v.Fired() {
			require.Equal(t, leaseWalkMessages+sent, len(l.seen))
		}
	}
}

// leaseWalkQueue has lanes that are dense, or sparse with fates.
func leaseWalkQueue(t *testing.T, redeliver, fated bool) *Queue {
	if fated {
		return fatedQueue(t, redeliver, leastChunks*chunkSize)
	}
	return leaseQueue(t, redeliver)
}

func TestLeaseCrashWalk(t *testing.T) {
	testproc.CrashWalk(t, leaseWalkOptions(), leaseDies(false, false), leaseDies(true, false), leaseDies(true, true))
}

func leaseWalkOptions() *testproc.WalkOptions {
	return &testproc.WalkOptions{Prefix: []string{"lease.", "join."}}
}

// A stopped process blocks nobody, and goes on when it is continued; what it held is
// waited for.
func leaseStops(fated bool) func(t *testing.T, v *testproc.Victim) {
	return func(t *testing.T, v *testproc.Victim) {
		q := leaseWalkQueue(t, true, fated)
		p := v.Start("lease walk", testproc.Files(q.File()))
		until(t, func() bool { return v.Fired() || ended(p) })
		l := &queueLedger{seen: map[[2]int]bool{}}
		ctx, cancel := context.WithCancel(bounded(t))
		defer cancel()
		for i := range leaseWalkMessages {
			require.NoError(t, q.Send(ctx, numbered(0, i, 100)))
		}
		d := another(t, q)
		w := work(t, ctx, d, l)
		until(t, func() bool { // whoever is stopped
			l.mu.Lock()
			defer l.mu.Unlock()
			for i := range leaseWalkMessages {
				if !l.seen[[2]int{0, i}] {
					return false
				}
			}
			return true
		})
		until(t, func() bool { p.Cont(); return ended(p) })
		sent := telling(t, p, l)
		p.Succeed()
		require.NoError(t, q.WaitFinished(ctx))
		cancel()
		require.NoError(t, get(t, w).err)
		require.Equal(t, leaseWalkMessages, sent)
		require.Len(t, l.seen, 2*leaseWalkMessages)
	}
}

func TestLeaseStopWalk(t *testing.T) {
	o := leaseWalkOptions()
	o.Stop = true
	testproc.CrashWalk(t, o, leaseStops(false), leaseStops(true))
}
