package ringbuf

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/testproc"
)

func boundOptions(n int) *Options {
	return &Options{Mode: MPMC, Producers: 8, Consumers: 4, Capacity: minCapacity, MaxMessage: 100_000, MaxMessages: n, OnPeerDeath: Wait}
}

// The bound counts the messages of all producers, and is told to whoever opens.
func TestBoundOptions(t *testing.T) {
	for _, o := range []Options{{MaxMessages: 1}, {Mode: MPMC, MaxMessages: -1}} {
		_, err := New("", &o)
		require.ErrorIs(t, err, ErrOption)
		_, err = NewChan[int](t.Name(), 4, &o)
		require.ErrorIs(t, err, ErrOption)
	}
	q := queue(t, &Options{MaxMessages: 7})
	d, err := OpenQueueFile(dup(t, q.File()))
	require.NoError(t, err)
	require.Equal(t, 7, d.ring.opts.MaxMessages)
	require.NoError(t, d.Close())
}

// Q: TrySend, Full and Select see a full queue, through all producers.
func TestBoundFull(t *testing.T) {
	q := queue(t, boundOptions(3))
	d, err := OpenQueueFile(dup(t, q.File()))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	ctx := bounded(t)
	for round := range 5 {
		require.NoError(t, q.TrySend([]byte("1")))
		require.NoError(t, d.TrySend(make([]byte, 5000)))
		require.False(t, q.Full())
		require.NoError(t, q.TrySend([]byte("3")))
		for _, x := range []*Queue{q, d} {
			require.ErrorIs(t, x.TrySend([]byte("4")), ErrFull, "round %d", round)
			require.True(t, x.Full())
			i, err := TrySelect(x.CaseSend([]byte("5")))
			require.ErrorIs(t, err, ErrNotReady)
			require.Equal(t, -1, i)
		}
		ended, stop := context.WithCancel(ctx)
		blocked := async(func() ([]byte, error) { return nil, d.Send(ended, []byte("6")) })
		until(t, func() bool { return d.send.lane.l.asleep.Load() == forBound })
		stop()
		require.ErrorIs(t, get(t, blocked).err, context.Canceled)
		blocked = async(func() ([]byte, error) { return nil, d.Send(ctx, make([]byte, 100_000)) })
		selects := async(func() ([]byte, error) { _, err := Select(ctx, q.CaseSend([]byte("7"))); return nil, err })
		until(t, func() bool { return q.send.lane.l.asleep.Load() == forBound && d.send.lane.l.asleep.Load() == forBound })
		for n := range 5 {
			require.LessOrEqual(t, q.Len(), 3, n)
			_, err := q.Recv(ctx, nil)
			require.NoError(t, err)
		}
		require.NoError(t, get(t, blocked).err)
		require.NoError(t, get(t, selects).err)
		require.Zero(t, q.Len())
	}
	for range 3 {
		require.NoError(t, q.Send(ctx, nil))
	}
	fresh, err := OpenQueueFile(dup(t, q.File()))
	require.NoError(t, err)
	require.True(t, fresh.Full(), "also for who has not sent")
	require.NoError(t, fresh.Close())
}

// A batch is sent as far as there are places, and goes on; what is reserved needs one when
// it is committed.
func TestBoundBatch(t *testing.T) {
	for _, redeliver := range []bool{false, true} {
		t.Run(fmt.Sprint(redeliver), func(t *testing.T) {
			o := boundOptions(5)
			o.Redeliver = redeliver
			r, ctx := ring(t, o), bounded(t)
			p, d, c := producer(t, r), producer(t, r), consumer(t, r)
			var batch [][]byte
			for n := range 60 {
				batch = append(batch, numbered(1, n, manySize(n)))
			}
			sends := async(func() ([]byte, error) {
				n, err := p.SendBatch(ctx, batch)
				if n != len(batch) {
					err = errors.Join(err, fmt.Errorf("%d sent", n))
				}
				return nil, err
			})
			for n := range batch {
				if n+5 <= len(batch) {
					until(t, func() bool { return r.Stats().Queued == 5 })
				}
				b, err := c.Recv(ctx, nil)
				require.NoError(t, err)
				require.Equal(t, batch[n], b)
			}
			require.NoError(t, get(t, sends).err)

			room, err := p.Reserve(ctx, 20_000)
			require.NoError(t, err)
			for range 5 {
				require.NoError(t, d.Send(ctx, []byte("d")))
			}
			commits := async(func() ([]byte, error) { return nil, p.Commit(copy(room, "late")) })
			until(t, func() bool { return p.lane.l.asleep.Load() == forBound })
			require.Equal(t, 5, r.Stats().Queued)
			b, err := c.Recv(ctx, nil)
			require.NoError(t, err)
			require.Equal(t, "d", string(b))
			require.NoError(t, get(t, commits).err)
			require.Equal(t, 5, r.Stats().Queued)
			for range 5 {
				b, err = c.Recv(ctx, nil)
				require.NoError(t, err)
				if string(b) == "late" {
					require.Len(t, b, 4)
				}
			}
		})
	}
}

