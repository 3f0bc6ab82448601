package ringbuf

import (
	"context"
	"errors"
	"io"
	"os"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/testproc"
)

// post is a value that says whose it is.
type post struct{ From, Seq, Check int64 }

func newPost(from, seq int) post {
	return post{int64(from), int64(seq), ^int64(hash(from<<20 + seq))}
}

func eachManyChan(t *testing.T, fn func(t *testing.T, o *Options)) {
	for _, m := range many {
		for _, s := range strategies {
			t.Run(m.String()+"/"+s.String(), func(t *testing.T) { fn(t, &Options{Mode: m, Strategy: s}) })
		}
	}
}

// sendPosts sends posts of one sender, by all verbs.
func sendPosts(ctx context.Context, c *Chan[post], from, n int) error {
	for i := 0; i < n; {
		k := 1
		var err error
		switch hash(i+from) % 3 {
		case 0:
			err = c.Send(ctx, newPost(from, i))
		case 1:
			if err = c.TrySend(newPost(from, i)); errors.Is(err, ErrFull) {
				err = c.Send(ctx, newPost(from, i))
			}
		case 2:
			var batch []post
			for len(batch) < 40 && i+len(batch) < n {
				batch = append(batch, newPost(from, i+len(batch)))
			}
			if k, err = c.SendBatch(ctx, batch); err == nil && k != len(batch) {
				err = errors.New("less than the batch was sent")
			}
		}
		if err != nil {
			return err
		}
		i += k
	}
	return nil
}

// recvPosts receives by all verbs until an error, and says of each post that it got
// whole, and in the order of its sender.
func recvPosts(ctx context.Context, c *Chan[post], got func(p post)) error {
	last := map[int64]int64{}
	batch := make([]post, 25)
	for i := 0; ; i++ {
		n, err := 1, error(nil)
		switch hash(i) % 4 {
		case 0:
			batch[0], err = c.Recv(ctx)
		case 1:
			if batch[0], err = c.TryRecv(); errors.Is(err, ErrEmpty) {
				continue
			}
		case 2:
			n, err = c.RecvBatch(ctx, batch)
		case 3:
			for batch[0], err = range c.All(ctx) {
				break
			}
			if batch[0] == (post{}) && err == nil { // the end, which All does not yield
				continue
			}
		}
		if err != nil {
			return err
		}
		for _, p := range batch[:n] {
			if p != newPost(int(p.From), int(p.Seq)) {
				return errors.New("torn")
			}
			if l, ok := last[p.From]; ok && p.Seq <= l {
				return errors.New("out of order")
			}
			last[p.From] = p.Seq
			got(p)
		}
		clear(batch)
	}
}

func openedPosts(c *testproc.Child, i int) *Chan[post] {
	ch, err := OpenChanFile[post](c.Files[i])
	require.NoError(c, err)
	return ch
}

// together runs fn on n goroutines.
func together(t require.TestingT, n int, fn func(i int) error) {
	errs := make(chan error, n)
	for i := range n {
		go func() { errs <- fn(i) }()
	}
	for range n {
		require.NoError(t, <-errs)
	}
}

// Three goroutines send through one handle.
var _ = testproc.Helper("chan.many sender", func(c *testproc.Child) {
	ch, id, n := openedPosts(c, 0), number(c, 0), number(c, 1)
	together(c, 3, func(i int) error { return sendPosts(context.Background(), ch, 3*id+i, n) })
	c.WriteLine("sent")
	c.ReadLine()
	require.NoError(c, ch.Close())
})

// Three goroutines receive through one handle, and pass on to another channel.
var _ = testproc.Helper("chan.many receiver", func(c *testproc.Child) {
	ch, out := openedPosts(c, 0), openedPosts(c, 1)
	together(c, 3, func(int) error {
		err := recvPosts(context.Background(), ch, func(p post) { require.NoError(c, out.Send(context.Background(), p)) })
		if err == io.EOF {
			return nil
		}
		return err
	})
	require.NoError(c, ch.Close())
	require.NoError(c, out.Close())
})

// postLedger is which posts have come.
type postLedger struct {
	mu   sync.Mutex
	seen map[post]bool
}

