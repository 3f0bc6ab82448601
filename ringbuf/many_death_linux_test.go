package ringbuf

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/mem"
	"github.com/shmkit/shmkit/internal/robust"
	"github.com/shmkit/shmkit/internal/testproc"
)

// eachManyStrategy runs fn with each mode and strategy.
func eachManyStrategy(t *testing.T, fn func(t *testing.T, o Options)) {
	for _, m := range many {
		for _, s := range strategies {
			t.Run(fmt.Sprintf("%v/%v", m, s), func(t *testing.T) {
				fn(t, Options{Mode: m, Strategy: s, Capacity: minCapacity})
			})
		}
	}
}

// Args: id and how many messages. Sends them, begins one more, and does as told.
var _ = testproc.Helper("many.sender", func(c *testproc.Child) {
	p := asProducer(c)
	for n := range number(c, 1) {
		require.NoError(c, p.Send(context.Background(), numbered(number(c, 0), n, 16)))
	}
	room, err := p.Reserve(context.Background(), 5000) // in the middle of a message
	require.NoError(c, err)
	copy(room, "half of it")
	c.WriteLine("sent")
	require.Equal(c, "leave", c.ReadLine())
	require.NoError(c, p.Close())
	c.WriteLine("left")
	c.Park()
})

// Args: how many messages it takes and releases before one that it holds.
var _ = testproc.Helper("many.taker", func(c *testproc.Child) {
	e := asConsumer(c)
	c.WriteLine("here")
	for range number(c, 0) {
		_, err := e.Recv(context.Background(), nil)
		require.NoError(c, err)
	}
	_, err := e.Next(context.Background())
	require.NoError(c, err)
	c.WriteLine("holds")
	for {
		switch c.ReadLine() {
		case "release":
			e.Release()
			c.WriteLine("released")
		case "leave":
			require.NoError(c, e.Close())
			c.WriteLine("left")
		}
	}
})

func startMany(t *testing.T, helper string, r *Ring, args ...int) *testproc.Proc {
	t.Helper()
	var s []string
	for _, a := range args {
		s = append(s, fmt.Sprint(a))
	}
	return testproc.Start(t, helper, testproc.Files(r.File()), testproc.Args(s...))
}

// takes receives the messages of producer id from one to another.
func takes(t *testing.T, c *Consumer, id, from, to int) {
	t.Helper()
	for want := from; want < to; want++ {
		b, err := c.Recv(bounded(t), nil)
		require.NoError(t, err)
		p, n := numbers(t, b)
		require.Equal(t, [2]int{id, want}, [2]int{p, n})
	}
}

// X05: the last producer is killed in the middle of a message. The consumers get all
// that was published, then the news, and a new producer ends the mourning.
func TestManyX05ProducerKilled(t *testing.T) {
	eachManyStrategy(t, func(t *testing.T, o Options) {
		r := ring(t, &o)
		c := consumer(t, r)
		p := startMany(t, "many.sender", r, 1, 20)
		p.Expect("sent")
		takes(t, c, 1, 0, 10)
		p.Kill()
		p.Wait()
		takes(t, c, 1, 10, 20)
		for range 2 {
			_, err := c.Recv(bounded(t), nil)
			require.ErrorIs(t, err, ErrPeerDied)
			_, err = c.TryRecv(nil)
			require.ErrorIs(t, err, ErrPeerDied)
		}
		q := startMany(t, "many.sender", r, 2, 5)
		q.Expect("sent")
		takes(t, c, 2, 0, 5)
		_, err := c.TryRecv(nil)
		require.ErrorIs(t, err, ErrEmpty)
		q.WriteLine("leave")
		q.Expect("left")
		_, err = c.Recv(bounded(t), nil)
		require.Equal(t, io.EOF, err)
	})
}

