package ringbuf

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/testproc"
)

// largeWalk is how many messages a walk moves: most are large, and more than have
// room at a time.
const largeWalk = 12

func largeWalkMessage(i int) []byte {
	if i%4 == 3 {
		return largeBytes(i, 50+i)
	}
	return largeBytes(i, minCapacity+7777*i)
}

func largeWalkOptions(s Strategy) *Options {
	return &Options{Capacity: minCapacity, MaxMessage: 3 * minCapacity, Keep: 2 * minCapacity, Strategy: s}
}

// largeIndexOf returns which message's record begins at an offset of the stream.
func largeIndexOf(t require.TestingT, offset uint64) int {
	at := uint64(0)
	for i := range largeWalk + 1 {
		if at == offset {
			return i
		}
		if n := uint64(len(largeWalkMessage(i))); n > minCapacity-recordHeader {
			at += extentRecord
		} else {
			at += recordSize(n)
		}
	}
	require.Fail(t, "no message begins there", "offset %d", offset)
	return 0
}

// largeSend sends what nobody has sent yet, calls told after each, and ends the
// stream. It returns false if the consumer has gone.
func largeSend(t require.TestingT, ctx context.Context, p *Producer, told func()) bool {
	for i := largeIndexOf(t, p.tail); i < largeWalk; i++ {
		b := largeWalkMessage(i)
		var err error
		if i%2 == 0 {
			err = p.Send(ctx, b)
		} else {
			var room []byte
			if room, err = p.Reserve(ctx, len(b)+minCapacity/2); err == nil {
				err = p.Commit(copy(room, b))
			}
		}
		if gone(err) {
			return false
		}
		require.NoError(t, err)
		told()
	}
	if err := p.CloseSend(); !errors.Is(err, ErrClosed) { // or the one that died had done so
		require.NoError(t, err)
	}
	return true
}

// largeReceive receives what nobody has released yet, calls told after each, until the
// stream ends. It returns false if the producer has gone.
func largeReceive(t require.TestingT, ctx context.Context, c *Consumer, told func()) bool {
	for i := largeIndexOf(t, c.head); ; i++ {
		complete := c.ring.Stats().Ended // then everything is there
		var b []byte
		var err error
		if i%2 == 0 {
			if b, err = c.Next(ctx); err == nil {
				same(t, i, largeWalkMessage(i), b)
				c.Release()
			}
		} else if b, err = c.Recv(ctx, nil); err == nil {
			same(t, i, largeWalkMessage(i), b)
		}
		if gone(err) {
			if complete {
				require.Equal(t, largeWalk, i)
			}
			return complete
		}
		require.NoError(t, err)
		told()
	}
}

var _ = testproc.Helper("large walk producer", func(c *testproc.Child) {
	p := asProducer(c)
	largeSend(c, context.Background(), p, func() { c.WriteLine("did") })
	require.NoError(c, p.ring.Close())
})

var _ = testproc.Helper("large walk consumer", func(c *testproc.Child) {
	e := asConsumer(c)
	largeReceive(c, context.Background(), e, func() { c.WriteLine("did") })
	require.NoError(c, e.ring.Close())
})

// largeAsync is async for calls that may fail the test.
func largeAsync(call func() error) <-chan result {
	done := make(chan result, 1)
	go func() {
		err := errors.New("it has failed")
		defer func() { done <- result{err: err} }()
		err = call()
	}()
	return done
}

// largeProduces runs until everything was sent, by others or by a producer of this process.
// That keeps its role while nobody receives: with one that comes and goes at the same pace
// it would never meet.
func largeProduces(t *testing.T, r *Ring) <-chan result {
	return largeAsync(func() error {
		p, err := r.Producer()
		if err != nil {
			return err
		}
		for ctx := bounded(t); !largeSend(t, ctx, p, func() {}); {
			time.Sleep(50 * time.Microsecond) // sleep: between two looks for a consumer
		}
		return p.Close()
	})
}

