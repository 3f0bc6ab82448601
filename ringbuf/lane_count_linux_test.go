package ringbuf

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/testproc"
)

// The number of messages is exact at rest: small ones and large ones, over the end of
// the lane, in batches and behind the end of the stream.
func TestLenExact(t *testing.T) {
	for name, o := range map[string]Options{
		"at most once": {MaxMessage: 150_000, Capacity: minCapacity}, "redeliver": {MaxMessage: 150_000, Capacity: minCapacity, Redeliver: true},
		"bound": {MaxMessage: 150_000, Capacity: minCapacity, MaxMessages: 100}, "bound, redeliver": {MaxMessage: 150_000, Capacity: minCapacity, MaxMessages: 100, Redeliver: true},
	} {
		t.Run(name, func(t *testing.T) {
			q, ctx := queue(t, &o), bounded(t)
			count := func(n int) {
				t.Helper()
				require.Equal(t, n, q.Len())
				require.Equal(t, n, q.Stats().Queued)
			}
			count(0)
			for n := range 400 { // around the end, with fillers
				require.NoError(t, q.Send(ctx, make([]byte, n*7%1500)))
				count(1)
				require.NoError(t, q.Send(ctx, make([]byte, manySize(n%5))))
				count(2)
				_, err := q.Recv(ctx, nil)
				require.NoError(t, err)
				count(1)
				_, err = q.Recv(ctx, nil)
				require.NoError(t, err)
				count(0)
			}
		})
	}
}

// Several producers; held messages do not count; what is refused at the end neither.
func TestCountOfRing(t *testing.T) {
	for name, o := range map[string]Options{"small": {Mode: MPMC}, "held": {Mode: MPMC, Redeliver: true}} {
		t.Run(name, func(t *testing.T) {
			r, ctx := ring(t, &o), bounded(t)
			p, q, c := producer(t, r), producer(t, r), consumer(t, r)
			n, err := p.SendBatch(ctx, make([][]byte, 10))
			require.NoError(t, err)
			require.Equal(t, 10, n)
			room, err := q.Reserve(ctx, 2000)
			require.NoError(t, err)
			require.Equal(t, 10, r.Stats().Queued)
			require.NoError(t, q.Commit(copy(room, "x")))
			require.Equal(t, 11, r.Stats().Queued)
			for n := 10; n >= 0; n-- {
				_, err := c.Next(ctx)
				require.NoError(t, err)
				require.Equal(t, n, r.Stats().Queued, "a message in hand is received")
				c.Release()
				require.Equal(t, n, r.Stats().Queued)
			}
			require.NoError(t, q.Send(ctx, nil))
			room, err = p.Reserve(ctx, 10)
			require.NoError(t, err)
			require.NoError(t, q.CloseSend())
			require.ErrorIs(t, p.Commit(copy(room, "late")), ErrClosed)
			for range 3 {
				require.ErrorIs(t, p.Send(ctx, []byte("later")), ErrClosed)
				n, err := p.SendBatch(ctx, make([][]byte, 2))
				require.ErrorIs(t, err, ErrClosed)
				require.Zero(t, n)
				require.Equal(t, 1, r.Stats().Queued, "of what is behind the end")
			}
			require.NoError(t, p.Close())
			again := producer(t, r)
			require.ErrorIs(t, again.Send(ctx, nil), ErrClosed)
			require.Equal(t, 1, r.Stats().Queued)
		})
	}
}

// countSent is how many messages are sent: all fit.
const countSent = 12

// Sends to a ring, in all ways.
var _ = testproc.Helper("count producer", func(c *testproc.Child) {
	p := asProducer(c)
	for n := 0; n < countSent; {
		k, err := manySend(context.Background(), p, 1, n, countSent)
		require.NoError(c, err)
		n += k
	}
	require.NoError(c, p.Close())
})

// Receives some of the messages, in all ways.
var _ = testproc.Helper("count consumer", func(c *testproc.Child) {
	e := asConsumer(c)
	for k := range countSent / 2 {
		require.NoError(c, manyReceive(context.Background(), e, k, func([]byte, bool) {}))
	}
	require.NoError(c, e.ring.Close())
})

var countPoints = []string{"lane.written", "lane.copied", "lane.marked", "lane.published", "lane.taken", "lane.held", "lane.released"}

// countScenario lets a victim send, and another receive, and checks the count against
// what is there when the victims are at rest, which stopped says.
func countScenario(redeliver bool, stopped func(t *testing.T, v *testproc.Victim, p *testproc.Proc)) func(t *testing.T, v *testproc.Victim) {
	return func(t *testing.T, v *testproc.Victim) {
		o := manyWalkOptions(redeliver)
		o.Capacity = 256 << 10 // all fits, and what is larger is big
		r := ring(t, o)
		c := consumer(t, r)
		p := v.Start("count producer", testproc.Files(r.File()))
		stopped(t, v, p)
		e := v.Start("count consumer", testproc.Files(r.File()))
		if !v.Fired() {
			stopped(t, v, e)
		} else {
			producer(t, r) // else there is nobody to receive from
			e.Kill()
			e.Wait()
		}
		count, n := r.Stats().Queued, 0
		for {
			_, err := c.TryRecv(nil)
			if err != nil {
				break
			}
			if c.Redelivered() {
				continue
			}
			n++
			require.Equal(t, count-n, r.Stats().Queued)
		}
		require.Equal(t, count, n)
		p.Cont()
		e.Cont()
		p.Wait()
		e.Kill()
		e.Wait()
		require.NoError(t, c.Close())
	}
}

// S1: wherever a producer or consumer dies, the number of messages is that of the
// messages.
func TestCountCrashWalk(t *testing.T) {
	end := func(_ *testing.T, _ *testproc.Victim, p *testproc.Proc) { p.Wait() }
	testproc.CrashWalk(t, &testproc.WalkOptions{Prefix: countPoints, Hits: 3}, countScenario(false, end), countScenario(true, end))
}

// S2: the same, while they are stopped there.
func TestCountStopWalk(t *testing.T) {
	stop := func(t *testing.T, v *testproc.Victim, p *testproc.Proc) { p.WaitStopped() }
	testproc.CrashWalk(t, &testproc.WalkOptions{Prefix: countPoints, Hits: 2, Stop: true}, countScenario(false, stop), countScenario(true, stop))
}
