package ringbuf

import (
	"context"
	"errors"
	"io"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/testproc"
)

const chanWalkPosts = 60

// Sends posts one by one and in batches of three, and tells of each that was sent. Once
// it waits until all were received, and sends two: for the second one there is room, and
// it is known who receives.
var _ = testproc.Helper("chan.many walk sender", func(c *testproc.Child) {
	ch, from := openedPosts(c, 0), number(c, 0)
	for i := 0; i < chanWalkPosts; {
		batch := []post{newPost(from, i)}
		var err error
		if i == 4 {
			idle(func() bool { return ch.Len() == 0 })
		}
		if i%4 == 0 || i == 5 {
			err = ch.Send(context.Background(), batch[0])
		} else {
			batch = append(batch, newPost(from, i+1), newPost(from, i+2))
			_, err = ch.SendBatch(context.Background(), batch)
		}
		require.NoError(c, err)
		i += len(batch)
		c.WriteLine("%d", i)
	}
	require.NoError(c, ch.Close())
})

// idle waits for what others do. They all may have died: whoever runs this is killed then.
func idle(cond func() bool) {
	for !cond() {
		time.Sleep(50 * time.Microsecond) // sleep: between two looks at memory that others write
	}
}

// Receives posts one by one and in batches of up to three, and tells of each. Before the
// third time it waits until there is something.
var _ = testproc.Helper("chan.many walk receiver", func(c *testproc.Child) {
	ch := openedPosts(c, 0)
	batch := make([]post, 3)
	for i := 0; ; i++ {
		var n int
		var err error
		if i == 2 {
			idle(func() bool { return ch.Len() > 0 || ch.Stats().Ended })
		}
		if i%2 == 0 {
			n = 1
			batch[0], err = ch.Recv(context.Background())
		} else {
			n, err = ch.RecvBatch(context.Background(), batch)
		}
		if err == io.EOF {
			break
		}
		require.NoError(c, err)
		for _, p := range batch[:n] {
			require.Equal(c, newPost(int(p.From), int(p.Seq)), p)
			c.WriteLine("%d %d", p.From, p.Seq)
		}
	}
	require.NoError(c, ch.Close())
})

func startChanWalk(t *testing.T, start func(string, ...testproc.Option) *testproc.Proc, what string, c *Chan[post], from int) *testproc.Proc {
	return start("chan.many walk "+what, testproc.Files(c.File()), testproc.Args(strconv.Itoa(from)))
}

func survivor(t *testing.T) func(string, ...testproc.Option) *testproc.Proc {
	return func(name string, o ...testproc.Option) *testproc.Proc { return testproc.Start(t, name, o...) }
}

// chanPair starts a victim that receives and, when that sleeps, one that sends to it
// alone; it returns when both have done all they do.
func chanPair(t *testing.T, v *testproc.Victim, c *Chan[post]) (sends, receives *testproc.Proc) {
	r := startChanWalk(t, v.Start, "receiver", c, 0)
	until(t, func() bool { return v.Fired() || c.many.s.seats[0].asleep.Load() != 0 })
	p := startChanWalk(t, v.Start, "sender", c, 0)
	until(t, func() bool { return v.Fired() || c.Stats().Received >= chanWalkPosts/2 })
	return p, r
}

// A sender and a receiver die that were alone. Others take their places: what the sender
// had told of arrives, but for what the receiver had at hand.
func walkChanPair(t *testing.T, v *testproc.Victim) {
	c := channel[post](t, 4, &Options{Mode: MPMC, OnPeerDeath: Wait})
	p, r := chanPair(t, v, c)
	s := startChanWalk(t, survivor(t), "receiver", c, 0)
	q := startChanWalk(t, survivor(t), "sender", c, 1)
	q.Succeed()
	p.Wait()
	require.NoError(t, c.CloseSend(bounded(t)))
	r.Wait()
	l := postLedger{seen: map[post]bool{}}
	l.told(t, r)
	l.told(t, s)
	s.Succeed()
	sent := 0
	for line, ok := p.NextLine(); ok; line, ok = p.NextLine() {
		sent, _ = strconv.Atoi(line)
	}
	if !v.Fired() {
		require.Equal(t, chanWalkPosts, sent)
	}
	require.GreaterOrEqual(t, len(l.seen), chanWalkPosts+sent-3)
	require.Zero(t, c.Len())
}