func (l *postLedger) enter(t require.TestingT, p post) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.seen[p] {
		t.Errorf("%v came twice", p)
	}
	l.seen[p] = true
}

// X06: each value arrives once, whole, and in the order of its producer, between
// processes and goroutines.
func TestManyChanExchange(t *testing.T) {
	const each = 400
	eachManyChan(t, func(t *testing.T, o *Options) {
		c := channel[post](t, 32, o)
		out := channel[post](t, 32, &Options{Mode: MPSC, Strategy: o.Strategy})
		senders, receivers := o.Mode.ends(2)
		var ps, rs []*testproc.Proc
		for i := range senders {
			ps = append(ps, testproc.Start(t, "chan.many sender", testproc.Files(c.File()), testproc.Args(strconv.Itoa(i), strconv.Itoa(each))))
		}
		for range receivers {
			rs = append(rs, testproc.Start(t, "chan.many receiver", testproc.Files(c.File(), out.File())))
		}
		l := postLedger{seen: map[post]bool{}}
		ctx := bounded(t)
		for range senders * 3 * each {
			p, err := out.Recv(ctx)
			require.NoError(t, err)
			l.enter(t, p)
		}
		for _, p := range ps {
			p.Expect("sent")
		}
		if o.Mode == SPMC {
			require.ErrorIs(t, c.CloseSend(ctx), ErrBusy)
		}
		for _, p := range ps {
			p.WriteLine("leave")
			p.Succeed()
		}
		for _, r := range rs {
			r.Succeed() // the last producer has left, which is the end of the stream
		}
		require.Zero(t, c.Len())
		_, err := out.Recv(ctx)
		require.Equal(t, io.EOF, err)
	})
}

