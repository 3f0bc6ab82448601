package ringbuf

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/testproc"
)

// Does as told: "lease" and tells of the message, "done" with the oldest lease, "send" a
// message, "join", "leave".
var _ = testproc.Helper("lease.worker", func(c *testproc.Child) {
	q, ctx := openedQueue(c, 0), context.Background()
	var leases []Lease
	sent := 0
	c.WriteLine("here")
	for {
		switch c.ReadLine() {
		case "lease":
			l, err := q.Lease(ctx)
			require.NoError(c, err)
			leases = append(leases, l)
			from, n := numbers(c, l.Bytes())
			c.WriteLine("%d %d %v", from, n, l.Redelivered())
		case "done":
			require.NoError(c, leases[0].Done())
			leases = leases[1:]
			c.WriteLine("done")
		case "send":
			require.NoError(c, q.Send(ctx, numbered(1, sent, 100)))
			sent++
			c.WriteLine("sent")
		case "join":
			require.NoError(c, q.WaitFinished(ctx))
			c.WriteLine("joined")
		case "leave":
			require.NoError(c, q.Close())
			c.WriteLine("left")
		}
	}
})

func leaseWorker(t *testing.T, q *Queue) *testproc.Proc {
	t.Helper()
	p := testproc.Start(t, "lease.worker", testproc.Files(q.File()))
	p.Expect("here")
	return p
}

// tells says a word to a worker, which answers.
func tells(p *testproc.Proc, word, want string) {
	p.WriteLine("%s", word)
	p.Expect(want)
}

// leaseQueue makes a queue with leases, whose ends wait for others to come.
func leaseQueue(t testing.TB, redeliver bool) *Queue {
	return queue(t, &Options{Leases: true, Redeliver: redeliver, OnPeerDeath: Wait})
}

// another opens q once more, as another process does.
func another(t *testing.T, q *Queue) *Queue {
	t.Helper()
	d, err := OpenQueueFile(dup(t, q.File()))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	return d
}

func eachRedeliver(t *testing.T, fn func(t *testing.T, redeliver bool)) {
	for _, redeliver := range []bool{false, true} {
		t.Run(fmt.Sprintf("redeliver=%v", redeliver), func(t *testing.T) { fn(t, redeliver) })
	}
}

// joining waits in WaitFinished, and has been there when it returns.
// waits checks that a joiner still does.
// A process holds any number of messages, of all sizes, and is done with them in any
// order.
func TestLease(t *testing.T) {
	eachRedeliver(t, func(t *testing.T, redeliver bool) {
		q := leaseQueue(t, redeliver)
		ctx := bounded(t)
		_, err := q.TryLease()
		require.ErrorIs(t, err, ErrEmpty)
		sizes := []int{16, 17, 5000, 0, 900_000, 300_000, 64, 100_000}
		for i, n := range sizes {
			require.Equal(t, i, q.Unfinished())
			require.NoError(t, q.Send(ctx, noise[:min(n, len(noise))]))
		}
		var leases []Lease
		for i, n := range sizes {
			l, err := q.Lease(ctx)
			require.NoError(t, err)
			require.False(t, l.Redelivered())
			leases = append(leases, l)
			require.Len(t, l.Bytes(), min(n, len(noise)), "message %d", i)
			require.Equal(t, len(sizes), q.Unfinished())
		}
		require.Zero(t, q.Len())
		for left, i := range rand.Perm(len(leases)) {
			require.Equal(t, noise[:min(sizes[i], len(noise))], append([]byte{}, leases[i].Bytes()...))
			require.NoError(t, leases[i].Done())
			require.ErrorIs(t, leases[i].Done(), ErrDone)
			require.Equal(t, len(leases)-left-1, q.Unfinished())
		}
		require.NoError(t, q.WaitFinished(ctx))
		// Recv is done with what it returns.
		require.NoError(t, q.Send(ctx, []byte("x")))
		b, err := q.Recv(ctx, nil)
		require.NoError(t, err)
		require.Equal(t, "x", string(b))
		require.Zero(t, q.Unfinished())
		require.ErrorIs(t, leases[0].Done(), ErrDone, "its entry was used again")
		require.ErrorIs(t, Lease{}.Done(), ErrDone)
		require.Nil(t, Lease{}.Bytes())
	})
}