// X05: everybody who sleeps hears of the death, though the kernel wakes only one.
func TestManyX05AllHearOfIt(t *testing.T) {
	for _, s := range []Strategy{Hybrid, Block} {
		r := ring(t, &Options{Mode: MPMC, Strategy: s, Capacity: minCapacity})
		p := startMany(t, "many.sender", r, 1, 0)
		p.Expect("sent")
		var waits []<-chan result
		for range 5 {
			c := consumer(t, r)
			waits = append(waits, async(func() ([]byte, error) { return c.Recv(bounded(t), nil) }))
			until(t, func() bool { return c.lane.seat.asleep.Load() != 0 })
		}
		p.Kill()
		for _, w := range waits {
			require.ErrorIs(t, get(t, w).err, ErrPeerDied)
		}
	}
}

// While one producer lives, the death of another is no news.
func TestManyOneOfTwoDies(t *testing.T) {
	r := ring(t, &Options{Mode: MPSC, Capacity: minCapacity})
	c := consumer(t, r)
	p := startMany(t, "many.sender", r, 1, 3)
	p.Expect("sent")
	q := producer(t, r)
	p.Kill()
	p.Wait()
	takes(t, c, 1, 0, 3)
	done := async(func() ([]byte, error) { return c.Recv(bounded(t), nil) })
	until(t, func() bool { return c.lane.seat.asleep.Load() != 0 })
	require.NoError(t, q.Send(bounded(t), numbered(2, 0, 16)))
	require.NoError(t, get(t, done).err)
	require.NoError(t, q.Close())
	_, err := c.Recv(bounded(t), nil)
	require.ErrorIs(t, err, ErrPeerDied, "a stream was cut short")
	// The lane of the dead is the first to be taken.
	lane := producer(t, r).lane.i
	require.Equal(t, 0, lane)
	require.NoError(t, c.Close())
}

// OnPeerDeath Wait: those who wait go on doing so, until somebody comes.
func TestManyPatience(t *testing.T) {
	eachManyStrategy(t, func(t *testing.T, o Options) {
		o.OnPeerDeath, o.Consumers = Wait, 0
		r := ring(t, &o)
		c := consumer(t, r)
		p := startMany(t, "many.sender", r, 1, 1)
		p.Expect("sent")
		takes(t, c, 1, 0, 1)
		done := async(func() ([]byte, error) { return c.Recv(bounded(t), nil) })
		if o.Strategy != Spin {
			until(t, func() bool { return c.lane.seat.asleep.Load() != 0 })
		}
		p.Kill()
		p.Wait()
		q := producer(t, r)
		require.NoError(t, q.Send(bounded(t), numbered(2, 0, 16)))
		require.NoError(t, get(t, done).err)

		require.NoError(t, c.Close())
		fillMany(t, q, 1000)
		done = async(func() ([]byte, error) { return nil, q.Send(bounded(t), numbered(2, 1, 1000)) })
		if o.Strategy != Spin {
			until(t, func() bool { return q.lane.l.asleep.Load() != awake })
		}
		d := startMany(t, "many.taker", r, 1)
		d.Expect("here")
		require.NoError(t, get(t, done).err)
		d.Expect("holds")
		d.Kill()
		d.Wait()
		require.NoError(t, r.Close())
	})
}

// fillMany sends until nothing more fits.
func fillMany(t *testing.T, p *Producer, size int) (n int) {
	t.Helper()
	for ; ; n++ {
		err := p.TrySend(numbered(2, n, size))
		if err != nil {
			require.ErrorIs(t, err, ErrFull)
			return n
		}
	}
}

