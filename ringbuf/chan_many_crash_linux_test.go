package ringbuf

import (
	"context"
	"errors"
	"io"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/testproc"
)

const chanWalkPosts = 60

// Sends posts one by one and in batches of three, and tells of each that was sent.
var _ = testproc.Helper("chan.many walk sender", func(c *testproc.Child) {
	ch, from := openedPosts(c, 0), number(c, 0)
	for i := 0; i < chanWalkPosts; {
		batch := []post{newPost(from, i)}
		var err error
		if i%2 == 0 {
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

// Receives posts one by one and in batches of up to three, and tells of each.
var _ = testproc.Helper("chan.many walk receiver", func(c *testproc.Child) {
	ch := openedPosts(c, 0)
	batch := make([]post, 3)
	for i := 0; ; i++ {
		var n int
		var err error
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
		last := int64(-1)
		for line, ok := r.NextLine(); ok; line, ok = r.NextLine() {
			_, seq, _ := strings.Cut(line, " ")
			n, err := strconv.Atoi(seq)
			require.NoError(t, err)
			require.Greater(t, int64(n), last)
			last = int64(n)
			l.enter(t, newPost(0, n))
		}
		if !r.Wait().Success() {
			dead++
		}
	}
	require.GreaterOrEqual(t, len(l.seen), chanWalkPosts-3*dead)
	require.Zero(t, c.Len())
}

// X05, X06: a process dies at each step of a channel with many ends.
func TestManyChanCrashWalk(t *testing.T) {
	testproc.CrashWalk(t, chanWalkOptions(), walkChanSenders, walkChanReceivers)
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
		p := startChanWalk(t, v.Start, "sender", c, 0)
		r := startChanWalk(t, v.Start, "receiver", c, 0)
		q := startChanWalk(t, survivor(t), "sender", c, 1)
		s := startChanWalk(t, survivor(t), "receiver", c, 0)
		q.Succeed() // whoever is stopped
		until(t, func() bool { p.Cont(); return ended(p) })
		p.Succeed()
		require.NoError(t, c.CloseSend(bounded(t)))
		until(t, func() bool { r.Cont(); return ended(r) })
		for _, r := range []*testproc.Proc{r, s} {
			for line, ok := r.NextLine(); ok; line, ok = r.NextLine() {
				from, seq, _ := strings.Cut(line, " ")
				i, err := strconv.Atoi(from)
				require.NoError(t, err)
				n, err := strconv.Atoi(seq)
				require.NoError(t, err)
				l.enter(t, newPost(i, n))
			}
			r.Succeed()
		}
		require.Equal(t, 2*chanWalkPosts, len(l.seen))
	})
}