// largeConsumes runs until everything was received, alike.
func largeConsumes(t *testing.T, r *Ring) <-chan result {
	return largeAsync(func() error {
		c, err := r.Consumer()
		if err != nil {
			return err
		}
		for ctx := bounded(t); !largeReceive(t, ctx, c, func() {}); {
			time.Sleep(50 * time.Microsecond) // sleep: between two looks for a producer
		}
		return c.Close()
	})
}

// largeScenarios are those of the walks. rest says what becomes of the victims once
// they run.
func largeScenarios(s Strategy, rest func(t *testing.T, r *Ring, victims ...*testproc.Proc)) (produces, consumes, both, succeeds func(t *testing.T, v *testproc.Victim)) {
	begin := func(t *testing.T) (*Ring, int64) {
		r := ring(t, largeWalkOptions(s))
		return r, blocks(t, r)
	}
	finish := func(t *testing.T, r *Ring, empty int64, ends ...<-chan result) {
		if largeIndexOf(t, r.Stats().Received) < largeWalk && len(ends) < 2 {
			ends = append(ends, largeConsumes(t, r))
		}
		for _, e := range ends {
			require.NoError(t, get(t, e).err)
		}
		require.Equal(t, largeWalk, largeIndexOf(t, r.Stats().Received))
		// What was released when the last producer left is found by the next.
		require.NoError(t, producer(t, r).Close())
		require.Equal(t, empty, blocks(t, r), "memory was lost")
	}
	produces = func(t *testing.T, v *testproc.Victim) {
		r, empty := begin(t)
		received := largeConsumes(t, r)
		p := v.Start("large walk producer", testproc.Files(r.File()))
		rest(t, r, p)
		require.GreaterOrEqual(t, largeIndexOf(t, r.Stats().Sent), did(p), "what it had told of was published")
		finish(t, r, empty, received, largeProduces(t, r))
	}
	consumes = func(t *testing.T, v *testproc.Victim) {
		r, empty := begin(t)
		sent := largeProduces(t, r)
		c := v.Start("large walk consumer", testproc.Files(r.File()))
		rest(t, r, c)
		require.GreaterOrEqual(t, largeIndexOf(t, r.Stats().Received), did(c), "what it had told of was released")
		finish(t, r, empty, sent)
	}
	both = func(t *testing.T, v *testproc.Victim) {
		r, empty := begin(t)
		p := v.Start("large walk producer", testproc.Files(r.File()))
		c := v.Start("large walk consumer", testproc.Files(r.File()))
		rest(t, r, p, c)
		require.GreaterOrEqual(t, largeIndexOf(t, r.Stats().Received), did(c))
		require.GreaterOrEqual(t, largeIndexOf(t, r.Stats().Sent), did(p))
		finish(t, r, empty, largeProduces(t, r))
	}
	// The victim finishes what a dead consumer had begun: it had released a message.
	succeeds = func(t *testing.T, v *testproc.Victim) {
		r, empty := begin(t)
		p := producer(t, r)
		require.NoError(t, p.Send(bounded(t), largeWalkMessage(0)))
		record, ok := p.large.record(p.data)
		require.True(t, ok)
		p.large.table[record.entry].state.Store(uint64(record.generation | phaseFreeing))
		require.NoError(t, p.Close())
		c := v.Start("large walk consumer", testproc.Files(r.File()))
		rest(t, r, c)
		require.Zero(t, did(c), "it was released")
		finish(t, r, empty, largeProduces(t, r))
	}
	return produces, consumes, both, succeeds
}

// largePoints are the points of large messages.
func largePoints(stop bool) *testproc.WalkOptions {
	return &testproc.WalkOptions{Prefix: []string{"large.", "extent."}, Hits: 2, Stop: stop}
}