// X06: the last consumer is killed, or leaves, while a producer waits for room.
func TestManyX06ConsumerGone(t *testing.T) {
	eachManyStrategy(t, func(t *testing.T, o Options) {
		for _, killed := range []bool{true, false} {
			r := ring(t, &o)
			p := producer(t, r)
			c := startMany(t, "many.taker", r, 1)
			c.Expect("here")
			require.NoError(t, p.Send(bounded(t), numbered(1, 0, 1000)))
			require.NoError(t, p.Send(bounded(t), numbered(1, 1, 1000)))
			c.Expect("holds")
			fillMany(t, p, 1000)
			done := async(func() ([]byte, error) { return nil, p.Send(bounded(t), numbered(1, 2, 1000)) })
			if o.Strategy != Spin {
				until(t, func() bool { return p.lane.l.asleep.Load() == forRoom })
			}
			if killed {
				c.Kill()
			} else {
				c.WriteLine("leave")
				c.Expect("left")
			}
			err := get(t, done).err
			require.ErrorIs(t, err, ErrNoConsumer)
			require.Equal(t, killed, errors.Is(err, ErrPeerDied))
			c.Kill()
			c.Wait()
			require.ErrorIs(t, p.TrySend(nil), ErrNoConsumer)
			// Another one takes over, and all is well.
			d := startMany(t, "many.taker", r, 3)
			d.Expect("here")
			d.Expect("holds")
			require.NoError(t, p.Send(bounded(t), numbered(1, 2, 1000)))
			d.Kill()
			d.Wait()
		}
	})
}

// X06: the only consumer comes when the producer sleeps already, and is killed before
// it takes anything.
func TestManyX06ConsumerComesAndDies(t *testing.T) {
	for _, size := range []int{1000, 10_000} {
		r := ring(t, &Options{Mode: MPMC, Strategy: Block, Capacity: minCapacity})
		p := producer(t, r)
		fillMany(t, p, size)
		done := async(func() ([]byte, error) { return nil, p.Send(bounded(t), numbered(1, 2, size)) })
		until(t, func() bool { return p.lane.l.asleep.Load() != awake })
		c := testproc.Start(t, "many.idle", testproc.Files(r.File()))
		c.Expect("here")
		c.Kill()
		err := get(t, done).err
		require.ErrorIs(t, err, ErrNoConsumer)
		require.ErrorIs(t, err, ErrPeerDied)
	}
}

var _ = testproc.Helper("many.idle", func(c *testproc.Child) {
	r := opened(c)
	var err error
	if len(c.Args) > 0 {
		_, err = r.Producer()
	} else {
		_, err = r.Consumer()
	}
	if err != nil {
		c.WriteLine("%v %v", errors.Is(err, ErrTooManyProcesses), errors.Is(err, ErrBusy))
		return
	}
	c.WriteLine("here")
	c.Park()
})

// There are as many roles as the ring was made for, and those of the dead are free.
func TestManyTooManyProcesses(t *testing.T) {
	for _, m := range many {
		r := ring(t, &Options{Mode: m, Capacity: minCapacity, Producers: min(2, maxOf(m, MPSC)), Consumers: min(2, maxOf(m, SPMC))})
		for _, role := range []struct {
			args []testproc.Option
			most int
		}{
			{[]testproc.Option{testproc.Args("producer")}, r.opts.Producers},
			{nil, r.opts.Consumers},
		} {
			start := func() *testproc.Proc {
				return testproc.Start(t, "many.idle", append([]testproc.Option{testproc.Files(r.File())}, role.args...)...)
			}
			var first *testproc.Proc
			for i := range role.most {
				p := start()
				p.Expect("here")
				if i == 0 {
					first = p
				}
			}
			start().Expect(fmt.Sprintf("%v %v", role.most > 1, role.most == 1))
			require.True(t, first.Stop(), "stopped is not dead")
			start().Expect(fmt.Sprintf("%v %v", role.most > 1, role.most == 1))
			first.Kill()
			start().Expect("here")
		}
	}
}

// maxOf is 2 where mode m has many of what mode one has many of.
func maxOf(m, one Mode) int {
	if m == one || m == MPMC {
		return 2
	}
	return 1
}

