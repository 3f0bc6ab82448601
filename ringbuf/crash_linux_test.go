package ringbuf

import (
	"context"
	"errors"
	"io"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/handle"
	"github.com/shmkit/shmkit/internal/robust"
	"github.com/shmkit/shmkit/internal/testproc"
)

// walkMessages is how many messages a walk moves; much more than fits.
const walkMessages = 150

// walkPoints are the points of this package, and of robust those that a role
// passes.
func walkPoints(stop bool) *testproc.WalkOptions {
	return &testproc.WalkOptions{
		Dirs:   []string{".", "../internal/robust"},
		Prefix: []string{"ring.", "robust."},
		Skip:   []string{"robust.foreign.taken", "robust.foreign.unlinked", "robust.foreign.released", "robust.abandoned", "robust.released"},
		Stop:   stop,
	}
}

var walkOptions = &Options{Capacity: minCapacity, Strategy: Block}

// walkMessage is small but for every tenth, so that the ring is full soon.
func walkMessage(i int) []byte {
	if i%10 == 0 {
		return cut(i, 9001)
	}
	return cut(i, i%70)
}

// gone says whether err means that the other end has gone.
func gone(err error) bool {
	return err == io.EOF || errors.Is(err, ErrPeerDied) || errors.Is(err, ErrNoConsumer)
}

// Sends the messages, tells of each that was sent, ends the stream and leaves.
var _ = testproc.Helper("walk producer", func(c *testproc.Child) {
	p := asProducer(c)
	for i := range walkMessages {
		b := walkMessage(i)
		var err error
		if i%3 == 0 {
			var room []byte
			if room, err = p.Reserve(context.Background(), len(b)); err == nil {
				err = p.Commit(copy(room, b))
			}
		} else {
			err = p.Send(context.Background(), b)
		}
		if gone(err) {
			return
		}
		require.NoError(c, err)
		c.WriteLine("did")
	}
	require.NoError(c, p.CloseSend())
	require.NoError(c, p.ring.Close())
})

// Receives messages, tells of each that it has released, until the stream ends.
var _ = testproc.Helper("walk consumer", func(c *testproc.Child) {
	e := asConsumer(c)
	first := -1
	for i := 0; ; i++ {
		var b []byte
		var err error
		if i%3 == 0 {
			if b, err = e.Next(context.Background()); err == nil {
				b = append([]byte(nil), b...)
				e.Release()
			}
		} else {
			b, err = e.Recv(context.Background(), nil)
		}
		if gone(err) {
			break
		}
		require.NoError(c, err)
		if first < 0 {
			first = indexOf(e.head) - 1
		}
		same(c, first+i, walkMessage(first+i), b)
		c.WriteLine("did")
	}
	require.NoError(c, e.ring.Close())
})

// Takes both roles and parks, to be killed.
var _ = testproc.Helper("walk predecessor", func(c *testproc.Child) {
	r := opened(c)
	_, err := r.Producer()
	require.NoError(c, err)
	_, err = r.Consumer()
	require.NoError(c, err)
	c.WriteLine("ready")
	c.Park()
})

// Gives a role to a child that ends before it takes it.
var _ = testproc.Helper("walk truster", func(c *testproc.Child) {
	p := asProducer(c)
	_, hs, err := handle.Encode(p.MarshalBinary)
	require.NoError(c, err)
	hs[0].Sent(1)
	hs[0].Exited()
	c.Park()
})

// indexOf returns which message begins at an offset of the stream, -1 if none.
func indexOf(offset uint64) int {
	at := uint64(0)
	for i := range walkMessages + 1 {
		if at == offset {
			return i
		}
		at += recordSize(uint64(len(walkMessage(i))))
	}
	return -1
}

// predecessors leaves both roles of r to a dead process.
func predecessors(t *testing.T, r *Ring) {
	p := testproc.Start(t, "walk predecessor", testproc.Files(r.File()))
	p.Expect("ready")
	p.Kill()
	p.Wait()
}

