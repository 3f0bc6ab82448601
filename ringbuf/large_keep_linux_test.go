package ringbuf

import (
	"context"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

func keeping(t *testing.T, keep int) (p *Producer, c *Consumer, empty int64) {
	o := largeOptions(Hybrid)
	o.Keep = keep
	p, c = pair(t, o)
	return p, c, blocks(t, p.Ring())
}

// The memory of a message that is released stays for the next, if that fits, and goes with
// the producer.
func TestLargeKeep(t *testing.T) {
	const keep = 3 * minCapacity
	p, c, empty := keeping(t, keep)
	ctx, r := bounded(t), p.Ring()
	seq, got := 0, 0
	send := func(n int) {
		t.Helper()
		require.NoError(t, p.Send(ctx, largeBytes(seq, n)))
		seq++
	}
	recv := func(n int) {
		t.Helper()
		b, err := c.Recv(ctx, nil)
		require.NoError(t, err)
		same(t, got, largeBytes(got, n), b)
		got++
	}
	for range 3 {
		send(2 * minCapacity)
		require.Equal(t, empty+2*minCapacity, blocks(t, r))
		recv(2 * minCapacity)
		require.Equal(t, empty+2*minCapacity, blocks(t, r), "it stays")
	}
	send(minCapacity + 1) // takes two units of 64 KiB
	recv(minCapacity + 1)
	require.Equal(t, empty+2*minCapacity, blocks(t, r))
	send(minCapacity) // needs less: the rest goes
	recv(minCapacity)
	require.Equal(t, empty+minCapacity, blocks(t, r))
	send(keep) // what is kept is too small for it, and goes
	require.Equal(t, empty+keep, blocks(t, r))
	recv(keep)
	require.Equal(t, empty+keep, blocks(t, r))
	send(keep + 1)
	require.Equal(t, empty+keep+minCapacity, blocks(t, r))
	recv(keep + 1)
	require.Equal(t, empty, blocks(t, r), "it is too much to stay")

	send(2 * minCapacity)
	send(2 * minCapacity)
	recv(2 * minCapacity)
	require.Equal(t, empty+2*minCapacity, blocks(t, r), "only the last one stays")
	recv(2 * minCapacity)
	require.Equal(t, empty+2*minCapacity, blocks(t, r))
	_, err := p.Reserve(ctx, 2*minCapacity)
	require.NoError(t, err)
	p.Abort()
	require.Equal(t, empty+2*minCapacity, blocks(t, r))
	require.NoError(t, p.Close())
	require.Equal(t, empty, blocks(t, r), "it goes with the producer")

	p = producer(t, r)
	send(2 * minCapacity)
	require.NoError(t, p.Close())
	recv(2 * minCapacity)
	require.Equal(t, empty, blocks(t, r), "nobody is there who would keep it")
}

// Whatever is sent, held and released in whatever order, messages are whole, and what is
// kept is within its bound.
func TestLargeKeepModel(t *testing.T) {
	const keep = 2 * minCapacity
	p, c, empty := keeping(t, keep)
	r, rnd := p.Ring(), rand.New(rand.NewPCG(1, 2))
	ended, end := context.WithCancel(t.Context())
	end()            // who would have to wait does not
	var queued []int // sizes
	sent, received := 0, 0
	for range 3000 {
		switch n := rnd.IntN(largeMax + 1); rnd.IntN(5) {
		case 0, 1:
			if p.TrySend(largeBytes(sent, n)) == nil {
				queued = append(queued, n)
				sent++
			}
		case 2:
			if _, err := p.Reserve(ended, n); err == nil {
				p.Abort()
			}
		default:
			b, err := c.TryRecv(nil)
			if len(queued) == 0 {
				require.ErrorIs(t, err, ErrEmpty)
				break
			}
			require.NoError(t, err)
			same(t, received, largeBytes(received, queued[0]), b)
			queued = queued[1:]
			received++
		}
		if len(queued) == 0 {
			require.LessOrEqual(t, blocks(t, r), empty+2*keep)
		}
	}
	require.Greater(t, received, 500)
	require.NoError(t, p.Close())
	for range queued {
		_, err := c.TryRecv(nil)
		require.NoError(t, err)
	}
	require.NoError(t, producer(t, r).Close())
	require.Equal(t, empty, blocks(t, r))
}

func TestKeepIsForRingsWithOneEndEach(t *testing.T) {
	for _, o := range []*Options{{Keep: -1}, {Keep: 1, Mode: MPMC}} {
		_, err := New("", o)
		require.ErrorIs(t, err, ErrOption)
	}
}