// A channel has a bound too.
func TestBoundChan(t *testing.T) {
	c := channel[int](t, 64, boundOptions(3))
	d, err := OpenChanFile[int](dup(t, c.File()))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	ctx := bounded(t)
	require.NoError(t, c.Send(ctx, 1))
	require.NoError(t, d.Send(ctx, 2))
	require.NoError(t, c.TrySend(3))
	require.Equal(t, 3, c.Len())
	for _, x := range []*Chan[int]{c, d} {
		require.ErrorIs(t, x.TrySend(4), ErrFull)
	}
	blocked := async(func() ([]byte, error) { return nil, c.Send(ctx, 5) })
	selects := async(func() ([]byte, error) { _, err := Select(ctx, d.CaseSend(6)); return nil, err })
	until(t, func() bool {
		return c.many.send.l.asleep.Load() == forBound && d.many.send.l.asleep.Load() == forBound
	})
	sum := 0
	for range 5 {
		require.LessOrEqual(t, c.Len(), 3)
		v, err := c.Recv(ctx)
		require.NoError(t, err)
		sum += v
	}
	require.NoError(t, get(t, blocked).err)
	require.NoError(t, get(t, selects).err)
	require.Equal(t, 1+2+3+5+6, sum)
	require.Zero(t, c.Len())
}

// Args: whose messages, how many. Sends in all ways.
var _ = testproc.Helper("bound producer", func(c *testproc.Child) {
	p := asProducer(c)
	id, count := number(c, 0), number(c, 1)
	for n := 0; n < count; {
		k, err := manySend(context.Background(), p, id, n, count)
		require.NoError(c, err)
		n += k
		c.WriteLine("%d", n)
	}
	require.NoError(c, p.Close())
})

func startBound(start func(string, ...testproc.Option) *testproc.Proc, r *Ring, id, count int) *testproc.Proc {
	return start("bound producer", testproc.Files(r.File()), testproc.Args(fmt.Sprint(id), fmt.Sprint(count)))
}

// within checks that no more messages are queued than may be, if nothing moves while
// it counts.
func within(r *Ring) (ok, quiet bool) {
	s := r.many
	where := func() (at []uint64) {
		for i := range s.usedLanes() {
			at = append(at, s.lanes[i].head.Load(), s.lanes[i].tail.Load())
		}
		return at
	}
	before, sum := where(), uint64(0)
	for i := range s.usedLanes() {
		n, _, _ := s.queued(i)
		sum += n
	}
	quiet = slices.Equal(before, where())
	return !quiet || sum <= s.bound(), quiet
}

// Producers of three processes send against a bound, of which there are never more.
func TestBoundHolds(t *testing.T) {
	for _, s := range []Strategy{Hybrid, Block} {
		for _, most := range []int{1, 2, 7} {
			t.Run(fmt.Sprint(s, most), func(t *testing.T) {
				o := boundOptions(most)
				o.Strategy = s
				r, ctx := ring(t, o), bounded(t)
				const each = 150
				for id := range 3 {
					startBound(survivor(t), r, id, each)
				}
				c := consumer(t, r)
				finished := make(chan struct{})
				checked := make(chan struct{})
				seen := 0
				go func() {
					defer close(checked)
					for {
						ok, quiet := within(r)
						if !ok {
							t.Errorf("more than %d messages", most)
							return
						}
						if quiet {
							seen++
						}
						select {
						case <-finished:
							return
						default:
						}
					}
				}()
				next := map[int]int{}
				for range 3 * each {
					b, err := c.Recv(ctx, nil)
					require.NoError(t, err)
					p, n, err := manyCheck(b)
					require.NoError(t, err)
					require.Equal(t, next[p], n, "of %d", p)
					next[p]++
				}
				close(finished)
				<-checked
				require.Positive(t, seen)
				require.Zero(t, r.Stats().Queued)
			})
		}
	}
}

var boundPoints = []string{"bound.", "lane.marked", "lane.published", "lane.written"}