func TestLeaseOptions(t *testing.T) {
	_, err := New("", &Options{Leases: true})
	require.ErrorIs(t, err, ErrOption)
	_, err = NewChan[int64]("", 4, &Options{Mode: MPMC, Leases: true})
	require.ErrorIs(t, err, ErrOption)
	q := queue(t, nil)
	_, err = q.Lease(bounded(t))
	require.ErrorIs(t, err, ErrOption)
	_, err = q.TryLease()
	require.ErrorIs(t, err, ErrOption)
	require.ErrorIs(t, q.WaitFinished(bounded(t)), ErrOption)
	require.NoError(t, q.Send(bounded(t), nil))
	require.Zero(t, q.Unfinished())
}

// A named queue, whose file may be truncated, has leases too.
func TestLeaseNamed(t *testing.T) {
	faultsAreSeen(t)
	name := newName(t)
	q, err := NewQueue(name, &Options{Leases: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, q.Close()); require.NoError(t, q.Unlink()) })
	require.NoError(t, q.Send(bounded(t), []byte("y")))
	l, err := q.Lease(bounded(t))
	require.NoError(t, err)
	require.Equal(t, "y", string(l.Bytes()))
	require.NoError(t, l.Done())
	require.ErrorIs(t, l.Done(), ErrDone)
	require.NoError(t, q.WaitFinished(bounded(t)))
	_, err = q.TryLease()
	require.ErrorIs(t, err, ErrEmpty)
	require.NoError(t, q.Send(bounded(t), []byte("z")))
	l, err = q.Lease(bounded(t))
	require.NoError(t, err)
	require.NoError(t, q.File().Truncate(0))
	require.ErrorIs(t, l.Done(), ErrTruncated)
	require.ErrorIs(t, q.WaitFinished(bounded(t)), ErrTruncated)
}

// Close ends the leases: others receive the messages, or they are finished.
func TestLeaseClose(t *testing.T) {
	eachRedeliver(t, func(t *testing.T, redeliver bool) {
		q := leaseQueue(t, redeliver)
		d := another(t, q)
		ctx := bounded(t)
		var leases []Lease
		for i := range 3 {
			require.NoError(t, q.Send(ctx, numbered(0, i, 100)))
			l, err := d.Lease(ctx)
			require.NoError(t, err)
			leases = append(leases, l)
		}
		done := joining(t, q)
		waits(t, done)
		require.NoError(t, d.Close())
		require.ErrorIs(t, leases[0].Done(), ErrClosed)
		_, err := d.Lease(ctx)
		require.ErrorIs(t, err, ErrClosed)
		require.ErrorIs(t, d.WaitFinished(ctx), ErrClosed)
		if redeliver {
			waits(t, done)
			for i := range leases {
				l, err := q.Lease(ctx)
				require.NoError(t, err)
				require.True(t, l.Redelivered())
				_, n := numbers(t, l.Bytes())
				require.Equal(t, i, n)
				require.NoError(t, l.Done())
			}
		}
		require.NoError(t, get(t, done).err)
		require.Zero(t, q.Unfinished())
	})
}

// Close ends WaitFinished, and so does its context.
// X06: a process is killed that holds messages. They are finished with it, or others
// receive them; the end of the stream waits for that.
func TestLeaseX06HolderKilled(t *testing.T) {
	eachRedeliver(t, func(t *testing.T, redeliver bool) {
		q := leaseQueue(t, redeliver)
		ctx := bounded(t)
		w := leaseWorker(t, q)
		for i := range 5 {
			require.NoError(t, q.Send(ctx, numbered(0, i, 100)))
		}
		for i := range 3 {
			tells(w, "lease", fmt.Sprintf("0 %d false", i))
		}
		tells(w, "done", "done")
		require.Equal(t, 4, q.Unfinished())
		require.NoError(t, q.CloseSend(ctx))
		var got []int
		again := 0
		done := joining(t, another(t, q))
		w.Kill()
		for {
			l, err := q.Lease(ctx)
			if err == io.EOF {
				break
			}
			require.NoError(t, err)
			_, n := numbers(t, l.Bytes())
			got = append(got, n)
			if l.Redelivered() {
				again++
			}
			require.NoError(t, l.Done())
		}
		want := []int{3, 4}
		if redeliver {
			want = []int{1, 2, 3, 4}
		}
		require.ElementsMatch(t, want, got)
		require.Equal(t, len(want)-2, again)
		require.NoError(t, get(t, done).err)
		require.Zero(t, q.Unfinished())
	})
}

