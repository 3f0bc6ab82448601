package ringbuf

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/testproc"
)

func joining(t *testing.T, q *Queue) <-chan result {
	t.Helper()
	done := async(func() ([]byte, error) { return nil, q.WaitFinished(bounded(t)) })
	until(t, func() bool { return q.ring.many.h.joiners.Load() != 0 })
	return done
}

func waits(t *testing.T, done <-chan result) {
	t.Helper()
	time.Sleep(120 * time.Millisecond) // sleep: longer than two looks, so that a joiner that errs has done so
	select {
	case r := <-done:
		t.Fatalf("WaitFinished returned %v", r.err)
	default:
	}
}

func TestJoinEnds(t *testing.T) {
	q := leaseQueue(t, false)
	require.NoError(t, q.Send(bounded(t), nil))
	ctx, cancel := context.WithCancel(t.Context())
	done := async(func() ([]byte, error) { return nil, q.WaitFinished(ctx) })
	until(t, func() bool { return q.ring.many.h.joiners.Load() != 0 })
	cancel()
	require.ErrorIs(t, get(t, done).err, context.Canceled)
	d := another(t, q)
	done = joining(t, d)
	other := async(func() ([]byte, error) { return nil, q.WaitFinished(bounded(t)) })
	require.NoError(t, d.Close())
	require.ErrorIs(t, get(t, done).err, ErrClosed)
	require.NoError(t, q.CloseSend(bounded(t)))
	_, err := q.Recv(bounded(t), nil)
	require.NoError(t, err)
	require.NoError(t, get(t, other).err)
}

func TestJoinX06NobodyElse(t *testing.T) {
	q := leaseQueue(t, false)
	w := leaseWorker(t, q)
	tells(w, "send", "sent")
	tells(w, "lease", "1 0 false")
	done := joining(t, q)
	waits(t, done)
	w.Kill()
	require.NoError(t, get(t, done).err)
	require.Zero(t, q.Unfinished())
	require.Zero(t, q.ring.many.usedLanes()[0].PID())
}

func TestJoinX06WorkersKilledInTurn(t *testing.T) {
	const messages = 12
	q := leaseQueue(t, true)
	ctx := bounded(t)
	for i := range messages {
		require.NoError(t, q.Send(ctx, numbered(0, i, 100)))
	}
	j := leaseWorker(t, q) // only joins
	j.WriteLine("join")
	done := joining(t, another(t, q))
	left := messages
	for range 3 {
		w := leaseWorker(t, q)
		for range 2 {
			w.WriteLine("lease")
			require.True(t, strings.HasPrefix(w.ReadLine(), "0 "))
		}
		tells(w, "done", "done")
		left--
		require.Equal(t, left, q.Unfinished())
		w.Kill()
		w.Wait()
	}
	waits(t, done)
	w := leaseWorker(t, q)
	for range left {
		w.WriteLine("lease")
		require.True(t, strings.HasPrefix(w.ReadLine(), "0 "))
	}
	for ; left > 1; left-- {
		tells(w, "done", "done")
		require.Equal(t, left-1, q.Unfinished())
	}
	waits(t, done)
	tells(w, "done", "done")
	require.NoError(t, get(t, done).err)
	j.Expect("joined")
	require.Zero(t, q.Unfinished())
}

func TestJoinWaitsForWhatWorkMakes(t *testing.T) {
	const depth = 7 // each message makes two of the next depth
	q := leaseQueue(t, true)
	d := another(t, q)
	ctx, cancel := context.WithCancel(bounded(t))
	var all sync.WaitGroup
	var did atomic.Int64
	for _, h := range []*Queue{q, d} { // take the roles
		require.NoError(t, h.Send(ctx, numbered(0, 0, 16)))
		_, err := h.Recv(ctx, nil)
		require.NoError(t, err)
	}
	for g := range 4 {
		h := []*Queue{q, d}[g%2]
		all.Go(func() {
			for {
				l, err := h.Lease(ctx)
				if err != nil {
					return
				}
				_, n := numbers(t, l.Bytes())
				if n > 0 {
					for range 2 {
						if err := h.Send(ctx, numbered(0, n-1, 16)); err != nil {
							t.Errorf("send: %v", err)
						}
					}
				}
				did.Add(1)
				if err := l.Done(); err != nil {
					t.Errorf("done: %v", err)
				}
			}
		})
	}
	o := another(t, q)
	for round := range 50 {
		require.NoError(t, q.Send(ctx, numbered(0, depth, 16)))
		require.NoError(t, []*Queue{q, o}[round%2].WaitFinished(ctx))
		require.EqualValues(t, (round+1)*(1<<(depth+1)-1), did.Load())
	}
	cancel()
	all.Wait()
}

func TestJoinMany(t *testing.T) {
	for range 30 {
		q := leaseQueue(t, true)
		d := another(t, q)
		ctx := bounded(t)
		for _, h := range []*Queue{q, d} { // take the roles
			require.NoError(t, h.Send(ctx, nil))
			l, err := h.Lease(ctx)
			require.NoError(t, err)
			require.NoError(t, l.Done())
		}
		const each = 50
		var all sync.WaitGroup
		for _, h := range []*Queue{q, d} {
			for range 2 {
				all.Go(func() {
					for i := range each {
						if err := h.Send(ctx, numbered(0, i, 40)); err != nil {
							t.Errorf("send: %v", err)
						}
						if i%10 == 9 {
							if err := h.WaitFinished(ctx); err != nil {
								t.Errorf("join: %v", err)
							}
						}
					}
				})
				all.Go(func() {
					for range each {
						l, err := h.Lease(ctx)
						if err == nil {
							err = l.Done()
						}
						if err != nil {
							t.Errorf("lease: %v", err)
						}
					}
				})
			}
		}
		all.Wait()
		require.Zero(t, q.Unfinished())
	}
}

func TestJoinX06HeadNotMoved(t *testing.T) {
	testproc.CrashWalk(t, &testproc.WalkOptions{Prefix: []string{"lane.held"}, Stop: true}, func(t *testing.T, v *testproc.Victim) {
		q := leaseQueue(t, false)
		w := v.Start("lease.worker", testproc.Files(q.File()))
		w.Expect("here")
		require.NoError(t, q.Send(bounded(t), numbered(0, 0, 100)))
		require.Equal(t, 1, q.Unfinished())
		w.WriteLine("lease")
		until(t, v.Fired)
		require.True(t, w.WaitStopped())
		require.Equal(t, 1, q.Unfinished())
		require.NotZero(t, q.ring.many.waiting(&q.ring.many.lanes[0]))
		done := joining(t, q)
		waits(t, done)
		w.Kill()
		require.NoError(t, get(t, done).err)
		require.Zero(t, q.Unfinished())
	})
}
