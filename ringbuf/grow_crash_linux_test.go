package ringbuf

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/shmkit/shmkit/internal/testproc"
)

// growWalkMessages are a few times as many as a lane holds.
const growWalkMessages = 200

func growWalk(stop bool) *testproc.WalkOptions {
	return &testproc.WalkOptions{Prefix: []string{"chunk."}, Hits: 3, Stop: stop}
}

// Sends so many messages, and leaves with a chunk that it has not used, if any. Tells of
// each that was sent.
var _ = testproc.Helper("grow walk producer", func(c *testproc.Child) {
	p := asProducer(c)
	id := number(c, 0)
	for n := range growWalkMessages {
		require.NoError(c, p.Send(context.Background(), numbered(id, n, growSize(n))))
		c.WriteLine("%d", n)
	}
	for range 20 { // somewhere here another chunk begins
		_, err := p.Reserve(context.Background(), chunkMost)
		require.NoError(c, err)
		if p.lane.chunks.ready != 0 {
			break
		}
		require.NoError(c, p.Commit(0))
		require.NoError(c, p.Send(context.Background(), nil))
	}
	require.NoError(c, p.ring.Close())
})

// Receives until the stream ends and tells of each message.
var _ = testproc.Helper("grow walk consumer", func(c *testproc.Child) {
	e := asConsumer(c)
	for k := 0; ; k++ {
		err := manyReceive(context.Background(), e, k, func(b []byte, _ bool) {
			p, n := numbers(c, b)
			c.WriteLine("%d %d", p, n)
		})
		if err == io.EOF {
			break
		}
		require.NoError(c, err)
	}
	require.NoError(c, e.ring.Close())
})

// growLedger is which messages of whom were received, in order.
type growLedger struct {
	t    *testing.T
	seen map[[2]int]bool
}

func (l *growLedger) enter(p, n int) {
	require.False(l.t, l.seen[[2]int{p, n}], "message %d of %d twice", n, p)
	l.seen[[2]int{p, n}] = true
}

// drain receives all that there is with c.
func (l *growLedger) drain(c *Consumer) {
	last := map[int]int{}
	for k := 0; ; k++ {
		b, err := c.TryRecv(nil)
		if errors.Is(err, ErrEmpty) || err == io.EOF {
			return
		}
		require.NoError(l.t, err)
		if len(b) == 0 {
			continue
		}
		p, n := numbers(l.t, b)
		require.Equal(l.t, max(growSize(n), 16), len(b))
		if before, ok := last[p]; ok {
			require.Greater(l.t, n, before)
		}
		last[p] = n
		l.enter(p, n)
	}
}

// growRing has lanes for so many producers. fated says that messages have fates.
func growRing(t *testing.T, producers int, fated bool) *Ring {
	o := least()
	o.Producers, o.OnPeerDeath, o.Strategy, o.Leases = producers, Wait, Block, fated
	return ring(t, o)
}

func with(fated bool, scenario func(*testing.T, *testproc.Victim, bool)) func(*testing.T, *testproc.Victim) {
	return func(t *testing.T, v *testproc.Victim) { scenario(t, v, fated) }
}

// Wherever an end dies, no memory is lost.
func TestGrowCrashWalk(t *testing.T) {
	testproc.CrashWalk(t, growWalk(false), with(false, growProducerDies), with(false, growConsumerDies),
		with(true, growProducerDies), with(true, growConsumerDies), with(false, growToucherDies), with(true, growToucherDies))
}

// X05: wherever a producer dies, the next one goes on in its lane, what was sent is
// received, and no memory is lost.
func growProducerDies(t *testing.T, v *testproc.Victim, fated bool) {
	r := growRing(t, 1, fated)
	c, l := consumer(t, r), growLedger{t, map[[2]int]bool{}}
	p := v.Start("grow walk producer", testproc.Files(r.File()), testproc.Args("1"))
	until(t, func() bool { l.drain(c); return ended(p) })
	p.Wait()
	next := producer(t, r)
	for n := range growWalkMessages {
		for k := 0; ; k++ {
			err := next.TrySend(numbered(2, n, growSize(n)))
			if err == nil {
				break
			}
			require.ErrorIs(t, err, ErrFull)
			require.Less(t, k, 2)
			l.drain(c)
		}
	}
	l.drain(c)
	told := 0
	for _, ok := p.NextLine(); ok; _, ok = p.NextLine() {
		require.True(t, l.seen[[2]int{1, told}])
		told++
	}
	for n := range growWalkMessages {
		require.True(t, l.seen[[2]int{2, n}])
	}
	require.NoError(t, next.Close())
	require.LessOrEqual(t, memoryOf(t, r.File()), drained(r.many, 1))
}