// X06: who only joins, and takes no role, finds the death of the last holder.
// A stopped process keeps what it holds, and disturbs nobody else.
func TestLeaseHolderStopped(t *testing.T) {
	eachRedeliver(t, func(t *testing.T, redeliver bool) {
		q := leaseQueue(t, redeliver)
		ctx := bounded(t)
		w := leaseWorker(t, q)
		require.NoError(t, q.Send(ctx, numbered(0, 0, 100)))
		tells(w, "lease", "0 0 false")
		require.True(t, w.Stop())
		for i := range 3000 {
			require.NoError(t, q.Send(ctx, numbered(0, i+1, 500)))
			l, err := q.Lease(ctx)
			require.NoError(t, err)
			require.NoError(t, l.Done())
		}
		require.Equal(t, 1, q.Unfinished())
		done := joining(t, q)
		waits(t, done)
		w.Cont()
		tells(w, "done", "done")
		require.NoError(t, get(t, done).err)
	})
}

// X06: three workers are killed in turn while others wait until all is finished. They
// hear of it when the last message is done, not before.
// Whoever works puts more work before it is done with its own: there is always something
// unfinished until all is finished.
// Many goroutines of several handles work and join; nobody misses the end.
// Producers may be far ahead: many messages are sent before the first worker comes.
func TestLeaseFarAhead(t *testing.T) {
	eachRedeliver(t, func(t *testing.T, redeliver bool) {
		const messages = 20000
		q := queue(t, &Options{Leases: true, Redeliver: redeliver, Capacity: 4 << 20, OnPeerDeath: Wait})
		ctx := bounded(t)
		for i := range messages {
			require.NoError(t, q.TrySend(numbered(0, i, 40)))
		}
		require.Equal(t, messages, q.Unfinished())
		require.Equal(t, messages, q.Len())
		done := joining(t, q)
		// One process holds half of them, and dies; another one does the rest.
		d := another(t, q)
		for i := range messages / 2 {
			l, err := d.Lease(ctx)
			require.NoError(t, err)
			_, n := numbers(t, l.Bytes())
			require.Equal(t, i, n)
		}
		require.Equal(t, messages, q.Unfinished())
		require.NoError(t, d.Close())
		l := queueLedger{seen: map[[2]int]bool{}}
		rest := messages / 2
		if redeliver {
			rest = messages
		}
		require.Equal(t, rest, q.Unfinished())
		for range rest {
			x, err := q.Lease(ctx)
			require.NoError(t, err)
			from, n := numbers(t, x.Bytes())
			l.enter(t, from, n)
			require.NoError(t, x.Done())
		}
		require.NoError(t, get(t, done).err)
		s := q.ring.many
		most := s.lanes[0].entries.Load()
		require.Less(t, int(most), messages*5/4)
		// What was used once is used again, before what never was.
		for i := range messages {
			require.NoError(t, q.Send(ctx, numbered(1, i, 40)))
			x, err := q.Lease(ctx)
			require.NoError(t, err)
			require.NoError(t, x.Done())
		}
		require.Equal(t, most, s.lanes[0].entries.Load())
	})
}

// Where one message is under way at a time, few entries of the table are ever used.
func TestLeaseTableStaysShort(t *testing.T) {
	q := leaseQueue(t, false)
	for i := range 5000 {
		require.NoError(t, q.Send(bounded(t), numbered(0, i, 40)))
		l, err := q.Lease(bounded(t))
		require.NoError(t, err)
		require.NoError(t, l.Done())
	}
	require.EqualValues(t, moreEntries, q.ring.many.lanes[0].entries.Load())
}

