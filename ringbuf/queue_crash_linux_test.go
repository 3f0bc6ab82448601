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

const queueWalkMessages = 40

// walkSizes are such that few fit: messages in records and in extents.
var walkSizes = []int{500, 900, 5000}

// Sends messages from two goroutines and tells of each that was sent.
var _ = testproc.Helper("queue walk sender", func(c *testproc.Child) {
	q, from := openedQueue(c, 0), number(c, 0)
	together(c, 2, func(g int) error {
		for i := range queueWalkMessages / 2 {
			if i == 3 {
				idle(q.Empty)
			}
			if err := q.Send(context.Background(), numbered(2*from+g, i, walkSizes[i%3])); err != nil {
				return err
			}
			c.WriteLine("%d %d", 2*from+g, i)
		}
		return nil
	})
	require.NoError(c, q.Close())
})

// Receives messages with two goroutines and tells of each.
var _ = testproc.Helper("queue walk receiver", func(c *testproc.Child) {
	q := openedQueue(c, 0)
	together(c, 2, func(g int) error {
		for i := 0; ; i++ {
			if i == 2 {
				idle(q.Ready)
			}
			b, err := q.Recv(context.Background(), nil)
			if err == io.EOF {
				return nil
			}
			if err != nil {
				return err
			}
			p, n := numbers(c, b)
			c.WriteLine("%d %d", p, n)
		}
	})
	require.NoError(c, q.Close())
})

func startQueueWalk(start func(string, ...testproc.Option) *testproc.Proc, what string, q *Queue, from int) *testproc.Proc {
	return start("queue walk "+what, testproc.Files(q.File()), testproc.Args(strconv.Itoa(from)))
}

// queuePair starts a victim that receives and, when that sleeps, one that sends to it
// alone; it returns when both have done most of what they do.
func queuePair(t *testing.T, v *testproc.Victim, q *Queue) (sends, receives *testproc.Proc) {
	s := q.ring.many
	r := startQueueWalk(v.Start, "receiver", q, 0)
	until(t, func() bool { return v.Fired() || s.seats[0].asleep.Load() != 0 })
	p := startQueueWalk(v.Start, "sender", q, 0)
	until(t, func() bool { return v.Fired() || s.lanes[0].messages.Load() >= queueWalkMessages/2 })
	return p, r
}

// told returns the messages that a process tells of.
func told(t *testing.T, p *testproc.Proc, enter func(from, n int)) (lines int) {
	for line, ok := p.NextLine(); ok; line, ok = p.NextLine() {
		a, b, _ := strings.Cut(line, " ")
		from, err := strconv.Atoi(a)
		require.NoError(t, err)
		n, err := strconv.Atoi(b)
		require.NoError(t, err)
		enter(from, n)
		lines++
	}
	return lines
}

// X05, X06: a process whose goroutines send or receive dies at each step of that, and
// others take its place. What it had told of having sent arrives once, but for what
// a dead receiver had at hand, a message a goroutine.
func TestQueueCrashWalk(t *testing.T) {
	testproc.CrashWalk(t, queueWalkOptions(), func(t *testing.T, v *testproc.Victim) {
		q := queue(t, &Options{Capacity: minCapacity, OnPeerDeath: Wait})
		p, r := queuePair(t, v, q)
		s := startQueueWalk(survivor(t), "receiver", q, 0)
		o := startQueueWalk(survivor(t), "sender", q, 1)
		o.Succeed()
		p.Wait()
		require.NoError(t, q.CloseSend(bounded(t)))
		r.Wait()
		s.Wait()
		l := queueLedger{seen: map[[2]int]bool{}}
		for _, r := range []*testproc.Proc{r, s} {
			told(t, r, func(from, n int) { l.enter(t, from, n) })
		}
		sent := told(t, o, func(int, int) {}) + told(t, p, func(int, int) {})
		if !v.Fired() {
			require.Equal(t, 2*queueWalkMessages, sent)
		}
		require.GreaterOrEqual(t, len(l.seen), sent-2)
		require.True(t, q.Empty())
	})
}

func queueWalkOptions() *testproc.WalkOptions {
	return &testproc.WalkOptions{Prefix: []string{
		"lane.copied", "lane.written", "lane.published", "lane.taken", "lane.held", "lane.released",
		"lane.asleep", "lane.announced", "lane.awake",
	}}
}