// X06: a consumer is killed that holds so much memory that the producer waits for it:
// the look buries it, and nobody has to join. A stopped one keeps what it holds.
func TestManyX06KilledHoldingAnExtent(t *testing.T) {
	for _, again := range []bool{false, true} {
		for _, size := range []int{60_000, 200_000} { // in what stays allocated, and beyond
			t.Run(fmt.Sprintf("%d/redeliver=%v", size, again), func(t *testing.T) {
				r := ring(t, &Options{Mode: MPMC, Strategy: Block, Capacity: minCapacity, MaxMessage: size, Redeliver: again})
				p := producer(t, r)
				holds := func(n int) *testproc.Proc {
					require.NoError(t, p.Send(bounded(t), numbered(1, n, size)))
					c := startMany(t, "many.taker", r, 0)
					c.Expect("here")
					c.Expect("holds")
					return c
				}
				var cs []*testproc.Proc
				full := 4 // of the largest fit
				if size == 60_000 {
					full = 5 // and one into what stays allocated
				}
				for n := range full {
					cs = append(cs, holds(n))
				}
				consumer(t, r) // lives
				before := p.lane.l.waits.Load()
				require.ErrorIs(t, p.TrySend(numbered(1, full, size)), ErrFull)
				require.True(t, cs[0].Stop())
				ctx, cancel := context.WithTimeout(t.Context(), 150*time.Millisecond) // longer than a few looks
				defer cancel()
				require.ErrorIs(t, p.Send(ctx, numbered(1, full, size)), context.DeadlineExceeded)
				require.Less(t, p.lane.l.waits.Load()-before, uint64(20), "it sleeps meanwhile")
				done := async(func() ([]byte, error) { return nil, p.Send(bounded(t), numbered(1, full, size)) })
				until(t, func() bool { return p.lane.l.asleep.Load() == forExtent })
				if again { // then it has to be received again, by one that lives
					cs[1].WriteLine("release")
					cs[1].Expect("released")
				} else {
					cs[0].Kill()
				}
				require.NoError(t, get(t, done).err)
			})
		}
	}
}

// With Redeliver what a dead consumer held is received again, by one who sleeps.
func TestManyX06Redelivered(t *testing.T) {
	eachManyStrategy(t, func(t *testing.T, o Options) {
		if o.Mode == MPSC {
			return // nobody is left to receive it again
		}
		o.Redeliver = true
		r := ring(t, &o)
		p := producer(t, r)
		holder := startMany(t, "many.taker", r, 0)
		holder.Expect("here")
		require.NoError(t, p.Send(bounded(t), numbered(1, 0, 100)))
		holder.Expect("holds")
		c := consumer(t, r)
		require.NoError(t, p.CloseSend())
		// The end has to wait: what others hold may come again. It sleeps meanwhile.
		ctx, cancel := context.WithTimeout(t.Context(), 150*time.Millisecond) // longer than a few looks
		defer cancel()
		before := c.lane.seat.waits.Load()
		_, err := c.Recv(ctx, nil)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		if o.Strategy != Spin {
			require.Less(t, c.lane.seat.waits.Load()-before, uint64(50), "it sleeps")
		}
		done := async(func() ([]byte, error) { return c.Recv(bounded(t), nil) })
		holder.Kill()
		got := get(t, done)
		require.NoError(t, got.err)
		_, n := numbers(t, got.b)
		require.Zero(t, n)
		require.True(t, c.Redelivered())
		_, err = c.Recv(bounded(t), nil)
		require.Equal(t, io.EOF, err)
	})
}

// With Redeliver what a dead consumer held is received again soon also where there is
// always something to receive, so that nobody waits.
func TestManyX06RedeliveredAmongOthers(t *testing.T) {
	for _, producers := range []int{1, 2} {
		r := ring(t, &Options{Mode: MPMC, Redeliver: true, Capacity: minCapacity})
		holder := startMany(t, "many.taker", r, 0)
		holder.Expect("here")
		var ps []*Producer
		for range producers {
			ps = append(ps, producer(t, r))
		}
		require.NoError(t, ps[0].Send(bounded(t), numbered(1, 0, 100)))
		holder.Expect("holds")
		c := consumer(t, r)
		for _, p := range ps {
			require.NoError(t, p.Send(bounded(t), numbered(1, 1, 100)))
		}
		holder.Kill()
		holder.Wait()
		found := false
		for n := 0; n < 3*burstMost && !found; n++ {
			require.NoError(t, ps[n%producers].Send(bounded(t), numbered(1, 2+n, 100)))
			b, err := c.Recv(bounded(t), nil)
			require.NoError(t, err)
			if found = c.Redelivered(); found {
				_, k := numbers(t, b)
				require.Zero(t, k)
			}
		}
		require.True(t, found, "among %d producers' messages", producers)
		require.Zero(t, c.lane.seat.waits.Load())
	}
}

