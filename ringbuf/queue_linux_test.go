package ringbuf

import (
	"context"
	"errors"
	"io"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/race"
	"github.com/shmkit/shmkit/internal/testproc"
)

// eachQueue runs fn for queues of few messages, in each mode and strategy, and with
// messages that are received again.
func eachQueue(t *testing.T, fn func(t *testing.T, o *Options)) {
	for _, m := range many {
		for _, s := range strategies {
			t.Run(m.String()+"/"+s.String(), func(t *testing.T) {
				fn(t, &Options{Mode: m, Strategy: s, Capacity: minCapacity})
			})
		}
	}
	t.Run("redeliver", func(t *testing.T) {
		fn(t, &Options{Mode: MPMC, Redeliver: true, Capacity: minCapacity})
	})
}

// sendNumbered sends n messages of all sizes.
func sendNumbered(ctx context.Context, q *Queue, from, n int) error {
	for i := range n {
		b := numbered(from, i, manySizes[int(hash(from+i)%uint64(len(manySizes)))])
		err := error(ErrFull)
		if hash(i)%2 == 0 {
			err = q.TrySend(b)
		}
		if err == ErrFull {
			err = q.Send(ctx, b)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// recvNumbered receives until an error, and says of each message that it came whole and
// in the order of its sender.
func recvNumbered(t require.TestingT, ctx context.Context, q *Queue, got func(p, n int)) error {
	last := map[int]int{}
	var buf []byte
	for i := 0; ; i++ {
		var err error
		if hash(i)%3 == 0 {
			if buf, err = q.TryRecv(buf); err == ErrEmpty {
				continue
			}
		} else {
			buf, err = q.Recv(ctx, buf)
		}
		if err != nil {
			return err
		}
		p, n := numbers(t, buf)
		if l, ok := last[p]; ok && n <= l {
			return errors.New("out of order")
		}
		last[p] = n
		got(p, n)
	}
}

// Three goroutines send through one handle.
var _ = testproc.Helper("queue sender", func(c *testproc.Child) {
	q, id, n := openedQueue(c, 0), number(c, 0), number(c, 1)
	together(c, 3, func(i int) error { return sendNumbered(context.Background(), q, 3*id+i, n) })
	c.WriteLine("sent")
	c.ReadLine()
	require.NoError(c, q.Close())
})

// Three goroutines receive through one handle, and pass on to another queue.
var _ = testproc.Helper("queue receiver", func(c *testproc.Child) {
	q, out := openedQueue(c, 0), openedQueue(c, 1)
	together(c, 3, func(int) error {
		err := recvNumbered(c, context.Background(), q, func(p, n int) {
			require.NoError(c, out.Send(context.Background(), numbered(p, n, 16)))
		})
		if err == io.EOF {
			return nil
		}
		return err
	})
	require.NoError(c, q.Close())
	require.NoError(c, out.Close())
})

// ledger is which messages have come.
type queueLedger struct {
	mu   sync.Mutex
	seen map[[2]int]bool
}

func (l *queueLedger) enter(t require.TestingT, p, n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.seen[[2]int{p, n}] {
		t.Errorf("message %d of %d came twice", n, p)
	}
	l.seen[[2]int{p, n}] = true
}

// X06: each message arrives once, whole, and in the order of its producer, between
// processes and goroutines.
func TestQueueExchange(t *testing.T) {
	const each = 100
	eachQueue(t, func(t *testing.T, o *Options) {
		q := queue(t, o)
		out := queue(t, &Options{Strategy: o.Strategy, Capacity: minCapacity})
		senders, receivers := o.Mode.ends(2)
		var ps, rs []*testproc.Proc
		for i := range senders {
			ps = append(ps, testproc.Start(t, "queue sender", testproc.Files(q.File()), testproc.Args(strconv.Itoa(i), strconv.Itoa(each))))
		}
		for range receivers {
			rs = append(rs, testproc.Start(t, "queue receiver", testproc.Files(q.File(), out.File())))
		}
		l := queueLedger{seen: map[[2]int]bool{}}
		ctx := bounded(t)
		for range senders * 3 * each {
			b, err := out.Recv(ctx, nil)
			require.NoError(t, err)
			p, n := numbers(t, b)
			l.enter(t, p, n)
		}
		for _, p := range ps {
			p.Expect("sent")
			p.WriteLine("leave")
			p.Succeed()
		}
		for _, r := range rs {
			r.Succeed() // the last producer has left, which is the end of the stream
		}
		require.Zero(t, q.Len())
		require.True(t, q.Empty())
		_, err := out.Recv(ctx, nil)
		require.Equal(t, io.EOF, err)
	})
}

// Goroutines of one process, through one handle and through several.
func TestQueueGoroutines(t *testing.T) {
	const each = 200
	eachQueue(t, func(t *testing.T, o *Options) {
		q := queue(t, o)
		senders, receivers := o.Mode.ends(2)
		ctx := bounded(t)
		l := queueLedger{seen: map[[2]int]bool{}}
		var sending, receiving sync.WaitGroup
		handles := make([]*Queue, max(senders, receivers))
		for h := range handles {
			d, err := OpenQueueFile(dup(t, q.File()))
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, d.Close()) })
			handles[h] = d
			// One after the other: of two handles of one process that want the same
			// place at the same time, the loser cannot be closed before the other.
			if h < receivers {
				b, err := d.TryRecv(nil)
				if err != ErrEmpty {
					require.NoError(t, err)
					p, n := numbers(t, b)
					l.enter(t, p, n)
				}
			}
			if h < senders {
				require.NoError(t, d.Send(ctx, numbered(100+h, 0, 16)))
			}
			for g := range 3 {
				if h < senders {
					sending.Go(func() {
						if err := sendNumbered(ctx, d, 3*h+g, each); err != nil {
							t.Error(err)
						}
					})
				}
				if h < receivers {
					receiving.Go(func() {
						if err := recvNumbered(t, ctx, d, func(p, n int) { l.enter(t, p, n) }); err != io.EOF {
							t.Error(err)
						}
					})
				}
			}
		}
		testproc.Within(t, sending.Wait)
		require.NoError(t, handles[0].CloseSend(ctx))
		testproc.Within(t, receiving.Wait)
		require.Equal(t, senders*(3*each+1), len(l.seen))
	})
}

