package ringbuf

import (
	"io"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTooLarge(t *testing.T) {
	p, c := pair(t, &Options{Capacity: minCapacity, MaxMessage: 100})
	ctx := bounded(t)
	require.Equal(t, 100, p.Ring().MaxMessage())
	require.ErrorIs(t, p.Send(ctx, make([]byte, 101)), ErrTooLarge)
	require.ErrorIs(t, p.TrySend(make([]byte, 1<<20)), ErrTooLarge)
	_, err := p.Reserve(ctx, 101)
	require.ErrorIs(t, err, ErrTooLarge)
	_, err = p.Reserve(ctx, int(^uint(0)>>1))
	require.ErrorIs(t, err, ErrTooLarge)
	_, err = p.Reserve(ctx, -1)
	require.ErrorIs(t, err, ErrSize)
	n, err := p.SendBatch(ctx, [][]byte{[]byte("a"), nil, make([]byte, 101), []byte("b")})
	require.ErrorIs(t, err, ErrTooLarge)
	require.Equal(t, 2, n, "what came before it is sent")
	require.NoError(t, p.Send(ctx, make([]byte, 100)), "the producer goes on")
	for _, want := range []int{1, 0, 100} {
		b, err := c.Recv(ctx, nil)
		require.NoError(t, err)
		require.Len(t, b, want)
	}
	_, err = c.TryRecv(nil)
	require.ErrorIs(t, err, ErrEmpty)
}

func TestFullAndEmpty(t *testing.T) {
	p, c := pair(t, &Options{Capacity: minCapacity})
	_, err := c.TryRecv(nil)
	require.ErrorIs(t, err, ErrEmpty)
	_, err = c.TryNext()
	require.ErrorIs(t, err, ErrEmpty)
	sent := 0
	for err = p.TrySend([]byte("12345678")); err == nil; err = p.TrySend([]byte("12345678")) {
		sent++
	}
	require.ErrorIs(t, err, ErrFull)
	require.Equal(t, minCapacity/16, sent, "every byte of the ring is used")
	require.Equal(t, minCapacity, p.Ring().Len())
	require.Zero(t, p.Ring().Available())
	_, err = c.TryNext()
	require.NoError(t, err)
	require.ErrorIs(t, p.TrySend(nil), ErrFull, "a message that is not released keeps its room")
	c.Release()
	require.NoError(t, p.TrySend([]byte("12345678")))
	require.ErrorIs(t, p.TrySend(nil), ErrFull)
}

func TestNotReleased(t *testing.T) {
	p, c := pair(t, nil)
	ctx := bounded(t)
	c.Release() // nothing to release is nothing to do
	for _, m := range []string{"one", "two"} {
		require.NoError(t, p.Send(ctx, []byte(m)))
	}
	b, err := c.Next(ctx)
	require.NoError(t, err)
	_, err = c.Next(ctx)
	require.ErrorIs(t, err, ErrNotReleased)
	_, err = c.TryNext()
	require.ErrorIs(t, err, ErrNotReleased)
	_, err = c.Recv(ctx, nil)
	require.ErrorIs(t, err, ErrNotReleased)
	_, err = c.TryRecv(nil)
	require.ErrorIs(t, err, ErrNotReleased)
	_, err = c.RecvBatch(ctx, make([][]byte, 1))
	require.ErrorIs(t, err, ErrNotReleased)
	for _, err := range c.All(ctx) {
		require.ErrorIs(t, err, ErrNotReleased)
	}
	require.Equal(t, "one", string(b), "the refused calls changed nothing")
	c.Release()
	c.Release()
	b, err = c.Recv(ctx, nil)
	require.NoError(t, err)
	require.Equal(t, "two", string(b))
}

func TestReserveCommitAbort(t *testing.T) {
	p, c := pair(t, &Options{Capacity: minCapacity})
	ctx := bounded(t)
	require.ErrorIs(t, p.Commit(0), ErrNotReserved)
	b, err := p.Reserve(ctx, 10)
	require.NoError(t, err)
	require.Len(t, b, 10)
	require.Equal(t, 10, cap(b), "append must not run into what follows")
	require.ErrorIs(t, p.Commit(11), ErrNotReserved)
	require.ErrorIs(t, p.Commit(-1), ErrNotReserved)
	copy(b, "0123456789")
	_, err = c.TryRecv(nil)
	require.ErrorIs(t, err, ErrEmpty, "a reservation is not seen")
	require.NoError(t, p.Commit(4))
	require.ErrorIs(t, p.Commit(4), ErrNotReserved, "once")
	got, err := c.TryRecv(nil)
	require.NoError(t, err)
	require.Equal(t, "0123", string(got))

	_, err = p.Reserve(ctx, 10)
	require.NoError(t, err)
	p.Abort()
	require.ErrorIs(t, p.Commit(1), ErrNotReserved)
	_, err = c.TryRecv(nil)
	require.ErrorIs(t, err, ErrEmpty)

	b, err = p.Reserve(ctx, 0)
	require.NoError(t, err)
	require.Empty(t, b)
	require.NoError(t, p.Commit(0))
	got, err = c.TryRecv(nil)
	require.NoError(t, err)
	require.Empty(t, got)
	require.Zero(t, p.Ring().Len())
}

// A Send after a Reserve begins anew: were the reservation still good, Commit
// would publish room that nobody has looked at.
func TestSendDropsTheReservation(t *testing.T) {
	ctx := bounded(t)
	sends := map[string]func(p *Producer) error{
		"Send":    func(p *Producer) error { return p.Send(ctx, make([]byte, minCapacity/2)) },
		"TrySend": func(p *Producer) error { return p.TrySend(make([]byte, minCapacity/2)) },
		"SendBatch": func(p *Producer) error {
			_, err := p.SendBatch(ctx, [][]byte{make([]byte, minCapacity/2)})
			return err
		},
	}
	for name, send := range sends {
		t.Run(name, func(t *testing.T) {
			p, c := pair(t, &Options{Capacity: minCapacity})
			_, err := p.Reserve(ctx, minCapacity-recordHeader)
			require.NoError(t, err)
			require.NoError(t, send(p))
			require.ErrorIs(t, p.Commit(minCapacity-recordHeader), ErrNotReserved)
			_, err = c.Recv(ctx, nil)
			require.NoError(t, err)
			_, err = c.TryRecv(nil)
			require.ErrorIs(t, err, ErrEmpty)
		})
	}
}

func TestBatches(t *testing.T) {
	p, c := pair(t, &Options{Capacity: minCapacity})
	ctx := bounded(t)
	n, err := p.SendBatch(ctx, nil)
	require.NoError(t, err)
	require.Zero(t, n)
	n, err = c.RecvBatch(ctx, nil)
	require.NoError(t, err)
	require.Zero(t, n, "and does not wait")

	n, err = p.SendBatch(ctx, [][]byte{[]byte("a"), nil, []byte("ccc")})
	require.NoError(t, err)
	require.Equal(t, 3, n)
	bufs := [][]byte{make([]byte, 0, 8), nil, nil, nil}
	first := &bufs[0][:1][0]
	n, err = c.RecvBatch(ctx, bufs)
	require.NoError(t, err)
	require.Equal(t, 3, n, "it does not wait for more")
	require.Equal(t, []string{"a", "", "ccc"}, []string{string(bufs[0]), string(bufs[1]), string(bufs[2])})
	require.Same(t, first, &bufs[0][0], "a buffer that suffices is used")

	// A batch that does not fit waits for room in the middle.
	long := make([][]byte, 40)
	for i := range long {
		long[i] = cut(i, minCapacity/8)
	}
	done := async(func() ([]byte, error) { n, err := p.SendBatch(ctx, long); return make([]byte, n), err })
	producerSleeps(t, p.ring)
	for i := range long {
		b, err := c.Recv(ctx, nil)
		require.NoError(t, err)
		same(t, i, long[i], b)
	}
	r := get(t, done)
	require.NoError(t, r.err)
	require.Len(t, r.b, len(long))
}

func TestAllReleasesWhatItYielded(t *testing.T) {
	p, c := pair(t, nil)
	ctx := bounded(t)
	for _, m := range []string{"a", "b", "c"} {
		require.NoError(t, p.Send(ctx, []byte(m)))
	}
	for b, err := range c.All(ctx) {
		require.NoError(t, err)
		require.Equal(t, "a", string(b))
		break
	}
	require.NoError(t, p.CloseSend())
	var rest []string
	for b, err := range c.All(ctx) {
		require.NoError(t, err)
		rest = append(rest, string(b))
	}
	require.Equal(t, []string{"b", "c"}, rest)
	require.Zero(t, p.Ring().Len())
	_, err := c.TryRecv(nil)
	require.Equal(t, io.EOF, err)
}

func TestRecvKeepsTheBuffer(t *testing.T) {
	p, c := pair(t, nil)
	ctx := bounded(t)
	buf := make([]byte, 5, 100)
	require.NoError(t, p.Send(ctx, []byte("hello, world")))
	got, err := c.Recv(ctx, buf)
	require.NoError(t, err)
	require.Equal(t, "hello, world", string(got))
	require.Same(t, &buf[0], &got[0])
	got, err = c.TryRecv(got)
	require.ErrorIs(t, err, ErrEmpty)
	require.Empty(t, got)
	require.Equal(t, 100, cap(got), "an error does not lose the buffer")
}

// Whoever else has ended the stream.
func TestCloseSendTwice(t *testing.T) {
	for _, m := range []Mode{SPSC, MPSC, SPMC, MPMC} {
		r := ring(t, &Options{Mode: m, Capacity: minCapacity})
		p := producer(t, r)
		require.NoError(t, p.CloseSend())
		require.NoError(t, p.CloseSend(), "%v", m)
		if m == MPSC || m == MPMC {
			q := producer(t, r)
			require.NoError(t, q.CloseSend(), "%v", m)
			require.ErrorIs(t, q.Send(t.Context(), nil), ErrClosed)
		}
		require.NoError(t, p.Close())
		require.ErrorIs(t, p.CloseSend(), ErrClosed)
	}
}

func TestCloseSend(t *testing.T) {
	p, c := pair(t, nil)
	ctx := bounded(t)
	require.NoError(t, p.Send(ctx, []byte("last")))
	room, err := p.Reserve(ctx, 4)
	require.NoError(t, err)
	copy(room, "late")
	require.NoError(t, p.CloseSend())
	require.NoError(t, p.CloseSend(), "twice")
	require.Error(t, p.Commit(4), "nothing comes after the end")
	require.ErrorIs(t, p.Send(ctx, nil), ErrClosed)
	require.ErrorIs(t, p.TrySend(nil), ErrClosed)
	_, err = p.Reserve(ctx, 1)
	require.ErrorIs(t, err, ErrClosed)
	n, err := p.SendBatch(ctx, [][]byte{nil})
	require.ErrorIs(t, err, ErrClosed)
	require.Zero(t, n)

	b, err := c.Recv(ctx, nil)
	require.NoError(t, err)
	require.Equal(t, "last", string(b))
	for range 2 {
		_, err = c.Recv(ctx, nil)
		require.Equal(t, io.EOF, err)
		_, err = c.TryNext()
		require.Equal(t, io.EOF, err)
	}

	// For ever: also for those who take the roles later.
	require.NoError(t, p.Close())
	require.NoError(t, c.Close())
	p, c = producer(t, p.ring), consumer(t, p.ring)
	require.ErrorIs(t, p.Send(ctx, nil), ErrClosed)
	_, err = c.Recv(ctx, nil)
	require.Equal(t, io.EOF, err)
}

func TestDefaultsAndNumbers(t *testing.T) {
	r := ring(t, nil)
	require.Equal(t, 1<<20, r.Cap())
	require.Equal(t, 1<<20-8, r.MaxMessage())
	require.Empty(t, r.Name())
	require.NoError(t, r.Unlink(), "nothing to do")
	require.Equal(t, Stats{}, r.Stats())
	require.Equal(t, 1<<17, ring(t, &Options{Capacity: 1<<16 + 1}).Cap(), "rounded up")

	p, c := producer(t, r), consumer(t, r)
	require.NoError(t, p.Send(bounded(t), make([]byte, 9)))
	s := r.Stats()
	require.EqualValues(t, 24, s.Sent)
	require.Equal(t, 24, s.Used)
	require.Equal(t, 24, r.Len())
	require.Equal(t, 1<<20-24, r.Available())
	_, err := c.Recv(bounded(t), nil)
	require.NoError(t, err)
	require.EqualValues(t, 24, r.Stats().Received)
	require.Zero(t, r.Len())
	require.Contains(t, r.String(), "0 of 1048576 bytes used, hybrid, producer ")
}

func TestBadOptions(t *testing.T) {
	for name, o := range map[string]*Options{
		"negative capacity":    {Capacity: -1},
		"overflowing capacity": {Capacity: int(^uint(0) >> 1)},
		"negative message":     {MaxMessage: -1},
		"overflowing message":  {MaxMessage: int(^uint(0) >> 1)},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := New("", o)
			require.ErrorIs(t, err, ErrSize)
		})
	}
	_, err := New("", &Options{Strategy: Block + 1})
	require.ErrorContains(t, err, "strategy")
	_, err = New("", &Options{OnPeerDeath: Wait + 1})
	require.ErrorContains(t, err, "peer death")
	for _, n := range []int{0, -1, int(^uint(0) >> 1)} {
		_, err = NewChan[uint64]("", n, nil)
		require.ErrorIs(t, err, ErrSize)
	}
	require.Equal(t, "strategy 9", Strategy(9).String())
}

func TestRolesAreExclusive(t *testing.T) {
	r := ring(t, nil)
	p, c := producer(t, r), consumer(t, r)
	_, err := r.Producer()
	require.ErrorIs(t, err, ErrBusy)
	_, err = r.Consumer()
	require.ErrorIs(t, err, ErrBusy)
	require.NoError(t, p.Close())
	require.NoError(t, c.Close())
	producer(t, r)
	consumer(t, r)
}