// did counts what a process has told of, after its end.
func did(p *testproc.Proc) (n int) {
	for {
		if _, ok := p.NextLine(); !ok {
			return n
		}
		n++
	}
}

// collector receives messages in this process for as long as it takes.
type collector struct {
	c    *Consumer
	n    atomic.Int64 // how many it has
	died atomic.Int64 // how often it was told that the producer died
	done <-chan result
}

func collect(t *testing.T, c *Consumer, to int) *collector {
	k := &collector{c: c}
	ctx := bounded(t)
	from := indexOf(c.head)
	require.GreaterOrEqual(t, from, 0, "the head is at a message")
	k.n.Store(int64(from))
	k.done = async(func() ([]byte, error) {
		for i := from; i < to; {
			b, err := c.Recv(ctx, nil)
			switch {
			case err == nil && string(b) == string(walkMessage(i)):
				i++
				k.n.Store(int64(i))
			case err == nil:
				return b, errors.New("another message")
			case errors.Is(err, ErrPeerDied):
				k.died.Add(1)
				runtime.Gosched()
			case err == io.EOF && !c.ring.Stats().Ended:
				runtime.Gosched()
			default:
				return nil, err
			}
		}
		return nil, nil
	})
	return k
}

// finish sends what nobody has sent yet, as the producer of r.
func finish(t *testing.T, r *Ring) {
	p, err := r.Producer()
	require.NoError(t, err, "the role can be taken over")
	next := indexOf(p.tail)
	require.GreaterOrEqual(t, next, 0, "the tail is at a message")
	for i := next; i < walkMessages; i++ {
		require.NoError(t, p.Send(bounded(t), walkMessage(i)))
	}
	if !r.Stats().Ended {
		require.NoError(t, p.CloseSend())
	}
}

// ended says whether a child has.
func ended(p *testproc.Proc) bool {
	select {
	case <-p.Exited():
		return true
	default:
		return false
	}
}

func walkProducer(t *testing.T, v *testproc.Victim) { walkProducerOf(t, v, walkOptions) }

// walkDasher is walkProducer where the fast paths are taken.
func walkDasher(t *testing.T, v *testproc.Victim) {
	walkProducerOf(t, v, &Options{Capacity: minCapacity, Strategy: Hybrid})
}

func walkProducerOf(t *testing.T, v *testproc.Victim, o *Options) {
	r := ring(t, o)
	c := consumer(t, r)
	p, first := startProducer(t, v, r, c)
	if v.Fired() {
		p.Wait()
	}
	if ended(p) && r.Stats().Sent == 0 {
		finishAlone(t, r, c, first)
		return
	}
	got := get(t, first)
	require.NoError(t, got.err)
	same(t, 0, walkMessage(0), got.b)
	k := collect(t, c, walkMessages)
	p.Wait()
	require.GreaterOrEqual(t, indexOf(r.Stats().Sent), did(p), "what it had told of was published")
	if !r.Stats().Ended {
		finish(t, r)
	}
	require.NoError(t, get(t, k.done).err)
	require.Equal(t, walkMessages, indexOf(r.Stats().Received))
	_, err := c.Recv(bounded(t), nil)
	require.Equal(t, io.EOF, err)
}

// startProducer starts the victim while c sleeps, so that it has somebody to
// wake, and returns once the ring is full, so that it has slept, or it has met
// its point. c is busy with the first message until then.
func startProducer(t *testing.T, v *testproc.Victim, r *Ring, c *Consumer) (*testproc.Proc, <-chan result) {
	first := async(func() ([]byte, error) {
		for {
			b, err := c.Recv(bounded(t), nil)
			if !errors.Is(err, ErrPeerDied) {
				return b, err
			}
			runtime.Gosched()
		}
	})
	consumerSleeps(t, r)
	p := v.Start("walk producer", testproc.Files(r.File()))
	until(t, func() bool { return r.h.sendSleeps() || v.Fired() || ended(p) })
	return p, first
}