func TestQueueVerbs(t *testing.T) {
	eachQueue(t, func(t *testing.T, o *Options) {
		q := queue(t, o)
		ctx := bounded(t)
		require.Equal(t, minCapacity, q.Cap())
		require.Equal(t, minCapacity-8, q.MaxMessage())
		require.False(t, q.Ready())
		require.Zero(t, q.Stats().ConsumerPID, "looking takes no role")
		_, err := q.TryRecv(nil)
		require.ErrorIs(t, err, ErrEmpty)
		require.NotZero(t, q.Stats().ConsumerPID)
		require.True(t, q.Empty())
		require.False(t, q.Full())
		for round := range 3 { // around the end of the lane
			n := 0
			for ; q.TrySend(make([]byte, 1000)) == nil; n++ {
			}
			require.ErrorIs(t, q.TrySend(make([]byte, 1000)), ErrFull)
			require.Equal(t, n, q.Len(), "round %d", round)
			require.True(t, q.Ready())
			require.False(t, q.Empty())
			for i := range n {
				b, err := q.TryRecv(nil)
				require.NoError(t, err)
				require.Len(t, b, 1000, i)
			}
			require.Zero(t, q.Len())
			require.False(t, q.Ready())
		}
		require.ErrorIs(t, q.Send(ctx, make([]byte, minCapacity)), ErrTooLarge)
		for _, size := range manySizes {
			require.NoError(t, q.Send(ctx, numbered(1, size, size)))
			b, err := q.Recv(ctx, make([]byte, 0, 7))
			require.NoError(t, err)
			p, n := numbers(t, b)
			require.Equal(t, []int{1, size}, []int{p, n})
		}
		require.Contains(t, q.String(), `Queue("", `+o.Mode.String()+`, 0 messages, room for 65536 bytes of each producer, `+o.Strategy.String()+`, producers [`)

		expired, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		_, err = q.Recv(expired, nil)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NoError(t, q.TrySend([]byte("a")))
		b, err := q.Recv(expired, nil)
		require.NoError(t, err, "what does not have to wait does not ask")
		require.Equal(t, "a", string(b))
		sent := 0
		for ; q.TrySend(make([]byte, 20000)) == nil; sent++ {
		}
		require.ErrorIs(t, q.Send(expired, make([]byte, 20000)), context.DeadlineExceeded)

		require.NoError(t, q.CloseSend(ctx))
		require.NoError(t, q.CloseSend(ctx), "the stream has ended, as was asked for")
		require.ErrorIs(t, q.Send(ctx, nil), ErrClosed)
		require.ErrorIs(t, q.TrySend(nil), ErrClosed)
		for b, err := range q.All(ctx) {
			require.NoError(t, err)
			require.Len(t, b, 20000)
			sent--
		}
		require.Zero(t, sent)
		require.True(t, q.Ready(), "the end is something to receive")
		_, err = q.Recv(ctx, nil)
		require.Equal(t, io.EOF, err)
		_, err = q.TryRecv(nil)
		require.Equal(t, io.EOF, err)
	})
}