// boundScenario: victims send against each other and the bound; stopped says that one
// has died or stopped. The bound holds, and when the victims are gone there are as many
// places as before.
func boundScenario(most int, stopped func(t *testing.T, v *testproc.Victim, p *testproc.Proc)) func(t *testing.T, v *testproc.Victim) {
	return func(t *testing.T, v *testproc.Victim) {
		o := boundOptions(most)
		o.Strategy = Block
		r, ctx := ring(t, o), bounded(t)
		c := consumer(t, r)
		const each = 30
		victims := []*testproc.Proc{startBound(v.Start, r, 1, each), startBound(v.Start, r, 2, each), startBound(v.Start, r, 3, each)}
		over := func() bool { return v.Fired() || ended(victims[0]) && ended(victims[1]) && ended(victims[2]) }
		for !over() {
			ok, _ := within(r)
			require.True(t, ok)
			_, err := c.TryRecv(nil)
			if err != nil {
				require.ErrorIs(t, err, ErrEmpty)
			}
		}
		for _, p := range victims {
			stopped(t, v, p)
		}
		require.LessOrEqual(t, r.Stats().Queued, most)
		p := producer(t, r)
		for {
			_, err := c.TryRecv(nil)
			if err != nil {
				break
			}
		}
		for range most {
			require.NoError(t, p.Send(ctx, []byte("place")), "there is a phantom")
		}
		require.ErrorIs(t, p.TrySend(nil), ErrFull)
		require.Equal(t, most, r.Stats().Queued)
	}
}

// Is in the way of another producer, its own, and so has to be content with less than it
// has claimed, and then with nothing. The bound is 4.
var _ = testproc.Helper("bound contender", func(c *testproc.Child) {
	r := opened(c)
	first, err := r.Producer()
	require.NoError(c, err)
	second, err := r.Producer()
	require.NoError(c, err)
	require.Less(c, first.lane.i, second.lane.i)
	e, err := r.Consumer()
	require.NoError(c, err)
	p, other := second.lane, &first.lane.l.claim
	require.NoError(c, p.befriend())
	for most := range 4 {
		other.Store(4 - uint32(most))
		p.gather([][]byte{{1}, {2}, {3}, {4}})
		got, left, over := p.stake(4, new(int))
		require.False(c, over)
		require.EqualValues(c, most, got)
		if got > 0 {
			other.Store(0)
			require.NoError(c, p.publish(p.ends[got-1], got, p.sizes[got-1]))
			p.settled(left)
		}
		for range most {
			_, err = e.Recv(context.Background(), nil)
			require.NoError(c, err)
		}
	}
	other.Store(0)
	r.many.h.full.Store(1) // which nobody waits for
	require.NoError(c, second.Send(context.Background(), nil))
	require.NoError(c, r.Close())
})

// boundContends: the victim claims more than it gets.
func boundContends(stopped func(t *testing.T, v *testproc.Victim, p *testproc.Proc)) func(t *testing.T, v *testproc.Victim) {
	return func(t *testing.T, v *testproc.Victim) {
		r := ring(t, boundOptions(4))
		p := v.Start("bound contender", testproc.Files(r.File()))
		until(t, func() bool { return v.Fired() || ended(p) })
		stopped(t, v, p)
		require.LessOrEqual(t, r.Stats().Queued, 4)
		d, left := producer(t, r), 4-r.Stats().Queued
		for range left {
			require.NoError(t, d.Send(bounded(t), nil))
		}
		require.Equal(t, 4, r.Stats().Queued)
		require.ErrorIs(t, d.TrySend(nil), ErrFull)
	}
}

// S1: producers that die anywhere in a Send leave no place taken that is not.
func TestBoundCrashWalk(t *testing.T) {
	kill := func(_ *testing.T, _ *testproc.Victim, p *testproc.Proc) {
		p.Kill()
		p.Wait()
	}
	testproc.CrashWalk(t, &testproc.WalkOptions{Prefix: boundPoints}, boundScenario(1, kill), boundScenario(4, kill), boundContends(kill))
}

// S2: while they are stopped, the others go on in the places that they have not claimed,
// and then all do.
func TestBoundStopWalk(t *testing.T) {
	goOn := func(_ *testing.T, _ *testproc.Victim, p *testproc.Proc) {
		if p.WaitStopped() {
			p.Cont()
		}
		p.Succeed()
	}
	testproc.CrashWalk(t, &testproc.WalkOptions{Prefix: boundPoints, Stop: true}, boundContends(goOn), func(t *testing.T, v *testproc.Victim) {
		o := boundOptions(4)
		o.Strategy = Block
		r, ctx := ring(t, o), bounded(t)
		c := consumer(t, r)
		const each = 20
		victim := startBound(v.Start, r, 1, each)
		others := []*testproc.Proc{startBound(survivor(t), r, 2, each), startBound(survivor(t), r, 3, each)}
		got := map[int]int{}
		for got[1] < each || got[2] < each || got[3] < each {
			ok, _ := within(r)
			require.True(t, ok)
			if got[2] == each && got[3] == each {
				victim.Cont()
			}
			b, err := c.TryRecv(nil)
			if err != nil {
				require.ErrorIs(t, err, ErrEmpty)
				require.NoError(t, ctx.Err())
				continue
			}
			p, n, err := manyCheck(b)
			require.NoError(t, err)
			require.Equal(t, got[p], n)
			got[p]++
		}
		until(t, func() bool { victim.Cont(); return ended(victim) })
		victim.Succeed()
		for _, p := range others {
			p.Succeed()
		}
	})
}