// finishAlone is for a victim that has sent nothing. More than a ringful needs
// both ends at once.
func finishAlone(t *testing.T, r *Ring, c *Consumer, first <-chan result) {
	sent := async(func() ([]byte, error) {
		p, err := r.Producer()
		for i := 0; err == nil && i < walkMessages; i++ {
			err = p.Send(bounded(t), walkMessage(i))
		}
		return nil, err
	})
	got := get(t, first)
	require.NoError(t, got.err)
	same(t, 0, walkMessage(0), got.b)
	require.NoError(t, get(t, collect(t, c, walkMessages).done).err)
	require.NoError(t, get(t, sent).err)
}

// startConsumer starts the victim while p sleeps, so that it has somebody to
// wake.
func startConsumer(t *testing.T, v *testproc.Victim, r *Ring) *testproc.Proc {
	producerSleeps(t, r)
	return v.Start("walk consumer", testproc.Files(r.File()))
}

func walkConsumer(t *testing.T, v *testproc.Victim) {
	r := ring(t, walkOptions)
	p := producer(t, r)
	sent := async(func() ([]byte, error) {
		ctx := bounded(t)
		for i := 0; i < walkMessages; {
			if i == walkMessages/2 {
				// It has to sleep once, for which there has to be nothing to do.
				for r.h.consumer.PID() != 0 && !r.h.recvSleeps() {
					runtime.Gosched()
				}
			}
			err := p.Send(ctx, walkMessage(i))
			switch {
			case err == nil:
				i++
			case gone(err):
				runtime.Gosched()
			default:
				return nil, err
			}
		}
		return nil, p.CloseSend()
	})
	e := startConsumer(t, v, r)
	e.Wait()
	n := did(e)
	released := indexOf(r.Stats().Received)
	require.GreaterOrEqual(t, released, n, "what it had told of was released")
	if released < walkMessages {
		c, err := r.Consumer()
		require.NoError(t, err, "the role can be taken over")
		require.NoError(t, get(t, collect(t, c, walkMessages).done).err)
		_, err = c.Recv(bounded(t), nil)
		require.Equal(t, io.EOF, err)
	}
	require.NoError(t, get(t, sent).err)
}

// The producer is dead and the ring is full: the victim hears of it last.
func walkMourner(t *testing.T, v *testproc.Victim) {
	r := ring(t, walkOptions)
	p := testproc.Start(t, "walk producer", testproc.Files(r.File()))
	producerSleeps(t, r)
	p.Kill()
	p.Wait()
	published := indexOf(r.Stats().Sent)
	require.GreaterOrEqual(t, published, did(p), "what it had told of was published")
	e := v.Start("walk consumer", testproc.Files(r.File()))
	e.Wait()
	released := indexOf(r.Stats().Received)
	require.GreaterOrEqual(t, released, did(e))
	c := consumer(t, r)
	require.NoError(t, get(t, collect(t, c, published).done).err)
	_, err := c.Recv(bounded(t), nil)
	require.ErrorIs(t, err, ErrPeerDied)
}

// Both roles are a dead process's: the victim takes over first.
func walkTruster(t *testing.T, v *testproc.Victim) {
	r := ring(t, walkOptions)
	predecessors(t, r)
	c := consumer(t, r)
	p := v.Start("walk truster", testproc.Files(r.File()))
	p.CloseStdin()
	p.Wait()
	k := collect(t, c, walkMessages)
	finish(t, r)
	require.NoError(t, get(t, k.done).err)
}