func TestQueueFull(t *testing.T) {
	q := queue(t, &Options{Capacity: minCapacity})
	d, err := OpenQueueFile(dup(t, q.File()))
	require.NoError(t, err)
	defer func() { require.NoError(t, d.Close()) }()
	require.False(t, q.Full())
	for q.TrySend(nil) == nil {
	}
	require.True(t, q.Full())
	require.Equal(t, minCapacity/8, q.Len())
	require.False(t, d.Full())
	_, err = q.TryRecv(nil)
	require.NoError(t, err)
	require.False(t, q.Full())
}

func TestQueueOpen(t *testing.T) {
	name := newName(t)
	_, err := OpenQueue(t.Context(), name, nil)
	require.ErrorIs(t, err, ErrNotExist)
	_, err = NewQueue("", &Options{Capacity: -1})
	require.ErrorIs(t, err, ErrSize)
	q, err := NewQueue(name, &Options{OnPeerDeath: Wait})
	require.NoError(t, err)
	require.Equal(t, name, q.Name())
	d, err := OpenQueue(t.Context(), name, nil)
	require.NoError(t, err)
	require.NoError(t, q.Send(t.Context(), []byte("x")))
	b, err := d.Recv(t.Context(), nil)
	require.NoError(t, err)
	require.Equal(t, "x", string(b))
	require.Len(t, q.Ends(), 2)
	// It is a ring.
	r, err := OpenFile(dup(t, q.File()))
	require.NoError(t, err)
	require.NoError(t, producer(t, r).Send(t.Context(), []byte("y")))
	require.NoError(t, r.Close())
	b, err = d.Recv(t.Context(), b)
	require.NoError(t, err)
	require.Equal(t, "y", string(b))
	require.NoError(t, d.Unlink())
	require.NoError(t, d.Close())
	require.NoError(t, q.Close())
	require.NoError(t, q.Close())

	_, err = OpenQueueFile(dup(t, ring(t, nil).File()))
	require.ErrorIs(t, err, ErrKind)
	_, err = OpenQueueFile(dup(t, channel[int64](t, 4, &Options{Mode: MPMC}).File()))
	require.ErrorIs(t, err, ErrKind)
}

// Close ends the wait of the one that has the turn, and of those that queue for it.
func TestQueueClose(t *testing.T) {
	eachQueue(t, func(t *testing.T, o *Options) {
		for _, size := range []int{1000, 20000} { // no room, no extent
			q := queue(t, o)
			for q.TrySend(make([]byte, size)) == nil {
			}
			var all []<-chan result
			for range 3 {
				all = append(all, async(func() ([]byte, error) { return nil, q.Send(bounded(t), make([]byte, size)) }))
			}
			until(t, func() bool { return waiting(&q.send.turns) })
			testproc.Within(t, func() {
				if err := q.Close(); err != nil {
					t.Error(err)
				}
			})
			for _, done := range all {
				require.ErrorIs(t, get(t, done).err, ErrClosed)
			}
		}
		q := queue(t, o)
		var all []<-chan result
		for range 3 {
			all = append(all, async(func() ([]byte, error) { return q.Recv(bounded(t), nil) }))
		}
		until(t, func() bool { return waiting(&q.recv.turns) })
		require.False(t, q.Ready())
		testproc.Within(t, func() {
			if err := q.Close(); err != nil {
				t.Error(err)
			}
		})
		for _, done := range all {
			require.ErrorIs(t, get(t, done).err, ErrClosed)
		}
		require.ErrorIs(t, q.Send(t.Context(), nil), ErrClosed)
		require.ErrorIs(t, q.TrySend(nil), ErrClosed)
		require.ErrorIs(t, q.CloseSend(t.Context()), ErrClosed)
		_, err := q.Recv(t.Context(), nil)
		require.ErrorIs(t, err, ErrClosed)
		_, err = q.TryRecv(nil)
		require.ErrorIs(t, err, ErrClosed)
		require.True(t, q.Ready())
		require.True(t, q.Empty())
		require.Zero(t, q.Len())
		require.NotEmpty(t, q.String())
	})
}