// told enters what a receiver tells of.
func (l *postLedger) told(t *testing.T, r *testproc.Proc) {
	last := map[int]int{}
	for line, ok := r.NextLine(); ok; line, ok = r.NextLine() {
		from, seq, _ := strings.Cut(line, " ")
		i, err := strconv.Atoi(from)
		require.NoError(t, err)
		n, err := strconv.Atoi(seq)
		require.NoError(t, err)
		if before, ok := last[i]; ok {
			require.Greater(t, n, before)
		}
		last[i] = n
		l.enter(t, newPost(i, n))
	}
}

// Two senders die among three: what they had told of arrives, once and in order, and
// nothing of what they had not finished but whole batches.
func walkChanSenders(t *testing.T, v *testproc.Victim) {
	c := channel[post](t, 4, &Options{Mode: MPMC, OnPeerDeath: Wait})
	ps := []*testproc.Proc{
		startChanWalk(t, v.Start, "sender", c, 0),
		startChanWalk(t, v.Start, "sender", c, 1),
		startChanWalk(t, survivor(t), "sender", c, 2),
	}
	next := [3]int64{}
	take := func(p post, err error) error {
		if err == nil {
			require.Equal(t, newPost(int(p.From), int(p.Seq)), p)
			require.Equal(t, next[p.From], p.Seq)
			next[p.From]++
		}
		return err
	}
	ctx := bounded(t)
	for next[2] < chanWalkPosts || !ended(ps[0]) || !ended(ps[1]) {
		if err := take(c.TryRecv()); err == ErrEmpty {
			wait, cancel := context.WithTimeout(ctx, 1e6)
			err = take(c.Recv(wait))
			cancel()
			require.True(t, err == nil || errors.Is(err, context.DeadlineExceeded), "%v", err)
		} else {
			require.NoError(t, err)
		}
	}
	for take(c.TryRecv()) == nil {
	}
	for i, p := range ps {
		told := 0
		for line, ok := p.NextLine(); ok; line, ok = p.NextLine() {
			told, _ = strconv.Atoi(line)
		}
		require.GreaterOrEqual(t, int(next[i]), told, "what it had told of was sent")
		require.LessOrEqual(t, int(next[i]), told+3)
	}
	require.NoError(t, c.Send(ctx, post{}), "a lane is free")
}

// Two receivers die among three: nobody receives anything twice, and what is missing
// is no more than what each had at hand.
func walkChanReceivers(t *testing.T, v *testproc.Victim) {
	c := channel[post](t, 4, &Options{Mode: MPMC, OnPeerDeath: Wait})
	rs := []*testproc.Proc{
		startChanWalk(t, v.Start, "receiver", c, 0),
		startChanWalk(t, v.Start, "receiver", c, 0),
		startChanWalk(t, survivor(t), "receiver", c, 0),
	}
	ctx := bounded(t)
	for i := range chanWalkPosts {
		require.NoError(t, c.Send(ctx, newPost(0, i)))
	}
	require.NoError(t, c.CloseSend(ctx))
	l := postLedger{seen: map[post]bool{}}
	dead := 0
	for _, r := range rs {
		l.told(t, r)
		if !r.Wait().Success() {
			dead++
		}
	}
	require.GreaterOrEqual(t, len(l.seen), chanWalkPosts-3*dead)
	require.Zero(t, c.Len())
}

// X05, X06: a process dies at each step of a channel with many ends.
func TestManyChanCrashWalk(t *testing.T) {
	testproc.CrashWalk(t, chanWalkOptions(), walkChanPair, walkChanSenders, walkChanReceivers)
}

func chanWalkOptions() *testproc.WalkOptions {
	return &testproc.WalkOptions{Prefix: []string{"chan.", "lane.published", "lane.taken", "lane.asleep", "lane.announced", "lane.awake"}, Hits: 2}
}

// A stopped sender or receiver blocks nobody, and goes on when it is continued.
func TestManyChanStopWalk(t *testing.T) {
	o := chanWalkOptions()
	o.Stop, o.Hits = true, 1
	testproc.CrashWalk(t, o, func(t *testing.T, v *testproc.Victim) {
		c := channel[post](t, 4, &Options{Mode: MPMC, OnPeerDeath: Wait})
		l := postLedger{seen: map[post]bool{}}
		p, r := chanPair(t, v, c)
		q := startChanWalk(t, survivor(t), "sender", c, 1)
		s := startChanWalk(t, survivor(t), "receiver", c, 0)
		q.Succeed() // whoever is stopped
		until(t, func() bool { p.Cont(); return ended(p) })
		p.Succeed()
		require.NoError(t, c.CloseSend(bounded(t)))
		until(t, func() bool { r.Cont(); return ended(r) })
		for _, r := range []*testproc.Proc{r, s} {
			l.told(t, r)
			r.Succeed()
		}
		require.Equal(t, 2*chanWalkPosts, len(l.seen))
	})
}