// S1, X05, X06: at whatever point an end dies, or both, each message is received until
// one consumer has released it, in order, and the memory of all of them comes back.
func TestLargeCrashWalk(t *testing.T) {
	produces, consumes, both, succeeds := largeScenarios(Hybrid, func(t *testing.T, r *Ring, victims ...*testproc.Proc) {
		for _, v := range victims {
			v.Wait()
		}
	})
	testproc.CrashWalk(t, largePoints(false), produces, consumes, both, succeeds)
}

// S2: at whatever point an end is stopped, it is not taken for dead, and when it goes
// on nothing is missing.
func TestLargeStopWalk(t *testing.T) {
	produces, consumes, _, succeeds := largeScenarios(Block, func(t *testing.T, r *Ring, victims ...*testproc.Proc) {
		for _, v := range victims {
			if v.WaitStopped() {
				require.False(t, r.h.producer.CheckOwner() || r.h.consumer.CheckOwner())
				v.Cont()
			}
			v.Succeed()
		}
	})
	testproc.CrashWalk(t, largePoints(true), produces, consumes, succeeds)
}

// A consumer that dies between giving the extent back and storing the head: the next
// one skips the record, whatever the producer has done with the extent since.
func TestLargeReleasedByTheDead(t *testing.T) {
	for name, reuse := range map[string]bool{"free": false, "used again": true} {
		t.Run(name, func(t *testing.T) {
			r := ring(t, largeOptions(Hybrid))
			p := producer(t, r)
			require.NoError(t, p.Send(t.Context(), largeBytes(0, largeMax)))
			first, ok := p.large.record(p.data)
			require.True(t, ok)
			m := r.largeMemory()
			e := &m.table[first.entry]
			at, err := m.span(e)
			require.NoError(t, err)
			m.free(e, extentState(e.state.Load()), at, false)
			if reuse {
				for i := range 4 {
					require.NoError(t, p.TrySend(largeBytes(1+i, largeMax)))
				}
				require.NotEqual(t, first.generation, extentState(e.state.Load()).generation())
			} else {
				require.NoError(t, p.TrySend(largeBytes(1, 3)))
			}
			c := consumer(t, r)
			b, err := c.Recv(t.Context(), nil)
			require.NoError(t, err)
			same(t, 1, largeBytes(1, map[bool]int{false: 3, true: largeMax}[reuse]), b)
		})
	}
}

// A message that is held belongs to the next consumer when this one leaves, and a
// producer that joins changes nothing of what is published.
func TestLargeHandOver(t *testing.T) {
	r := ring(t, largeOptions(Hybrid))
	empty := blocks(t, r)
	p, c := producer(t, r), consumer(t, r)
	for i := range 3 {
		require.NoError(t, p.Send(t.Context(), largeBytes(i, largeMax)))
	}
	_, err := p.Reserve(t.Context(), largeMax)
	require.NoError(t, err)
	for range 3 {
		b, err := c.Next(t.Context())
		require.NoError(t, err)
		same(t, 0, largeBytes(0, largeMax), b)
		require.NoError(t, c.Close())
		c.Release() // too late
		c = consumer(t, r)
		require.NoError(t, p.Close())
		p.Abort()
		p = producer(t, r)
		require.Equal(t, empty+3*largeMax, blocks(t, r))
	}
	// What is reserved while the role is another's is not this end's to give back.
	room, err := p.Reserve(t.Context(), largeMax)
	require.NoError(t, err)
	trust, err := p.giveAway()
	require.NoError(t, err)
	p.Abort()
	require.ErrorIs(t, p.Commit(1), ErrClosed)
	require.ErrorIs(t, p.Send(t.Context(), room), ErrClosed)
	require.ErrorIs(t, p.TrySend(nil), ErrClosed)
	require.Equal(t, empty+4*largeMax, blocks(t, r))
	p.takeBack(trust)
	require.NoError(t, p.Commit(copy(room, largeBytes(3, largeMax))))
	for i := range 4 {
		b, err := c.Recv(t.Context(), nil)
		require.NoError(t, err)
		same(t, i, largeBytes(i, largeMax), b)
	}
	require.Equal(t, empty, blocks(t, r))
}