// A context ends the wait of its goroutine, whether that has the turn or queues for it,
// and nobody else's; it leaves nothing behind.
func TestQueueContexts(t *testing.T) {
	eachQueue(t, func(t *testing.T, o *Options) {
		q := queue(t, o)
		type waiter struct {
			cancel context.CancelFunc
			done   <-chan result
		}
		wait := func(call func(ctx context.Context) error) (w waiter) {
			var ctx context.Context
			ctx, w.cancel = context.WithCancel(bounded(t))
			w.done = async(func() ([]byte, error) { return nil, call(ctx) })
			return w
		}
		full := 0
		for _, side := range []struct {
			call func(ctx context.Context) error
			turn *turns
			free func() error
		}{
			{func(ctx context.Context) error { _, err := q.Recv(ctx, nil); return err }, &q.recv.turns, func() error { return q.Send(bounded(t), make([]byte, 20000)) }},
			{func(ctx context.Context) error { return q.Send(ctx, make([]byte, 20000)) }, &q.send.turns, func() error { _, err := q.Recv(bounded(t), nil); return err }},
		} {
			if side.turn == &q.send.turns {
				for ; q.TrySend(make([]byte, 20000)) == nil; full++ {
				}
			}
			first := wait(side.call)
			until(t, func() bool { return waiting(side.turn) })
			var waiters []waiter
			for range 4 {
				waiters = append(waiters, wait(side.call))
			}
			waiters[1].cancel()
			require.ErrorIs(t, get(t, waiters[1].done).err, context.Canceled, "one of those that queue")
			require.Empty(t, first.done)
			first.cancel()
			require.ErrorIs(t, get(t, first.done).err, context.Canceled, "the one with the turn")
			for _, k := range []int{0, 2, 3} {
				require.Empty(t, waiters[k].done)
			}
			waiters[3].cancel()
			require.ErrorIs(t, get(t, waiters[3].done).err, context.Canceled)
			for range 2 {
				require.NoError(t, side.free())
			}
			require.NoError(t, get(t, waiters[0].done).err)
			require.NoError(t, get(t, waiters[2].done).err)
		}
		// Of those that were given up nothing was sent.
		require.Equal(t, full, q.Len())
		for range full {
			_, err := q.TryRecv(nil)
			require.NoError(t, err)
		}
		_, err := q.TryRecv(nil)
		require.ErrorIs(t, err, ErrEmpty)
	})
}

// While a goroutine waits, another one tries.
func TestQueueTryBesideWaiters(t *testing.T) {
	eachQueue(t, func(t *testing.T, o *Options) {
		q := queue(t, o)
		ctx := bounded(t)
		receives := async(func() ([]byte, error) { return q.Recv(ctx, nil) })
		until(t, func() bool { return waiting(&q.recv.turns) })
		for range 100 {
			_, err := q.TryRecv(nil)
			require.ErrorIs(t, err, ErrEmpty)
		}
		require.NoError(t, q.Send(ctx, []byte("x")))
		b, err := q.TryRecv(nil)
		if err == nil { // it was faster
			require.Equal(t, "x", string(b))
			require.NoError(t, q.Send(ctx, []byte("x")))
		} else {
			require.ErrorIs(t, err, ErrEmpty)
		}
		require.Equal(t, result{[]byte("x"), nil}, get(t, receives))

		for q.TrySend(make([]byte, 20000)) == nil {
		}
		sends := async(func() ([]byte, error) { return nil, q.Send(ctx, make([]byte, 20000)) })
		until(t, func() bool { return waiting(&q.send.turns) })
		until(t, func() bool { return q.TrySend([]byte("small")) == ErrFull }) // behind the one that waits
		for len(sends) == 0 {
			_, err := q.Recv(ctx, nil)
			require.NoError(t, err)
			if q.Empty() {
				break // there is room now for the one that waits
			}
		}
		require.NoError(t, get(t, sends).err)
		require.NoError(t, q.TrySend([]byte("small")))
	})
}