// The end waits for what another consumer holds, and comes at once when it releases it.
func TestManyEndWaitsForRelease(t *testing.T) {
	r := ring(t, &Options{Mode: SPMC, Strategy: Block, Redeliver: true, Capacity: minCapacity})
	p, c, d := producer(t, r), consumer(t, r), consumer(t, r)
	require.NoError(t, p.Send(bounded(t), numbered(1, 0, 100)))
	_, err := c.Next(bounded(t))
	require.NoError(t, err)
	require.NoError(t, p.CloseSend())
	_, err = d.TryRecv(nil)
	require.ErrorIs(t, err, ErrEmpty)
	done := async(func() ([]byte, error) { return d.Recv(bounded(t), nil) })
	until(t, func() bool { return d.lane.seat.asleep.Load() != 0 })
	c.Release()
	require.Equal(t, io.EOF, get(t, done).err)
}

// A burier is stopped between giving a message up and saying so: another consumer
// receives it all the same.
func TestManyUnannounced(t *testing.T) {
	r := ring(t, &Options{Mode: MPMC, Strategy: Block, Redeliver: true, Capacity: minCapacity})
	p, c, d := producer(t, r), consumer(t, r), consumer(t, r)
	require.NoError(t, p.Send(bounded(t), numbered(1, 0, 100)))
	_, err := c.Next(bounded(t))
	require.NoError(t, err)
	done := async(func() ([]byte, error) { return d.Recv(bounded(t), nil) })
	until(t, func() bool { return d.lane.seat.asleep.Load() != 0 })
	h := c.lane.held
	require.True(t, r.many.giveUp(h.spot, h.was, nobody), "as bury does, which then says so")
	require.NoError(t, get(t, done).err)
	require.True(t, d.Redelivered())
}

// X05: the stream is ended while a producer is stopped in the middle of a Send. The
// receivers get the end at once, and the stopped one ErrClosed when it goes on.
func TestManyX05EndWhileStopped(t *testing.T) {
	for _, point := range []string{"lane.written", "lane.copied"} {
		o := &testproc.WalkOptions{Prefix: []string{point}, Stop: true}
		testproc.CrashWalk(t, o, func(t *testing.T, v *testproc.Victim) {
			r := ring(t, &Options{Mode: MPMC, Strategy: Block, Capacity: minCapacity})
			c, d := consumer(t, r), consumer(t, r)
			p := v.Start("many.interrupted", testproc.Files(r.File()))
			require.True(t, p.WaitStopped())
			sent := r.Len() / 24
			done := async(func() ([]byte, error) {
				for {
					if _, err := d.Recv(bounded(t), nil); err != nil {
						return nil, err
					}
				}
			})
			until(t, func() bool { return d.lane.seat.asleep.Load() != 0 })
			q := producer(t, r)
			require.NoError(t, q.CloseSend())
			require.ErrorIs(t, q.Send(bounded(t), nil), ErrClosed)
			require.Equal(t, io.EOF, get(t, done).err)
			_, err := c.Recv(bounded(t), nil)
			require.Equal(t, io.EOF, err)
			p.Cont()
			p.Expect(fmt.Sprint(sent))
			_, err = c.TryRecv(nil)
			require.Equal(t, io.EOF, err, "what it wrote then is behind the end")
			p.Succeed()
		})
	}
}

// Sends until the stream has ended, and says how often that succeeded.
var _ = testproc.Helper("many.interrupted", func(c *testproc.Child) {
	p := asProducer(c)
	for n := 0; ; n++ {
		err := p.Send(context.Background(), numbered(1, n, 16))
		if errors.Is(err, ErrClosed) {
			c.WriteLine("%d", n)
			break
		}
		require.NoError(c, err)
	}
	require.ErrorIs(c, p.Send(context.Background(), nil), ErrClosed)
	require.NoError(c, p.ring.Close())
})