// A stopped process blocks nobody, and goes on when it is continued.
func TestQueueStopWalk(t *testing.T) {
	o := queueWalkOptions()
	o.Stop = true
	testproc.CrashWalk(t, o, func(t *testing.T, v *testproc.Victim) {
		q := queue(t, &Options{Capacity: minCapacity, OnPeerDeath: Wait})
		l := queueLedger{seen: map[[2]int]bool{}}
		p, r := queuePair(t, v, q)
		o := startQueueWalk(survivor(t), "sender", q, 1)
		s := startQueueWalk(survivor(t), "receiver", q, 0)
		o.Succeed() // whoever is stopped
		until(t, func() bool { p.Cont(); return ended(p) })
		p.Succeed()
		require.NoError(t, q.CloseSend(bounded(t)))
		until(t, func() bool { r.Cont(); return ended(r) })
		for _, r := range []*testproc.Proc{r, s} {
			told(t, r, func(from, n int) { l.enter(t, from, n) })
			r.Succeed()
		}
		require.Equal(t, 2*queueWalkMessages, len(l.seen))
	})
}

// X06: a consumer that dies while it takes loses nothing where messages are received
// again.
func TestQueueRedelivers(t *testing.T) {
	o := &testproc.WalkOptions{Prefix: []string{"lane.held"}}
	testproc.CrashWalk(t, o, func(t *testing.T, v *testproc.Victim) {
		q := queue(t, &Options{Redeliver: true, OnPeerDeath: Wait})
		r := startQueueWalk(v.Start, "receiver", q, 0)
		ctx := bounded(t)
		for i := range 10 {
			require.NoError(t, q.Send(ctx, numbered(0, i, 100)))
		}
		r.Wait()
		require.True(t, v.Fired())
		l := queueLedger{seen: map[[2]int]bool{}}
		told(t, r, func(from, n int) { l.enter(t, from, n) })
		require.NoError(t, q.CloseSend(ctx))
		for b, err := range q.All(ctx) {
			require.NoError(t, err)
			from, n := numbers(t, b)
			l.enter(t, from, n)
		}
		require.Len(t, l.seen, 10)
	})
}

// Goroutines of one handle wait in Recv, Send and in Select.
func TestQueueSharesTurns(t *testing.T) {
	eachStrategy(t, func(t *testing.T, s Strategy) {
		const each, goroutines = 300, 6
		ctx := bounded(t)
		o := &Options{Capacity: minCapacity, Strategy: s}
		in, out := queue(t, o), queue(t, o)
		// Of which some are small and some are not.
		size := func(n int) int { return 16 + n%5*7000 }
		done := make(chan error, goroutines)
		for g := range goroutines {
			go func() {
				for {
					var b []byte
					var err error
					if g%3 == 0 {
						b, err = in.Recv(ctx, nil)
					} else {
						_, idle := pair(t, nil)
						_, err = Select(ctx, idle.CaseRecv(new([]byte)), in.CaseRecv(&b))
					}
					if err == nil && g%2 == 0 {
						_, err = Select(ctx, out.CaseSend(b))
					} else if err == nil {
						err = out.Send(ctx, b)
					}
					if err != nil {
						done <- err
						return
					}
				}
			}()
		}
		sends := async(func() ([]byte, error) {
			for n := range each {
				if err := in.Send(ctx, numbered(0, n, size(n))); err != nil {
					return nil, err
				}
			}
			return nil, in.CloseSend(ctx)
		})
		l := queueLedger{seen: map[[2]int]bool{}}
		for range each {
			var b []byte
			_, err := Select(ctx, out.CaseRecv(&b))
			require.NoError(t, err)
			from, n := numbers(t, b)
			l.enter(t, from, n)
		}
		require.NoError(t, get(t, sends).err)
		for range goroutines {
			require.Equal(t, io.EOF, <-done)
		}
		require.Empty(t, out.recv.bells)
		require.True(t, out.Empty())
		_, err := out.TryRecv(nil)
		require.True(t, errors.Is(err, ErrEmpty), "%v", err)
	})
}