// Of goroutines that are the first to use a queue, without waiting, none is refused for
// the others.
func TestQueueFirstTries(t *testing.T) {
	for range 20 {
		q := queue(t, nil)
		together(t, 4, func(int) error { return q.TrySend([]byte("x")) })
		together(t, 4, func(int) error { _, err := q.TryRecv(nil); return err })
	}
}

// There is room for so many processes.
func TestQueueTooMany(t *testing.T) {
	q := queue(t, &Options{Producers: 1, Consumers: 1, Mode: MPMC})
	require.NoError(t, q.Send(t.Context(), nil))
	d, err := OpenQueueFile(dup(t, q.File()))
	require.NoError(t, err)
	defer func() { require.NoError(t, d.Close()) }()
	require.ErrorIs(t, d.Send(t.Context(), nil), ErrBusy)
	require.ErrorIs(t, d.TrySend(nil), ErrBusy)
	require.ErrorIs(t, d.CloseSend(t.Context()), ErrBusy)
	require.True(t, d.Ready())
	_, err = d.Recv(t.Context(), nil)
	require.NoError(t, err)
	_, err = q.TryRecv(nil)
	require.ErrorIs(t, err, ErrBusy)
}

// X05, X06: processes are killed while others wait for them.
func TestQueueKilled(t *testing.T) {
	eachStrategy(t, func(t *testing.T, s Strategy) {
		q := queue(t, &Options{Strategy: s})
		ctx := bounded(t)
		start := func() *testproc.Proc {
			return testproc.Start(t, "queue sender", testproc.Files(q.File()), testproc.Args("0", "3"))
		}
		p, o := start(), start()
		p.Expect("sent")
		o.Expect("sent")
		p.Kill()
		p.Wait()
		for range 18 {
			_, err := q.Recv(ctx, nil)
			require.NoError(t, err)
		}
		_, err := q.TryRecv(nil)
		require.ErrorIs(t, err, ErrEmpty, "one lives")
		require.False(t, q.Ready())
		var all []<-chan result
		for range 3 {
			all = append(all, async(func() ([]byte, error) { return q.Recv(ctx, nil) }))
		}
		until(t, func() bool { return waiting(&q.recv.turns) })
		o.Kill()
		for _, done := range all {
			require.ErrorIs(t, get(t, done).err, ErrPeerDied)
		}
		// While threads of the dead one are still ending, the fence may count them again.
		until(t, q.Ready)
		until(t, func() bool { _, err = q.TryRecv(nil); return err != ErrEmpty })
		require.ErrorIs(t, err, ErrPeerDied)
		p = start()
		p.Expect("sent")
		_, err = q.Recv(ctx, nil)
		require.NoError(t, err, "another one has come")

		for _, size := range []int{1000, 20000} {
			q = queue(t, &Options{Capacity: minCapacity, Strategy: s})
			out := queue(t, &Options{Capacity: minCapacity, Strategy: s})
			r := testproc.Start(t, "queue receiver", testproc.Files(q.File(), out.File()))
			require.NoError(t, q.Send(ctx, numbered(0, 0, size)))
			_, err = out.Recv(ctx, nil)
			require.NoError(t, err)
			require.True(t, r.Stop())
			n := 0
			for ; q.TrySend(numbered(0, 1, size)) == nil; n++ {
			}
			all = nil
			for range 3 {
				all = append(all, async(func() ([]byte, error) { return nil, q.Send(ctx, numbered(0, 2, size)) }))
			}
			until(t, func() bool { return waiting(&q.send.turns) })
			r.Kill()
			for _, done := range all {
				err := get(t, done).err
				require.ErrorIs(t, err, ErrNoConsumer)
				require.ErrorIs(t, err, ErrPeerDied)
			}
			// What the goroutines of the stopped consumer had not taken is there.
			require.Equal(t, n, q.Len())
			for range n {
				_, err = q.Recv(ctx, nil)
				require.NoError(t, err)
			}
			require.NoError(t, q.Send(ctx, numbered(0, 2, size)))
		}
	})
}