// A producer may have so many messages that are not done, and waits for one then; the
// next in its lane finds what it left.
func TestLeaseLimit(t *testing.T) {
	q := queue(t, &Options{Leases: true, Redeliver: true, Capacity: minCapacity, OnPeerDeath: Wait})
	d := another(t, q)
	ctx := bounded(t)
	n := 0
	for ; ; n++ {
		if err := q.TrySend(numbered(0, n, 16)); err != nil {
			require.ErrorIs(t, err, ErrFull)
			break
		}
	}
	require.Equal(t, minCapacity/64, n)
	var leases []Lease
	for range n {
		l, err := d.Lease(ctx)
		require.NoError(t, err)
		leases = append(leases, l)
	}
	require.ErrorIs(t, q.TrySend(numbered(0, n, 16)), ErrFull, "taken is not done")
	sent := async(func() ([]byte, error) { return nil, q.Send(ctx, numbered(0, n, 16)) })
	until(t, func() bool { return q.ring.many.lanes[0].asleep.Load() == forExtent })
	require.NoError(t, leases[n/2].Done())
	require.NoError(t, get(t, sent).err)
	require.NoError(t, q.Close())

	o := another(t, d) // in the same lane
	require.ErrorIs(t, o.TrySend(numbered(0, n+1, 16)), ErrFull)
	for i, l := range leases {
		if i != n/2 {
			_, k := numbers(t, l.Bytes())
			require.Equal(t, i, k)
			require.NoError(t, l.Done())
		}
	}
	require.NoError(t, o.Send(ctx, numbered(0, n+1, 16)))
	require.Equal(t, 1, len(d.ring.many.usedLanes()))
	for i := range 2 {
		l, err := o.Lease(ctx)
		require.NoError(t, err)
		_, k := numbers(t, l.Bytes())
		require.Equal(t, n+i, k)
		require.NoError(t, l.Done())
	}
	require.NoError(t, d.WaitFinished(ctx))
}

// A consumer is killed, or stopped, when it has taken a message and not moved the head:
// that is one message, and none when it is finished, also with nobody to move the head.
// A hostile peer writes garbage wherever processes write: every call ends, with a
// documented error or a message.
func TestLeaseHostile(t *testing.T) {
	for round := range 24 {
		o := &Options{Capacity: minCapacity, Grow: round%4 > 1, Producers: 2, Consumers: 3, Leases: true, Redeliver: round%2 == 1, Strategy: strategies[round%3]}
		q := queue(t, o)
		d, err := OpenQueueFile(dup(t, q.File()))
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Millisecond)
		var stop atomic.Bool
		var peer, all sync.WaitGroup
		s := q.ring.many
		words := manyWords(s.geo)
		for i := range s.lanes {
			for off := range 40 {
				words = append(words, s.geo.at(i)+8*off)
				if g := s.geo; g.fates > 0 {
					words = append(words, g.at(i)+g.words+off%8*8, g.at(i)+g.slots+off*placeSize, g.at(i)+g.slots+(1+off%4)*g.chunk-8*g.fates+off*8)
				}
			}
		}
		peer.Go(func() {
			rnd := rand.New(rand.NewPCG(uint64(round), 9))
			for !stop.Load() {
				if rnd.IntN(2) == 0 {
					spoilLanes(s, rnd)
				} else {
					wordAt(s.bytes[words[rnd.IntN(len(words))]:]).Store(rnd.Uint64() >> rnd.IntN(64))
				}
			}
		})
		check := func(err error) bool {
			if !manyExpected(err) {
				t.Errorf("unexpected: %v", err)
			}
			return ctx.Err() == nil
		}
		for _, h := range []*Queue{q, d} {
			all.Go(func() {
				for n := 0; check(h.Send(ctx, make([]byte, n%7*3000))); n++ {
				}
			})
			all.Go(func() {
				for {
					l, err := h.Lease(ctx)
					if err == nil && len(l.Bytes()) > s.opts.MaxMessage {
						t.Errorf("a message of %d bytes", len(l.Bytes()))
					}
					check(err)
					if err := l.Done(); err != ErrDone {
						check(err)
					}
					if ctx.Err() != nil {
						return
					}
				}
			})
			all.Go(func() {
				for check(h.WaitFinished(ctx)) {
					if n := h.Unfinished(); n < 0 {
						t.Errorf("%d messages", n)
					}
				}
			})
		}
		testproc.Within(t, all.Wait)
		stop.Store(true)
		peer.Wait()
		cancel()
		for _, h := range []*Queue{q, d} {
			testproc.Within(t, func() { h.Close() })
		}
		quiesce(q.ring)
		require.NoError(t, d.Close())
	}
}