// Close from another goroutine ends a wait, asleep or spinning, and is never in the way
// of a call that begins.
func TestManyCloseUnblocks(t *testing.T) {
	eachManyStrategy(t, func(t *testing.T, o Options) {
		o.MaxMessage = 200_000
		for name, w := range map[string]struct {
			sends int // size of what fills the lane
			call  func(p *Producer, c *Consumer) error
		}{
			"Recv":    {0, func(_ *Producer, c *Consumer) error { _, err := c.Recv(bounded(t), nil); return err }},
			"Next":    {0, func(_ *Producer, c *Consumer) error { _, err := c.Next(bounded(t)); return err }},
			"Send":    {1000, func(p *Producer, _ *Consumer) error { return p.Send(bounded(t), make([]byte, 1000)) }},
			"Send 2":  {10_000, func(p *Producer, _ *Consumer) error { return p.Send(bounded(t), make([]byte, 10_000)) }},
			"Reserve": {10_000, func(p *Producer, _ *Consumer) error { _, err := p.Reserve(bounded(t), 10_000); return err }},
		} {
			r := ring(t, &o)
			p, c := producer(t, r), consumer(t, r)
			busy, closes := &c.busy, c.Close
			if w.sends > 0 {
				fillMany(t, p, w.sends)
				busy, closes = &p.busy, p.Close
			}
			done := async(func() ([]byte, error) { return nil, w.call(p, c) })
			until(t, func() bool { return busy.Load() == 1 })
			testproc.Within(t, func() {
				if err := closes(); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			})
			require.ErrorIs(t, get(t, done).err, ErrClosed, name)
		}
	})
}

// What was reserved is given up by Close, by whichever goroutine, while calls begin.
func TestManyCloseWhileReserving(t *testing.T) {
	r := ring(t, &Options{Mode: MPSC, Capacity: minCapacity, MaxMessage: 200_000})
	for range 20 {
		p := producer(t, r)
		begun := make(chan struct{})
		done := async(func() ([]byte, error) {
			for i := 0; ; i++ {
				if _, err := p.Reserve(bounded(t), 100_000); err != nil {
					return nil, err
				}
				if i == 0 {
					close(begun)
				}
				if i%3 == 0 {
					p.Abort()
				}
			}
		})
		<-begun
		require.NoError(t, p.Close())
		require.ErrorIs(t, get(t, done).err, ErrClosed)
		require.ErrorIs(t, p.Commit(1), ErrClosed)
	}
}

// A wake that was meant for a consumer which then closes goes to another one.
func TestManyClosePassesTheWakeOn(t *testing.T) {
	r := ring(t, &Options{Mode: MPMC, Strategy: Block, Capacity: minCapacity})
	p, c, d := producer(t, r), consumer(t, r), consumer(t, r)
	done := async(func() ([]byte, error) { return d.Recv(bounded(t), nil) })
	until(t, func() bool { return d.lane.seat.asleep.Load() != 0 })
	c.lane.nap.woken = true // by a publisher, which then wakes nobody else
	r.many.h.sleepers.Store(0)
	require.NoError(t, p.Send(bounded(t), numbered(1, 0, 16)))
	set(&r.many.h.sleepers, sleeperBit(d.lane.x))
	wakes := d.lane.seat.asleep.Load()
	require.NoError(t, c.Close())
	require.NoError(t, get(t, done).err)
	require.NotZero(t, wakes)
}

// Presences that change all the time keep nobody for ever.
func TestManyQuietEnds(t *testing.T) {
	ps := make([]robust.Presence, 3)
	at := func(i int) *robust.Presence {
		ps[i].Arrivals.Add(1)
		return &ps[i]
	}
	var c crowd
	testproc.Within(t, func() { c = quiet(func() int { return len(ps) }, at) })
	require.True(t, c.present, "somebody is there")
	var w mem.Uint32
	raiseTo(&w, 3)
	raiseTo(&w, 2)
	require.EqualValues(t, 3, w.Load())
}