// X06: wherever a consumer dies, others receive all but what it had at hand, and no
// memory is lost.
func growConsumerDies(t *testing.T, v *testproc.Victim, fated bool) {
	r := growRing(t, 2, fated)
	l := growLedger{t, map[[2]int]bool{}}
	victim := v.Start("grow walk consumer", testproc.Files(r.File()))
	p := producer(t, r)
	done := async(func() ([]byte, error) {
		for n := range growWalkMessages {
			if err := p.Send(bounded(t), numbered(1, n, growSize(n))); err != nil {
				return nil, err
			}
		}
		return nil, nil
	})
	until(t, func() bool { return ended(victim) || r.Len() == 0 && len(done) > 0 })
	var c *Consumer
	if ended(victim) {
		victim.Wait()
		c = consumer(t, r)
		until(t, func() bool { l.drain(c); return len(done) > 0 })
	}
	require.NoError(t, get(t, done).err)
	require.NoError(t, p.CloseSend())
	victim.Wait()
	if c == nil {
		c = consumer(t, r)
	}
	l.drain(c)
	told(t, victim, func(p, n int) { l.enter(p, n) })
	require.GreaterOrEqual(t, len(l.seen), growWalkMessages-3)
	require.LessOrEqual(t, memoryOf(t, r.File()), drained(r.many, 1)+chunkSize, "one may be ready for the next message")
}

// A producer or consumer that is stopped anywhere blocks nobody: one that frees a chunk
// costs its lane that one.
func TestGrowStopWalk(t *testing.T) {
	sends := func(t *testing.T, v *testproc.Victim, fated bool) {
		r := growRing(t, 2, fated)
		c, l := consumer(t, r), growLedger{t, map[[2]int]bool{}}
		victim := v.Start("grow walk producer", testproc.Files(r.File()), testproc.Args("1"))
		until(t, func() bool { l.drain(c); return v.Fired() || ended(victim) })
		p := producer(t, r)
		l.exchange(p, c, 2)
		until(t, func() bool { victim.Cont(); l.drain(c); return ended(victim) })
		victim.Succeed()
		require.Len(t, l.seen, 2*growWalkMessages)
	}
	receives := func(t *testing.T, v *testproc.Victim, fated bool) {
		r := growRing(t, 1, fated)
		l := growLedger{t, map[[2]int]bool{}}
		victim := v.Start("grow walk consumer", testproc.Files(r.File()))
		p := producer(t, r)
		for n := range growWalkMessages {
			until(t, func() bool {
				err := p.TrySend(numbered(1, n, growSize(n)))
				if err != nil {
					require.ErrorIs(t, err, ErrFull)
				}
				return err == nil || v.Fired()
			})
			if v.Fired() {
				break
			}
		}
		c := consumer(t, r)
		if v.Fired() && victim.WaitStopped() {
			l.drain(c)
			l.exchange(p, c, 2) // several times round the lane
			l.exchange(p, c, 3)
			require.LessOrEqual(t, memoryOf(t, r.File()), drained(r.many, 1)+2*chunkSize, "the stopped one's, and one for the next message")
		}
		require.NoError(t, p.CloseSend())
		l.drain(c)
		until(t, func() bool { victim.Cont(); return ended(victim) })
		victim.Succeed()
		told(t, victim, func(p, n int) { l.enter(p, n) })
	}
	testproc.CrashWalk(t, growWalk(true), with(false, sends), with(false, receives),
		with(true, sends), with(true, receives), with(false, growToucherDies))
}

// exchange sends messages as producer id, and receives.
func (l *growLedger) exchange(p *Producer, c *Consumer, id int) {
	for n := range growWalkMessages {
		err := p.TrySend(numbered(id, n, growSize(n)))
		if errors.Is(err, ErrFull) {
			l.drain(c)
			err = p.TrySend(numbered(id, n, growSize(n)))
		}
		require.NoError(l.t, err, fmt.Sprint(n))
	}
	l.drain(c)
	for n := range growWalkMessages {
		require.True(l.t, l.seen[[2]int{id, n}], "message %d of %d", n, id)
	}
}

// Reads in a chunk that is empty, without a role, and frees it then; and reads there while
// it is being freed.
var _ = testproc.Helper("grow walk toucher", func(c *testproc.Child) {
	e := asConsumer(c)
	s := e.lane.s
	punch := s.punch
	touch := func() {
		wordAt(s.bytes[s.chunkAt(0, 0):]).Load()
		s.touchUp(0, 0, nobody)
	}
	s.punch = func(off, n int64) error {
		defer func() { s.punch = punch }()
		err := punch(off, n)
		touch()
		return err
	}
	touch()
	s.sweep(e.lane.me())
	require.NoError(c, e.ring.Close())
})

// Wherever somebody dies who has read in a hole, or is stopped, at most that one's page is
// lost, and that chunk is used again.
func growToucherDies(t *testing.T, v *testproc.Victim, fated bool) {
	r := growRing(t, 1, fated)
	c, l := consumer(t, r), growLedger{t, map[[2]int]bool{}}
	p := producer(t, r)
	for n := 0; r.many.chunkOf(r.many.lanes[0].head.Load()) < 2; n++ {
		require.NoError(t, p.TrySend(numbered(1, n, growSize(n))))
		l.drain(c)
	}
	before := memoryOf(t, r.File())
	victim := v.Start("grow walk toucher", testproc.Files(r.File()))
	until(t, func() bool { return v.Fired() || ended(victim) })
	if v.Fired() {
		until(t, func() bool { return ended(victim) || victim.WaitStopped() })
	}
	l.drain(c)
	require.LessOrEqual(t, memoryOf(t, r.File()), before+int64(unix.Getpagesize()))
	l.exchange(p, c, 2) // several times round the lane
	until(t, func() bool { victim.Cont(); return ended(victim) })
	victim.Wait()
	l.drain(c)
	require.NoError(t, p.Close())
	require.LessOrEqual(t, memoryOf(t, r.File()), drained(r.many, 1)+int64(unix.Getpagesize()))
}
