package ringbuf

import (
	"context"
	"errors"
	"io"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/testproc"
)

// tick is a value with room to be torn.
type tick struct {
	Seq   int64
	Body  [9]int64
	Check int64
}

func newTick(i int) tick {
	t := tick{Seq: int64(i), Check: int64(i) ^ 0x5555}
	for k := range t.Body {
		t.Body[k] = int64(hash(i + k))
	}
	return t
}

func channel[T any](t testing.TB, n int, o *Options) *Chan[T] {
	t.Helper()
	c, err := NewChan[T]("", n, o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

func openedChan(c *testproc.Child) *Chan[tick] {
	ch, err := OpenChanFile[tick](c.Files[0])
	require.NoError(c, err)
	return ch
}

func sendTicks(t require.TestingT, ctx context.Context, c *Chan[tick], from, to int) {
	for i := from; i < to; {
		switch hash(i) % 3 {
		case 0:
			require.NoError(t, c.Send(ctx, newTick(i)))
		case 1:
			err := c.TrySend(newTick(i))
			if errors.Is(err, ErrFull) {
				err = c.Send(ctx, newTick(i))
			}
			require.NoError(t, err)
		case 2:
			var batch []tick
			for len(batch) < 50 && i+len(batch) < to {
				batch = append(batch, newTick(i+len(batch)))
			}
			n, err := c.SendBatch(ctx, batch)
			require.NoError(t, err)
			require.Equal(t, len(batch), n)
			i += n
			continue
		}
		i++
	}
}

func recvTicks(t require.TestingT, ctx context.Context, c *Chan[tick], from, to int) {
	batch := make([]tick, 30)
	for i := from; i < to; {
		switch hash(i+1) % 4 {
		case 0:
			v, err := c.Recv(ctx)
			require.NoError(t, err)
			require.Equal(t, newTick(i), v)
		case 1:
			v, err := c.TryRecv()
			if errors.Is(err, ErrEmpty) {
				v, err = c.Recv(ctx)
			}
			require.NoError(t, err)
			require.Equal(t, newTick(i), v)
		case 2:
			n, err := c.RecvBatch(ctx, batch[:min(len(batch), to-i)])
			require.NoError(t, err)
			require.Positive(t, n)
			for k := range n {
				require.Equal(t, newTick(i+k), batch[k])
			}
			i += n
			continue
		case 3:
			for v, err := range c.All(ctx) {
				require.NoError(t, err)
				require.Equal(t, newTick(i), v)
				break
			}
		}
		i++
	}
}

var _ = testproc.Helper("chan sender", func(c *testproc.Child) {
	ch := openedChan(c)
	sendTicks(c, context.Background(), ch, number(c, 0), number(c, 1))
	c.WriteLine("sent")
	switch c.ReadLine() {
	case "end":
		require.NoError(c, ch.CloseSend(context.Background()))
	}
	require.NoError(c, ch.Close())
})

var _ = testproc.Helper("chan receiver", func(c *testproc.Child) {
	ch := openedChan(c)
	recvTicks(c, context.Background(), ch, number(c, 0), number(c, 1))
	c.WriteLine("received")
	c.ReadLine()
	require.NoError(c, ch.Close())
})

func startChan(t *testing.T, helper string, c *Chan[tick], from, to int) *testproc.Proc {
	t.Helper()
	return testproc.Start(t, helper, testproc.Files(c.File()), testproc.Args(strconv.Itoa(from), strconv.Itoa(to)))
}

func TestChanBetweenProcesses(t *testing.T) {
	const n = 3000
	eachStrategy(t, func(t *testing.T, s Strategy) {
		c := channel[tick](t, 60, &Options{Strategy: s})
		require.Equal(t, 64, c.Cap(), "rounded up")
		p := startChan(t, "chan sender", c, 0, n)
		recvTicks(t, bounded(t), c, 0, n)
		p.Expect("sent")
		p.WriteLine("end")
		_, err := c.Recv(bounded(t))
		require.Equal(t, io.EOF, err)
		p.Succeed()

		c = channel[tick](t, 60, &Options{Strategy: s})
		q := startChan(t, "chan receiver", c, 0, n)
		sendTicks(t, bounded(t), c, 0, n)
		q.Expect("received")
		q.WriteLine("leave")
		q.Succeed()
		require.ErrorIs(t, c.Send(bounded(t), tick{}), ErrNoConsumer)
		require.Zero(t, c.Len())
	})
}

// X05, X06: the other process is killed while this one waits for it. What was
// sent comes first, and another process takes over.
func TestChanPeerKilled(t *testing.T) {
	eachStrategy(t, func(t *testing.T, s Strategy) {
		c := channel[tick](t, 64, &Options{Strategy: s})
		p := startChan(t, "chan sender", c, 0, 40)
		p.Expect("sent")
		recvTicks(t, bounded(t), c, 0, 30)
		p.Kill()
		p.Wait()
		recvTicks(t, bounded(t), c, 30, 40)
		_, err := c.TryRecv()
		require.ErrorIs(t, err, ErrPeerDied)
		p = startChan(t, "chan sender", c, 40, 45)
		p.Expect("sent")
		recvTicks(t, bounded(t), c, 40, 45)
		done := async(func() ([]byte, error) { _, err := c.Recv(bounded(t)); return nil, err })
		if s != Spin {
			until(t, c.h.recvSleeps)
		}
		p.Kill()
		require.ErrorIs(t, get(t, done).err, ErrPeerDied)

		c = channel[tick](t, 64, &Options{Strategy: s})
		q := startChan(t, "chan receiver", c, 0, 10)
		sendTicks(t, bounded(t), c, 0, 74)
		q.Expect("received")
		require.ErrorIs(t, c.TrySend(tick{}), ErrFull)
		done = async(func() ([]byte, error) { return nil, c.Send(bounded(t), newTick(74)) })
		if s != Spin {
			until(t, c.h.sendSleeps)
		}
		q.Kill()
		err = get(t, done).err
		require.ErrorIs(t, err, ErrNoConsumer)
		require.ErrorIs(t, err, ErrPeerDied)
		q = startChan(t, "chan receiver", c, 10, 74)
		q.Expect("received")
		require.NoError(t, c.Send(bounded(t), tick{}))
	})
}

func TestChanStoppedIsNotDead(t *testing.T) {
	c := channel[tick](t, 64, nil)
	p := startChan(t, "chan sender", c, 0, 1)
	p.Expect("sent")
	require.True(t, p.Stop())
	recvTicks(t, bounded(t), c, 0, 1)
	ctx, cancel := context.WithTimeout(t.Context(), 150*time.Millisecond)
	defer cancel()
	_, err := c.Recv(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorIs(t, c.Send(t.Context(), tick{}), ErrBusy, "it keeps its role")
	require.ErrorIs(t, c.CloseSend(t.Context()), ErrBusy)
	p.Cont()
	p.WriteLine("leave")
	_, err = c.Recv(bounded(t))
	require.Equal(t, io.EOF, err)
	require.NoError(t, c.Send(bounded(t), tick{}), "until it leaves")
}

func TestChanVerbs(t *testing.T) {
	c := channel[int64](t, 3, nil)
	ctx := bounded(t)
	require.Equal(t, 4, c.Cap())
	_, err := c.TryRecv()
	require.ErrorIs(t, err, ErrEmpty)
	for i := range 4 {
		require.NoError(t, c.TrySend(int64(i)))
	}
	require.ErrorIs(t, c.TrySend(4), ErrFull)
	require.Equal(t, 4, c.Len())
	require.Equal(t, 4, c.Stats().Used)
	require.Contains(t, c.String(), `Chan[int64]("", 4 of 4, hybrid, producer `)
	v, err := c.Recv(ctx)
	require.NoError(t, err)
	require.Zero(t, v)
	n, err := c.SendBatch(ctx, nil)
	require.NoError(t, err)
	require.Zero(t, n)
	n, err = c.RecvBatch(ctx, nil)
	require.NoError(t, err)
	require.Zero(t, n)
	batch := make([]int64, 10)
	n, err = c.RecvBatch(ctx, batch)
	require.NoError(t, err)
	require.Equal(t, []int64{1, 2, 3}, batch[:n])

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
	_, err = c.RecvBatch(expired, batch)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	_, err = c.SendBatch(ctx, long[:4])
	require.NoError(t, err)
	require.ErrorIs(t, c.Send(expired, 1), context.DeadlineExceeded)
	n, err = c.SendBatch(expired, long)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Zero(t, n)

	require.NoError(t, c.CloseSend(ctx))
	require.ErrorIs(t, c.Send(ctx, 1), ErrClosed)
	_, err = c.SendBatch(ctx, long)
	require.ErrorIs(t, err, ErrClosed)
	var rest []int64
	for v, err := range c.All(ctx) {
		require.NoError(t, err)
		rest = append(rest, v)
	}
	require.Equal(t, []int64{0, 1, 2, 3}, rest)
	_, err = c.Recv(ctx)
	require.Equal(t, io.EOF, err)
}

func TestChanClose(t *testing.T) {
	eachStrategy(t, func(t *testing.T, s Strategy) {
		for range 5 {
			c := channel[int64](t, 2, &Options{Strategy: s})
			recv := async(func() ([]byte, error) { _, err := c.Recv(bounded(t)); return nil, err })
			until(t, func() bool { return c.recv.busy.Load() == 1 })
			testproc.Within(t, func() {
				if err := c.Close(); err != nil {
					t.Error(err)
				}
			})
			require.ErrorIs(t, get(t, recv).err, ErrClosed)

			c = channel[int64](t, 2, &Options{Strategy: s})
			require.NoError(t, c.Send(t.Context(), 1))
			require.NoError(t, c.Send(t.Context(), 2))
			send := async(func() ([]byte, error) { return nil, c.Send(bounded(t), 3) })
			until(t, func() bool { return c.send.busy.Load() == 1 })
			testproc.Within(t, func() {
				if err := c.Close(); err != nil {
					t.Error(err)
				}
			})
			require.ErrorIs(t, get(t, send).err, ErrClosed)
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
			for _, err := range c.All(t.Context()) {
				require.ErrorIs(t, err, ErrClosed)
			}
			require.Zero(t, c.Len())
			require.NotEmpty(t, c.String())
		}
	})
}

func TestChanTypes(t *testing.T) {
	type inner struct{ Name string }
	_, err := NewChan[struct {
		OK [3]inner
	}]("", 4, nil)
	require.ErrorContains(t, err, "OK[].Name: string")
	_, err = NewChan[*int]("", 4, nil)
	require.Error(t, err)

	name := newName(t)
	c, err := NewChan[tick](name, 4, &Options{OnPeerDeath: Wait, Strategy: Spin})
	require.NoError(t, err)
	_, err = OpenChan[int64](t.Context(), name, nil)
	require.ErrorIs(t, err, ErrLayout)
	_, err = OpenChan[string](t.Context(), name, nil)
	require.Error(t, err)
	_, err = Open(t.Context(), name, nil)
	require.ErrorIs(t, err, ErrKind)
	_, err = NewChan[tick](name, 4, nil)
	require.ErrorIs(t, err, ErrExist)
	d, err := OpenChan[tick](t.Context(), name, nil)
	require.NoError(t, err)
	require.Equal(t, c.opts, d.opts)
	require.NoError(t, c.Send(t.Context(), newTick(7)))
	require.ErrorIs(t, d.Send(t.Context(), newTick(7)), ErrBusy, "this process is the producer, through another handle")
	v, err := d.Recv(t.Context())
	require.NoError(t, err)
	require.Equal(t, newTick(7), v)
	require.NoError(t, d.Unlink())
	require.ErrorIs(t, c.Unlink(), ErrNotExist)
	require.NoError(t, c.Close())
	require.NoError(t, d.Close())

	r := namedRing(t, newName(t), nil)
	_, err = OpenChan[tick](t.Context(), r.Name(), nil)
	require.ErrorIs(t, err, ErrKind)
	require.NoError(t, channel[int](t, 4, nil).Unlink(), "nothing to do")

	empty := channel[struct{}](t, 4, nil)
	require.NoError(t, empty.Send(t.Context(), struct{}{}))
	_, err = empty.Recv(t.Context())
	require.NoError(t, err)
}

func TestChanCorrupt(t *testing.T) {
	t.Run("header", func(t *testing.T) {
		for at, v := range map[int64]uint64{32: 3, 40: 7} {
			name := newName(t)
			c, err := NewChan[int64](name, 4, nil)
			require.NoError(t, err)
			b := make([]byte, 8)
			b[0] = byte(v)
			_, err = c.File().WriteAt(b, at)
			require.NoError(t, err)
			_, err = OpenChan[int64](t.Context(), name, nil)
			require.ErrorIs(t, err, ErrCorrupt)
			require.NoError(t, c.Close())
		}
	})
	t.Run("before the roles", func(t *testing.T) {
		c := channel[int64](t, 4, nil)
		c.h.tail.Store(5)
		require.ErrorIs(t, c.Send(t.Context(), 1), ErrCorrupt)
		_, err := c.Recv(t.Context())
		require.ErrorIs(t, err, ErrCorrupt)
		require.Zero(t, c.Stats().ProducerPID)
		require.Zero(t, c.Stats().ConsumerPID)
	})
	t.Run("after", func(t *testing.T) {
		c := channel[int64](t, 4, nil)
		for i := range 4 {
			require.NoError(t, c.Send(t.Context(), int64(i)))
		}
		c.h.head.Store(9)
		for range 2 {
			require.ErrorIs(t, c.Send(t.Context(), 1), ErrCorrupt)
			_, err := c.SendBatch(t.Context(), []int64{1})
			require.ErrorIs(t, err, ErrCorrupt)
		}
		c.h.head.Store(0)
		c.h.tail.Store(5)
		_, err := c.Recv(t.Context())
		require.ErrorIs(t, err, ErrCorrupt, "the role is not taken")
		c.h.tail.Store(4)
		_, err = c.Recv(t.Context())
		require.NoError(t, err)
		_, err = c.RecvBatch(t.Context(), make([]int64, 3))
		require.NoError(t, err)
		c.h.tail.Store(1 << 40)
		for range 2 {
			_, err = c.Recv(t.Context())
			require.ErrorIs(t, err, ErrCorrupt)
			_, err = c.RecvBatch(t.Context(), make([]int64, 3))
			require.ErrorIs(t, err, ErrCorrupt)
		}
	})
}

func TestChanTruncated(t *testing.T) {
	faultsAreSeen(t)
	type page [4096]byte
	c, err := NewChan[page](newName(t), 4, nil)
	require.NoError(t, err)
	require.NoError(t, c.Send(t.Context(), page{}))
	require.NoError(t, c.File().Truncate(headSize))
	require.ErrorIs(t, c.Send(t.Context(), page{}), ErrTruncated)
	_, err = c.Recv(t.Context())
	require.ErrorIs(t, err, ErrTruncated)
	require.NoError(t, c.File().Truncate(0))
	require.ErrorIs(t, c.TrySend(page{}), ErrTruncated)
	_, err = c.RecvBatch(t.Context(), make([]page, 1))
	require.ErrorIs(t, err, ErrTruncated)
	require.Error(t, c.CloseSend(t.Context()))
	require.NotEmpty(t, c.String())
	testproc.Within(t, func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
}