// Producer and consumer die at the same point of theirs. Nothing published and
// unreleased is lost, and its order is kept.
func walkBoth(t *testing.T, v *testproc.Victim) {
	r := ring(t, walkOptions)
	p := v.Start("walk producer", testproc.Files(r.File()))
	e := v.Start("walk consumer", testproc.Files(r.File()))
	p.Wait()
	if robust.StateOf(r.h.producer.Word.Load()) == robust.Vacant && r.h.producer.Arrivals.Load() == 0 {
		e.Kill() // nobody has come: it would wait
	}
	e.Wait()
	sent, received := did(p), did(e)
	published, released := indexOf(r.Stats().Sent), indexOf(r.Stats().Received)
	require.GreaterOrEqual(t, published, sent)
	require.GreaterOrEqual(t, released, received)
	require.GreaterOrEqual(t, published, released)
	c := consumer(t, r)
	k := collect(t, c, walkMessages)
	if !r.Stats().Ended {
		finish(t, r)
	}
	require.NoError(t, get(t, k.done).err)
}

// S1, X05, X06: at whatever point an end dies, or both, everything published is
// delivered once it is read, in order, and the roles are taken over.
func TestCrashWalk(t *testing.T) {
	testproc.CrashWalk(t, walkPoints(false), walkProducer, walkDasher, walkConsumer, walkMourner, walkTruster, walkBoth)
}

// S2: at whatever point an end is stopped, it is not taken for dead, keeps what
// it has, and when it goes on nothing is missing.
func TestStopWalk(t *testing.T) {
	producesIn := func(t *testing.T, v *testproc.Victim, o *Options) {
		r := ring(t, o)
		c := consumer(t, r)
		var k *collector
		p, first := startProducer(t, v, r, c)
		begin := func() {
			got := get(t, first)
			require.NoError(t, got.err)
			same(t, 0, walkMessage(0), got.b)
			k = collect(t, c, walkMessages)
		}
		if !v.Fired() { // later, or never: it sleeps
			begin()
		}
		if p.WaitStopped() {
			if robust.StateOf(r.h.producer.Word.Load()) == robust.Present { // it has come and not left
				_, err := r.Producer()
				require.ErrorIs(t, err, ErrBusy)
				require.False(t, r.h.producer.CheckOwner())
			}
			p.Cont()
		}
		if k == nil {
			begin()
		}
		p.Succeed()
		require.NoError(t, get(t, k.done).err)
		require.Zero(t, k.died.Load())
		_, err := c.Recv(bounded(t), nil)
		require.Equal(t, io.EOF, err)
	}
	produces := func(t *testing.T, v *testproc.Victim) { producesIn(t, v, walkOptions) }
	dashes := func(t *testing.T, v *testproc.Victim) {
		producesIn(t, v, &Options{Capacity: minCapacity, Strategy: Hybrid})
	}
	consumes := func(t *testing.T, v *testproc.Victim) {
		r := ring(t, walkOptions)
		p := producer(t, r)
		sent := async(func() ([]byte, error) {
			for i := range walkMessages {
				if err := p.Send(bounded(t), walkMessage(i)); err != nil {
					return nil, err
				}
			}
			return nil, p.CloseSend()
		})
		e := startConsumer(t, v, r)
		if e.WaitStopped() {
			if robust.StateOf(r.h.consumer.Word.Load()) == robust.Present {
				_, err := r.Consumer()
				require.ErrorIs(t, err, ErrBusy)
			}
			e.Cont()
		}
		e.Succeed()
		require.NoError(t, get(t, sent).err)
		require.Equal(t, walkMessages, indexOf(r.Stats().Received))
	}
	trusts := func(t *testing.T, v *testproc.Victim) {
		r := ring(t, walkOptions)
		predecessors(t, r)
		p := v.Start("walk truster", testproc.Files(r.File()))
		p.CloseStdin()
		if p.WaitStopped() {
			p.Cont()
		}
		p.Succeed()
		q, c := producer(t, r), consumer(t, r)
		require.NoError(t, q.Send(bounded(t), walkMessage(0)))
		require.NoError(t, get(t, collect(t, c, 1).done).err)
	}
	// The walk's points, but for the one that only those pass who are told of a death.
	o := walkPoints(true)
	o.Skip = append(o.Skip, "ring.mourned")
	testproc.CrashWalk(t, o, produces, dashes, consumes, trusts)
}