// Goroutines of one process, through one handle and through several.
func TestManyChanGoroutines(t *testing.T) {
	const each = 500
	eachManyChan(t, func(t *testing.T, o *Options) {
		c := channel[post](t, 16, o)
		senders, receivers := o.Mode.ends(2)
		ctx := bounded(t)
		l := postLedger{seen: map[post]bool{}}
		var sending, receiving sync.WaitGroup
		handles := make([]*Chan[post], max(senders, receivers))
		for h := range handles {
			d, err := OpenChanFile[post](dup(t, c.File()))
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, d.Close()) })
			handles[h] = d
			// One after the other: of two handles of one process that want the same
			// place at the same time, the loser cannot be closed before the other.
			if h < receivers {
				p, err := d.TryRecv()
				if err != ErrEmpty {
					require.NoError(t, err)
					l.enter(t, p)
				}
			}
			if h < senders {
				require.NoError(t, d.Send(ctx, newPost(-1-h, 0)))
			}
			for g := range 3 {
				if h < senders {
					sending.Go(func() {
						if err := sendPosts(ctx, d, 3*h+g, each); err != nil {
							t.Error(err)
						}
					})
				}
				if h < receivers {
					receiving.Go(func() {
						if err := recvPosts(ctx, d, func(p post) { l.enter(t, p) }); err != io.EOF {
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

func dup(t testing.TB, f *os.File) *os.File {
	d, err := os.OpenFile("/proc/self/fd/"+strconv.Itoa(int(f.Fd())), os.O_RDWR, 0)
	require.NoError(t, err)
	return d
}

func TestManyChanVerbs(t *testing.T) {
	for _, m := range many {
		t.Run(m.String(), func(t *testing.T) {
			c := channel[int64](t, 3, &Options{Mode: m})
			ctx := bounded(t)
			require.Equal(t, 4, c.Cap())
			_, err := c.TryRecv()
			require.ErrorIs(t, err, ErrEmpty)
			for round := range 3 { // around the end of the slots
				for i := range 4 {
					require.NoError(t, c.TrySend(int64(10*round+i)))
				}
				require.ErrorIs(t, c.TrySend(4), ErrFull)
				require.Equal(t, 4, c.Len())
				require.Equal(t, Stats{Sent: uint64(7*round + 4), Received: uint64(7 * round), Used: 4}, counts(c.Stats()))
				v, err := c.Recv(ctx)
				require.NoError(t, err)
				require.EqualValues(t, 10*round, v)
				n, err := c.SendBatch(ctx, []int64{int64(10*round + 4)})
				require.NoError(t, err)
				require.Equal(t, 1, n)
				batch := make([]int64, 10)
				n, err = c.RecvBatch(ctx, batch)
				require.NoError(t, err)
				require.Equal(t, []int64{int64(10*round + 1), int64(10*round + 2), int64(10*round + 3), int64(10*round + 4)}, batch[:n])
				_, err = c.SendBatch(ctx, []int64{-1, -2})
				require.NoError(t, err)
				n, err = c.RecvBatch(ctx, batch[:1])
				require.NoError(t, err)
				require.Equal(t, 1, n)
				v, err = c.TryRecv()
				require.NoError(t, err)
				require.EqualValues(t, -2, v)
			}
			require.Contains(t, c.String(), `Chan[int64]("", `+m.String()+`, 0 values, room for 4 of each producer, hybrid, producers [`)
			n, err := c.SendBatch(ctx, nil)
			require.NoError(t, err)
			require.Zero(t, n)
			n, err = c.RecvBatch(ctx, nil)
			require.NoError(t, err)
			require.Zero(t, n)

			// A batch larger than the channel, through a wait.
			long := make([]int64, 50)
			for i := range long {
				long[i] = int64(i)
			}
			done := async(func() ([]byte, error) { n, err := c.SendBatch(ctx, long); return make([]byte, n), err })
			for i := range long {
				v, err := c.Recv(ctx)
				require.NoError(t, err)
				require.EqualValues(t, i, v)
			}
			r := get(t, done)
			require.NoError(t, r.err)
			require.Len(t, r.b, len(long))

			expired, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			defer cancel()
			_, err = c.Recv(expired)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			_, err = c.RecvBatch(expired, long)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			n, err = c.SendBatch(expired, long)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.Equal(t, 4, n, "those that had room were sent")
			require.ErrorIs(t, c.Send(expired, 1), context.DeadlineExceeded)

			require.NoError(t, c.CloseSend(ctx))
			require.NoError(t, c.CloseSend(ctx), "the stream has ended, as was asked for")
			require.ErrorIs(t, c.Send(ctx, 1), ErrClosed)
			require.ErrorIs(t, c.TrySend(1), ErrClosed)
			_, err = c.SendBatch(ctx, long)
			require.ErrorIs(t, err, ErrClosed)
			require.True(t, c.Stats().Ended)
			var rest []int64
			for v, err := range c.All(ctx) {
				require.NoError(t, err)
				rest = append(rest, v)
			}
			require.Equal(t, []int64{0, 1, 2, 3}, rest)
			_, err = c.Recv(ctx)
			require.Equal(t, io.EOF, err)
			_, err = c.TryRecv()
			require.Equal(t, io.EOF, err)
		})
	}
}

// counts are the numbers of s that do not depend on when and how often one waited.
func counts(s Stats) Stats {
	return Stats{Sent: s.Sent, Received: s.Received, Used: s.Used, Ended: s.Ended}
}

// A value of any size, and none.
func TestManyChanTypes(t *testing.T) {
	t.Run("0", func(t *testing.T) { manyChanType(t, func(int) struct{} { return struct{}{} }) })
	t.Run("1", func(t *testing.T) { manyChanType(t, func(i int) int8 { return int8(i) }) })
	t.Run("8", func(t *testing.T) { manyChanType(t, func(i int) float64 { return float64(i) }) })
	t.Run("24", func(t *testing.T) { manyChanType(t, func(i int) post { return newPost(i, i) }) })
	t.Run("4096", func(t *testing.T) {
		manyChanType(t, func(i int) (v [512]int64) {
			for k := range v {
				v[k] = int64(i + k)
			}
			return v
		})
	})
}

func manyChanType[T any](t *testing.T, value func(i int) T) {
	for _, name := range []string{"", newName(t)} {
		c, err := NewChan[T](name, 5, &Options{Mode: MPMC})
		require.NoError(t, err)
		ctx := bounded(t)
		for i := 0; i < 40; i += 5 {
			require.NoError(t, c.Send(ctx, value(i)))
			n, err := c.SendBatch(ctx, []T{value(i + 1), value(i + 2), value(i + 3)})
			require.NoError(t, err)
			require.Equal(t, 3, n)
			require.NoError(t, c.TrySend(value(i+4)))
			require.Equal(t, 5, c.Len())
			v, err := c.Recv(ctx)
			require.NoError(t, err)
			require.Equal(t, value(i), v)
			batch := make([]T, 3)
			n, err = c.RecvBatch(ctx, batch)
			require.NoError(t, err)
			require.Equal(t, 3, n)
			require.Equal(t, []T{value(i + 1), value(i + 2), value(i + 3)}, batch)
			v, err = c.TryRecv()
			require.NoError(t, err)
			require.Equal(t, value(i+4), v)
		}
		require.NoError(t, c.Close())
	}
}

func TestManyChanOpen(t *testing.T) {
	_, err := NewChan[int64]("", 4, &Options{Mode: MPMC, Redeliver: true})
	require.ErrorIs(t, err, ErrOption)
	require.ErrorContains(t, err, "never held")
	_, err = NewChan[int64]("", 4, &Options{Mode: SPMC, Producers: 2})
	require.ErrorIs(t, err, ErrOption)
	_, err = NewChan[int64]("", 1<<37, &Options{Mode: MPMC})
	require.ErrorIs(t, err, ErrSize)

	name := newName(t)
	c, err := NewChan[tick](name, 4, &Options{Mode: MPMC, Producers: 3, Consumers: 2, OnPeerDeath: Wait})
	require.NoError(t, err)
	_, err = OpenChan[int64](t.Context(), name, nil)
	require.ErrorIs(t, err, ErrLayout)
	d, err := OpenChan[tick](t.Context(), name, nil)
	require.NoError(t, err)
	require.Equal(t, c.opts, d.opts)
	require.NoError(t, c.Send(t.Context(), newTick(7)))
	require.NoError(t, d.Send(t.Context(), newTick(8)), "two handles of a process are two producers")
	for range 2 {
		_, err := d.Recv(t.Context())
		require.NoError(t, err)
	}
	require.NoError(t, d.Unlink())
	require.NoError(t, d.Close())
	// More ends, other slots, Redeliver: nothing that a creator writes.
	for at, v := range map[int64]byte{32: 7, 40: 7, 136: 9, 140: flagCounted | flagRedeliver, 144: 77, 148: 200} {
		d, err := OpenChanFile[tick](dup(t, c.File()))
		require.NoError(t, err)
		require.NoError(t, d.Close())
		old := make([]byte, 1)
		_, err = c.File().ReadAt(old, at)
		require.NoError(t, err)
		_, err = c.File().WriteAt([]byte{v}, at)
		require.NoError(t, err)
		_, err = OpenChanFile[tick](dup(t, c.File()))
		require.ErrorIs(t, err, ErrCorrupt, "byte %d", at)
		_, err = c.File().WriteAt(old, at)
		require.NoError(t, err)
	}
	require.NoError(t, c.Close())
}

// allocated is how much memory a file has.
func allocated(t testing.TB, f *os.File) int64 {
	var st syscall.Stat_t
	require.NoError(t, syscall.Fstat(int(f.Fd()), &st))
	return 512 * st.Blocks
}

// A lane's memory is allocated when its process first sends.
func TestManyChanAllocates(t *testing.T) {
	c := channel[[4096]byte](t, 256, &Options{Mode: MPMC})
	used := func() int64 { return allocated(t, c.File()) }
	before := used()
	require.Less(t, before, int64(1<<20))
	_, err := c.TryRecv()
	require.ErrorIs(t, err, ErrEmpty)
	require.Equal(t, before, used())
	require.NoError(t, c.Send(t.Context(), [4096]byte{}))
	require.Equal(t, before+1<<20, used())
}

// X05: there is room for so many processes, and for another when one leaves or dies.
func TestManyChanTooMany(t *testing.T) {
	c := channel[post](t, 512, &Options{Mode: MPMC, Producers: 2, Consumers: 1})
	ctx := bounded(t)
	p := testproc.Start(t, "chan.many sender", testproc.Files(c.File()), testproc.Args("0", "3"))
	p.Expect("sent")
	require.NoError(t, c.Send(ctx, post{}))
	d, err := OpenChanFile[post](dup(t, c.File()))
	require.NoError(t, err)
	defer func() { require.NoError(t, d.Close()) }()
	require.ErrorIs(t, d.Send(ctx, post{}), ErrTooManyProcesses)
	require.ErrorIs(t, d.TrySend(post{}), ErrTooManyProcesses)
	_, err = d.SendBatch(ctx, []post{{}})
	require.ErrorIs(t, err, ErrTooManyProcesses)
	require.ErrorIs(t, d.CloseSend(ctx), ErrTooManyProcesses)
	p.Kill()
	p.Wait()
	require.NoError(t, d.Send(ctx, post{}), "in the place of the dead one")
	require.Equal(t, 11, c.Len(), "whose values stay")
	_, err = c.Recv(ctx)
	require.NoError(t, err)
	_, err = d.Recv(ctx)
	require.ErrorIs(t, err, ErrBusy, "there is one place for a consumer")
	require.NoError(t, c.Close())
	_, err = d.Recv(ctx)
	require.NoError(t, err)
	require.NoError(t, d.TrySend(post{}))
}

// waiting says how many goroutines wait for the turn or have it.
func waiting(x *turns) bool { return len(x.turn) == 1 }

// Close ends the wait of the one that has the turn, and of those that queue for it.
func TestManyChanClose(t *testing.T) {
	eachManyChan(t, func(t *testing.T, o *Options) {
		for range 3 {
			c := channel[int64](t, 2, o)
			require.NoError(t, c.Send(t.Context(), 1))
			require.NoError(t, c.Send(t.Context(), 2))
			var all []<-chan result
			for range 3 {
				all = append(all, async(func() ([]byte, error) { return nil, c.Send(bounded(t), 3) }))
				all = append(all, async(func() ([]byte, error) { _, err := c.SendBatch(bounded(t), make([]int64, 5)); return nil, err }))
			}
			until(t, func() bool { return waiting(&c.many.send.turns) })
			testproc.Within(t, func() {
				if err := c.Close(); err != nil {
					t.Error(err)
				}
			})
			for _, done := range all {
				require.ErrorIs(t, get(t, done).err, ErrClosed)
			}

			c = channel[int64](t, 2, o)
			all = nil
			for range 3 {
				all = append(all, async(func() ([]byte, error) { _, err := c.Recv(bounded(t)); return nil, err }))
				all = append(all, async(func() ([]byte, error) { _, err := c.RecvBatch(bounded(t), make([]int64, 5)); return nil, err }))
			}
			until(t, func() bool { return waiting(&c.many.recv.turns) })
			testproc.Within(t, func() {
				if err := c.Close(); err != nil {
					t.Error(err)
				}
			})
			for _, done := range all {
				require.ErrorIs(t, get(t, done).err, ErrClosed)
			}
			require.NoError(t, c.Close())
			require.ErrorIs(t, c.Send(t.Context(), 1), ErrClosed)
			require.ErrorIs(t, c.TrySend(1), ErrClosed)
			require.ErrorIs(t, c.CloseSend(t.Context()), ErrClosed)
			_, err := c.SendBatch(t.Context(), []int64{1})
			require.ErrorIs(t, err, ErrClosed)
			_, err = c.Recv(t.Context())
			require.ErrorIs(t, err, ErrClosed)
			_, err = c.TryRecv()
			require.ErrorIs(t, err, ErrClosed)
			_, err = c.RecvBatch(t.Context(), make([]int64, 1))
			require.ErrorIs(t, err, ErrClosed)
			require.Zero(t, c.Len())
			require.NotEmpty(t, c.String())
		}
	})
}

// A context ends the wait of its goroutine, whether that has the turn or queues for it,
// and nobody else's.
func TestManyChanContexts(t *testing.T) {
	eachManyChan(t, func(t *testing.T, o *Options) {
		c := channel[int64](t, 1, o)
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
		for _, side := range []struct {
			call func(ctx context.Context) error
			turn *turns
			free func() error
		}{
			{func(ctx context.Context) error { _, err := c.Recv(ctx); return err }, &c.many.recv.turns, func() error { return c.Send(bounded(t), 1) }},
			{func(ctx context.Context) error { return c.Send(ctx, 2) }, &c.many.send.turns, func() error { _, err := c.Recv(bounded(t)); return err }},
		} {
			if side.turn == &c.many.send.turns {
				require.NoError(t, c.Send(t.Context(), 1))
			}
			first := wait(side.call)
			until(t, func() bool { return waiting(side.turn) })
			var queue []waiter
			for range 4 {
				queue = append(queue, wait(side.call))
			}
			queue[1].cancel()
			require.ErrorIs(t, get(t, queue[1].done).err, context.Canceled, "one of the queue")
			require.Empty(t, first.done)
			first.cancel()
			require.ErrorIs(t, get(t, first.done).err, context.Canceled, "the one with the turn")
			for _, k := range []int{0, 2, 3} {
				require.Empty(t, queue[k].done)
			}
			queue[3].cancel()
			require.ErrorIs(t, get(t, queue[3].done).err, context.Canceled)
			for range 2 {
				require.NoError(t, side.free())
			}
			require.NoError(t, get(t, queue[0].done).err)
			require.NoError(t, get(t, queue[2].done).err)
		}
	})
}

// Who has waited is served before those who come later; who does not wait is told that
// it would have to.
func TestManyChanLate(t *testing.T) {
	c := channel[int64](t, 4, &Options{Mode: MPMC})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	require.NoError(t, c.Send(t.Context(), 1))
	_, err := c.Recv(t.Context())
	require.NoError(t, err)
	require.NoError(t, c.Send(t.Context(), 1))
	s, r := &c.many.send.turns, &c.many.recv.turns
	for _, x := range []*turns{s, r} {
		require.NoError(t, x.queue(ctx, false))
		require.Equal(t, errQueued, x.queue(ctx, false))
		x.lock.Lock()
		x.late = true
		x.lock.Unlock()
	}
	require.ErrorIs(t, c.TrySend(2), ErrFull)
	require.ErrorIs(t, c.Send(ctx, 2), context.DeadlineExceeded)
	_, err = c.TryRecv()
	require.ErrorIs(t, err, ErrEmpty)
	_, err = c.Recv(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	s.finish()
	r.finish()
	require.NoError(t, c.TrySend(2))
	for want := range int64(2) {
		v, err := c.TryRecv()
		require.NoError(t, err)
		require.Equal(t, want+1, v)
	}
}

// X05, X06: processes are killed while others wait for them.
func TestManyChanKilled(t *testing.T) {
	eachStrategy(t, func(t *testing.T, s Strategy) {
		c := channel[post](t, 16, &Options{Mode: MPMC, Strategy: s})
		ctx := bounded(t)
		start := func() *testproc.Proc {
			return testproc.Start(t, "chan.many sender", testproc.Files(c.File()), testproc.Args("0", "3"))
		}
		p, q := start(), start()
		p.Expect("sent")
		q.Expect("sent")
		p.Kill()
		p.Wait()
		for range 18 {
			_, err := c.Recv(ctx)
			require.NoError(t, err)
		}
		_, err := c.TryRecv()
		require.ErrorIs(t, err, ErrEmpty, "one lives")
		var all []<-chan result
		for range 3 {
			all = append(all, async(func() ([]byte, error) { _, err := c.Recv(ctx); return nil, err }))
		}
		until(t, func() bool { return waiting(&c.many.recv.turns) })
		q.Kill()
		for _, done := range all {
			require.ErrorIs(t, get(t, done).err, ErrPeerDied)
		}
		_, err = c.TryRecv()
		require.ErrorIs(t, err, ErrPeerDied)
		p = start()
		p.Expect("sent")
		_, err = c.Recv(ctx)
		require.NoError(t, err, "another one has come")

		c = channel[post](t, 2, &Options{Mode: MPMC, Strategy: s})
		out := channel[post](t, 2, &Options{Mode: MPSC, Strategy: s})
		r := testproc.Start(t, "chan.many receiver", testproc.Files(c.File(), out.File()))
		require.NoError(t, c.Send(ctx, newPost(0, 0)))
		_, err = out.Recv(ctx)
		require.NoError(t, err)
		require.True(t, r.Stop())
		// What the goroutines of a stopped consumer were about to take stays there.
		for c.TrySend(newPost(0, 1)) == nil {
		}
		all = nil
		for range 3 {
			all = append(all, async(func() ([]byte, error) { return nil, c.Send(ctx, newPost(0, 2)) }))
		}
		until(t, func() bool { return waiting(&c.many.send.turns) })
		r.Kill()
		for _, done := range all {
			err := get(t, done).err
			require.ErrorIs(t, err, ErrNoConsumer)
			require.ErrorIs(t, err, ErrPeerDied)
		}
		n := c.Len()
		require.Equal(t, 2, n)
		for range n {
			_, err = c.Recv(ctx)
			require.NoError(t, err)
		}
		require.NoError(t, c.Send(ctx, post{}))
	})
}

// A channel with many ends travels, and the child is one more of each.
func TestManyChanTravels(t *testing.T) {
	c := channel[int64](t, 4, &Options{Mode: MPMC})
	require.NoError(t, c.Send(t.Context(), 41))
	child := depart(t, c.MarshalBinary).to(t, "travelled chan")
	for _, want := range []int64{41, 42} {
		v, err := c.Recv(bounded(t))
		require.NoError(t, err)
		require.Equal(t, want, v)
	}
	child.Succeed()
}

func TestManyChanTruncated(t *testing.T) {
	faultsAreSeen(t)
	type page [4096]byte
	c, err := NewChan[page](newName(t), 4, &Options{Mode: MPMC})
	require.NoError(t, err)
	require.NoError(t, c.Send(t.Context(), page{}))
	waits := async(func() ([]byte, error) { // past the value
		_, err := c.Recv(bounded(t))
		if err == nil {
			_, err = c.Recv(bounded(t))
		}
		return nil, err
	})
	until(t, func() bool { return c.Len() == 0 && waiting(&c.many.recv.turns) })
	require.NoError(t, c.Send(t.Context(), page{}))
	require.NoError(t, get(t, waits).err)
	require.NoError(t, c.File().Truncate(0))
	for range 2 {
		require.ErrorIs(t, c.Send(t.Context(), page{}), ErrTruncated)
		require.ErrorIs(t, c.TrySend(page{}), ErrTruncated)
		_, err = c.Recv(t.Context())
		require.ErrorIs(t, err, ErrTruncated)
		_, err = c.RecvBatch(t.Context(), make([]page, 1))
		require.ErrorIs(t, err, ErrTruncated)
		require.Error(t, c.CloseSend(t.Context()))
	}
	require.NotEmpty(t, c.String())
	testproc.Within(t, func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
}

// The file is truncated under goroutines that wait and queue: each of them hears of it,
// and no lock stays held.
func TestManyChanTruncatedUnderWaiters(t *testing.T) {
	faultsAreSeen(t)
	eachStrategy(t, func(t *testing.T, s Strategy) {
		for range 3 {
			c, err := NewChan[int64](newName(t), 2, &Options{Mode: MPMC, Strategy: s})
			require.NoError(t, err)
			_, err = c.SendBatch(t.Context(), []int64{1, 2})
			require.NoError(t, err)
			d, err := NewChan[int64](newName(t), 2, &Options{Mode: MPMC, Strategy: s})
			require.NoError(t, err)
			var all []<-chan result
			for range 3 {
				all = append(all, async(func() ([]byte, error) { return nil, c.Send(bounded(t), 3) }))
				all = append(all, async(func() ([]byte, error) { _, err := d.Recv(bounded(t)); return nil, err }))
			}
			until(t, func() bool { return waiting(&c.many.send.turns) && waiting(&d.many.recv.turns) })
			require.NoError(t, c.File().Truncate(0))
			require.NoError(t, d.File().Truncate(0))
			for _, done := range all {
				require.ErrorIs(t, get(t, done).err, ErrTruncated)
			}
			testproc.Within(t, func() { c.Close(); d.Close() })
		}
	})
}