var _ = testproc.Helper("travelled queue", func(c *testproc.Child) {
	var q Queue
	arrive(c, q.UnmarshalBinary)
	require.NoError(c, q.Send(context.Background(), []byte("from the child")))
	require.NoError(c, q.Close())
})

func TestQueueTravels(t *testing.T) {
	for _, name := range []string{"", newName(t)} {
		q, err := NewQueue(name, nil)
		require.NoError(t, err)
		require.NoError(t, q.Send(t.Context(), []byte("from the parent")))
		child := depart(t, q.MarshalBinary).to(t, "travelled queue")
		for _, want := range []string{"from the parent", "from the child"} {
			b, err := q.Recv(bounded(t), nil)
			require.NoError(t, err)
			require.Equal(t, want, string(b))
		}
		child.Succeed()
		require.NoError(t, q.Close())
	}
}

// The file is truncated under goroutines that wait and queue: each of them hears of it,
// and no lock stays held.
func TestQueueTruncated(t *testing.T) {
	faultsAreSeen(t)
	eachStrategy(t, func(t *testing.T, s Strategy) {
		if race.Enabled && s == Spin {
			t.Skip("a fault inside of the race detector's own access cannot be recovered, and who spins is mostly there")
		}
		named := func() *Queue {
			q, err := NewQueue(newName(t), &Options{Capacity: minCapacity, Strategy: s})
			require.NoError(t, err)
			return q
		}
		q, d := named(), named()
		require.NoError(t, q.Send(t.Context(), []byte("x")))
		b, err := q.Recv(t.Context(), nil)
		require.NoError(t, err)
		require.Equal(t, "x", string(b))
		for q.TrySend(make([]byte, 1000)) == nil {
		}
		var all []<-chan result
		for range 3 {
			all = append(all, async(func() ([]byte, error) { return nil, q.Send(bounded(t), make([]byte, 1000)) }))
			all = append(all, async(func() ([]byte, error) { return d.Recv(bounded(t), nil) }))
		}
		until(t, func() bool { return waiting(&q.send.turns) && waiting(&d.recv.turns) })
		require.NoError(t, q.File().Truncate(0))
		require.NoError(t, d.File().Truncate(0))
		for _, done := range all {
			require.ErrorIs(t, get(t, done).err, ErrTruncated)
		}
		for range 2 {
			require.ErrorIs(t, q.TrySend(nil), ErrTruncated)
			require.ErrorIs(t, d.Send(t.Context(), nil), ErrTruncated)
			_, err := q.Recv(t.Context(), nil)
			require.ErrorIs(t, err, ErrTruncated)
			require.True(t, d.Ready())
			require.Error(t, d.CloseSend(t.Context()))
		}
		require.NotEmpty(t, q.String())
		testproc.Within(t, func() { q.Close(); d.Close() })
	})
}

// Looking is enough to be told of what comes: Ready, when it says no, makes the
// descriptor wait, and takes nothing.
func TestQueueReadyAndPollFile(t *testing.T) {
	q := queue(t, nil)
	f, err := q.PollFile()
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()
	require.NotZero(t, q.Stats().ConsumerPID, "who polls is a consumer, to be woken")
	for range 3 {
		require.False(t, q.Ready())
		require.False(t, pollFor(t, f, 0))
		require.NoError(t, q.Send(bounded(t), []byte("x")))
		require.True(t, pollFor(t, f, pollWatchdog))
		require.True(t, q.Ready())
		require.True(t, pollFor(t, f, 0), "it stays readable")
		require.Equal(t, 1, q.Len())
		_, err := q.Recv(bounded(t), nil)
		require.NoError(t, err)
	}
	require.NoError(t, q.CloseSend(bounded(t)))
	require.True(t, q.Ready())
	require.True(t, pollFor(t, f, pollWatchdog))
}
