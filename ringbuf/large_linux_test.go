package ringbuf

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/shmkit/shmkit/internal/race"
	"github.com/shmkit/shmkit/internal/testproc"
)

const largeMax = 5 * minCapacity

// largeOptions are of a ring whose messages can be larger than the ring.
func largeOptions(s Strategy) *Options {
	return &Options{Capacity: minCapacity, MaxMessage: largeMax, Strategy: s}
}

// blocks is how much memory the ring's file has.
func blocks(t testing.TB, r *Ring) int64 {
	t.Helper()
	var st unix.Stat_t
	require.NoError(t, unix.Fstat(int(r.File().Fd()), &st))
	return st.Blocks * 512
}

// largeBytes is message number seq, of n bytes.
func largeBytes(seq, n int) []byte {
	b := make([]byte, n)
	for at := 0; at < n; {
		at += copy(b[at:], cut(seq+at, min(n-at, 1<<17)))
	}
	if n >= 8 {
		binary.LittleEndian.PutUint64(b, uint64(seq))
	}
	return b
}

// largeSizes lie around all the limits.
var largeSizes = []int{
	0, 100, minCapacity - 9, minCapacity - 8, minCapacity - 7, minCapacity, minCapacity + 1, 2*minCapacity - 1,
	2 * minCapacity, 3*minCapacity + 4095, largeMax - 1, largeMax,
}

// Messages of all sizes arrive through every pair of verbs, in the order in which
// they were sent, and cost nothing when they are released.
func TestLargeVerbs(t *testing.T) {
	eachStrategy(t, func(t *testing.T, s Strategy) {
		p, c := pair(t, largeOptions(s))
		r, ctx := p.Ring(), bounded(t)
		require.Equal(t, largeMax, r.MaxMessage())
		empty := blocks(t, r)
		send := []func(b []byte) error{
			func(b []byte) error { return p.Send(ctx, b) },
			p.TrySend,
			func(b []byte) error {
				room, err := p.Reserve(ctx, len(b))
				require.NoError(t, err)
				require.Len(t, room, len(b))
				require.Equal(t, len(b), cap(room))
				return p.Commit(copy(room, b))
			},
			func(b []byte) error { _, err := p.SendBatch(ctx, [][]byte{b}); return err },
		}
		recv := []func() ([]byte, error){
			func() ([]byte, error) { return c.Recv(ctx, nil) },
			func() ([]byte, error) { return c.TryRecv(nil) },
			func() ([]byte, error) {
				b, err := c.Next(ctx)
				if err == nil {
					_, err := c.Next(ctx)
					require.ErrorIs(t, err, ErrNotReleased)
					_, err = c.Recv(ctx, nil)
					require.ErrorIs(t, err, ErrNotReleased)
				}
				b = append([]byte(nil), b...)
				c.Release()
				c.Release()
				return b, err
			},
			func() ([]byte, error) {
				bufs := make([][]byte, 2)
				n, err := c.RecvBatch(ctx, bufs)
				require.Equal(t, 1, n)
				return bufs[0], err
			},
		}
		seq := 0
		for _, n := range largeSizes {
			for i := range send {
				for k := range recv {
					b := largeBytes(seq, n)
					require.NoError(t, send[i](b), "%d bytes", n)
					used := blocks(t, r)
					require.Equal(t, n > minCapacity-8, used > empty, "%d bytes", n)
					got, err := recv[k]()
					require.NoError(t, err, "%d bytes", n)
					same(t, seq, b, got)
					require.Equal(t, empty, blocks(t, r), "after %d bytes", n)
					seq++
				}
			}
		}
		require.Zero(t, r.Len())
		for _, n := range []int{largeMax + 1, 1 << 40} {
			_, err := p.Reserve(ctx, n)
			require.ErrorIs(t, err, ErrTooLarge)
		}
		require.ErrorIs(t, p.Send(ctx, make([]byte, largeMax+1)), ErrTooLarge)
		require.NoError(t, p.CloseSend())
		require.ErrorIs(t, p.Send(ctx, make([]byte, largeMax)), ErrClosed)
		require.ErrorIs(t, p.TrySend(make([]byte, largeMax)), ErrClosed)
		_, err := c.Next(ctx)
		require.Equal(t, io.EOF, err)
	})
}

// A batch keeps its order. A large message ends a batch that is received.
func TestLargeBatches(t *testing.T) {
	eachStrategy(t, func(t *testing.T, s Strategy) {
		p, c := pair(t, largeOptions(s))
		empty := blocks(t, p.Ring())
		var out [][]byte
		for i, n := range []int{10, 20, minCapacity, 30, largeMax, minCapacity - 7, 0} {
			out = append(out, largeBytes(i, n))
		}
		n, err := p.SendBatch(bounded(t), out)
		require.NoError(t, err)
		require.Equal(t, len(out), n)
		got := 0
		for _, want := range []int{2, 1, 1, 1, 1, 1} {
			in := make([][]byte, 10)
			n, err := c.RecvBatch(bounded(t), in)
			require.NoError(t, err)
			require.Equal(t, want, n)
			for _, b := range in[:n] {
				same(t, got, out[got], b)
				got++
			}
		}
		require.Equal(t, len(out), got)
		require.Equal(t, empty, blocks(t, p.Ring()))

		n, err = p.SendBatch(bounded(t), [][]byte{out[0], out[2], make([]byte, largeMax+1), out[1]})
		require.ErrorIs(t, err, ErrTooLarge)
		require.Equal(t, 2, n)
		for _, want := range [][]byte{out[0], out[2]} {
			b, err := c.Recv(bounded(t), nil)
			require.NoError(t, err)
			same(t, 0, want, b)
		}
		_, err = c.TryRecv(nil)
		require.ErrorIs(t, err, ErrEmpty)
	})
}

// What is reserved and not sent is given back, whatever comes next.
func TestLargeReservations(t *testing.T) {
	must := require.NoError
	for name, next := range map[string]func(t *testing.T, p *Producer, c *Consumer){
		"Abort":         func(t *testing.T, p *Producer, c *Consumer) { p.Abort() },
		"Close":         func(t *testing.T, p *Producer, c *Consumer) { must(t, p.Close()) },
		"CloseSend":     func(t *testing.T, p *Producer, c *Consumer) { must(t, p.CloseSend()) },
		"Send":          func(t *testing.T, p *Producer, c *Consumer) { must(t, p.Send(t.Context(), nil)) },
		"TrySend":       func(t *testing.T, p *Producer, c *Consumer) { must(t, p.TrySend(nil)) },
		"Send too much": func(t *testing.T, p *Producer, c *Consumer) { require.Error(t, p.TrySend(make([]byte, largeMax+1))) },
		"SendBatch": func(t *testing.T, p *Producer, c *Consumer) {
			_, err := p.SendBatch(t.Context(), [][]byte{nil})
			must(t, err)
		},
		"Reserve": func(t *testing.T, p *Producer, c *Consumer) {
			_, err := p.Reserve(t.Context(), 8)
			must(t, err)
		},
		"Commit": func(t *testing.T, p *Producer, c *Consumer) {
			before := blocks(t, p.ring)
			must(t, p.Commit(minCapacity+1))
			require.Equal(t, before-largeMax+2*minCapacity, blocks(t, p.ring), "what it does not need")
			_, err := c.Recv(t.Context(), nil)
			must(t, err)
			b, err := c.Recv(t.Context(), nil)
			must(t, err)
			require.Len(t, b, minCapacity+1)
		},
	} {
		t.Run(name, func(t *testing.T) {
			p, c := pair(t, largeOptions(Hybrid))
			require.NoError(t, p.Send(t.Context(), nil)) // the fast path is open now
			empty := blocks(t, p.ring)
			require.ErrorIs(t, p.Commit(0), ErrNotReserved)
			for range 2 { // the second takes the place of the first
				room, err := p.Reserve(t.Context(), largeMax)
				require.NoError(t, err)
				room[largeMax-1] = 1
				require.Equal(t, empty+largeMax, blocks(t, p.ring))
			}
			require.ErrorIs(t, p.Commit(largeMax+1), ErrNotReserved)
			require.ErrorIs(t, p.Commit(-1), ErrNotReserved)
			next(t, p, c)
			require.Equal(t, empty, blocks(t, p.ring))
			want := ErrNotReserved
			if name == "Close" {
				want = ErrClosed
			}
			require.ErrorIs(t, p.Commit(100), want)
		})
	}
}

// Four of the largest messages have room. Who wants to send another one waits until
// the oldest is released, and not for small ones.
func TestLargeMessagesWait(t *testing.T) {
	eachStrategy(t, func(t *testing.T, s Strategy) {
		p, c := pair(t, largeOptions(s))
		require.NoError(t, p.Send(bounded(t), []byte("small")))
		for i := range 4 {
			require.NoError(t, p.TrySend(largeBytes(i, largeMax)))
		}
		require.ErrorIs(t, p.TrySend(largeBytes(4, minCapacity)), ErrFull)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := p.Reserve(ctx, largeMax)
		require.ErrorIs(t, err, context.Canceled)
		require.NoError(t, p.TrySend([]byte("small too")), "the ring itself has room")

		sent := async(func() ([]byte, error) { return nil, p.Send(bounded(t), largeBytes(4, largeMax)) })
		recv := func(want []byte) {
			b, err := c.Recv(bounded(t), nil)
			require.NoError(t, err)
			same(t, 0, want, b)
		}
		recv([]byte("small"))
		b, err := c.Next(bounded(t))
		require.NoError(t, err)
		same(t, 0, largeBytes(0, largeMax), b)
		if s != Spin {
			producerSleeps(t, p.ring)
		}
		c.Release()
		require.NoError(t, get(t, sent).err)
		for i := 1; i < 4; i++ {
			recv(largeBytes(i, largeMax))
		}
		recv([]byte("small too"))
		recv(largeBytes(4, largeMax))
	})
	// There are so many entries in the table.
	p, c := pair(t, &Options{Capacity: minCapacity, MaxMessage: 100 * minCapacity})
	empty := blocks(t, p.ring)
	b := make([]byte, minCapacity)
	for range largeEntries {
		require.NoError(t, p.TrySend(b))
	}
	require.ErrorIs(t, p.TrySend(b), ErrFull)
	for range largeEntries {
		_, err := c.Recv(bounded(t), b)
		require.NoError(t, err)
	}
	require.Equal(t, empty, blocks(t, p.ring))
	require.NoError(t, p.TrySend(b))
}

// A message of hundreds of megabytes, in place at both ends, in every mode: what it
// took comes back when it is released.
func TestLargeMemoryComesBack(t *testing.T) {
	for mode, n := range map[Mode]int{SPSC: 200 << 20, MPMC: 96 << 20} {
		t.Run(mode.String(), func(t *testing.T) {
			p, c := pair(t, &Options{Mode: mode, Producers: min(int(mode), 1) * 2, MaxMessage: 1 << 30})
			ctx := bounded(t)
			empty := blocks(t, p.ring)
			require.Less(t, empty, int64(4<<20))
			for range 2 {
				room, err := p.Reserve(ctx, n+1<<20)
				require.NoError(t, err)
				require.GreaterOrEqual(t, blocks(t, p.ring), empty+int64(n)+1<<20)
				room[0], room[n-1] = 7, 9
				require.NoError(t, p.Commit(n))
				require.Equal(t, empty+int64(n), blocks(t, p.ring), "what was not needed came back at once")
				b, err := c.Next(ctx)
				require.NoError(t, err)
				require.Len(t, b, n)
				require.Equal(t, []byte{7, 0, 9}, []byte{b[0], b[n/2], b[n-1]}, "new memory is zero")
				c.Release()
				require.Equal(t, empty, blocks(t, p.ring))
			}
		})
	}
}

// A machine that has not so much memory refuses, nothing was sent, and all goes on.
func TestLargeNoSpace(t *testing.T) {
	const huge = 1 << 39
	for _, name := range []string{"", newName(t)} {
		r := namedRing(t, name, &Options{Capacity: minCapacity, MaxMessage: huge})
		p, c := producer(t, r), consumer(t, r)
		empty := blocks(t, r)
		require.NoError(t, p.Send(bounded(t), []byte("before")))
		_, err := p.Reserve(bounded(t), huge)
		require.ErrorIs(t, err, ErrNoSpace)
		require.ErrorIs(t, p.Commit(1), ErrNotReserved)
		require.Equal(t, empty, blocks(t, r))
		require.NoError(t, p.Send(bounded(t), largeBytes(1, 1<<20)))
		for _, want := range [][]byte{[]byte("before"), largeBytes(1, 1<<20)} {
			b, err := c.Recv(bounded(t), nil)
			require.NoError(t, err)
			same(t, 0, want, b)
		}
		require.Equal(t, empty, blocks(t, r))
	}
	_, err := New("", &Options{MaxMessage: maxFile/4 + 1})
	require.ErrorIs(t, err, ErrSize)
}

// The part of a named ring's file where large messages are is cut off.
func TestLargeTruncated(t *testing.T) {
	faultsAreSeen(t)
	cutOff := func(r *Ring) { require.NoError(t, os.Truncate("/dev/shm/"+r.Name(), headSize+minCapacity)) }
	for name, try := range map[string]func(p *Producer, c *Consumer) error{
		"Send": func(p *Producer, c *Consumer) error {
			cutOff(p.ring)
			return p.Send(t.Context(), make([]byte, largeMax))
		},
		"Batch": func(p *Producer, c *Consumer) error {
			cutOff(p.ring)
			_, err := p.SendBatch(t.Context(), [][]byte{make([]byte, largeMax)})
			return err
		},
		"Recv": func(p *Producer, c *Consumer) error {
			require.NoError(t, p.Send(t.Context(), make([]byte, largeMax)))
			cutOff(p.ring)
			_, err := c.Recv(t.Context(), nil)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := namedRing(t, newName(t), largeOptions(Hybrid))
			require.ErrorIs(t, try(producer(t, r), consumer(t, r)), ErrTruncated)
		})
	}
}

// Sending a large message makes no garbage.
func TestLargeAllocatesNothing(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	p, c := pair(t, largeOptions(Hybrid))
	ctx, b := context.Background(), make([]byte, minCapacity)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if err := p.Send(ctx, b); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Next(ctx); err != nil {
			t.Fatal(err)
		}
		c.Release()
		if _, err := p.Reserve(ctx, minCapacity); err != nil {
			t.Fatal(err)
		}
		if err := p.Commit(minCapacity); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Recv(ctx, b); err != nil {
			t.Fatal(err)
		}
	}))
}

var _ = testproc.Helper("large producer", func(c *testproc.Child) {
	p := asProducer(c)
	for i := range number(c, 0) {
		require.NoError(c, p.Send(context.Background(), largeBytes(i, largeSizes[hash(i)%uint64(len(largeSizes))])))
	}
	require.NoError(c, p.CloseSend())
	require.NoError(c, p.ring.Close())
})

// Two processes, one of which releases late.
func TestLargeBetweenProcesses(t *testing.T) {
	const n = 100
	eachStrategy(t, func(t *testing.T, s Strategy) {
		r := ring(t, largeOptions(s))
		empty := blocks(t, r)
		child := testproc.Start(t, "large producer", testproc.Files(r.File()), testproc.Args(fmt.Sprint(n)))
		i := 0
		for b, err := range consumer(t, r).All(bounded(t)) {
			require.NoError(t, err)
			same(t, i, largeBytes(i, largeSizes[hash(i)%uint64(len(largeSizes))]), b)
			i++
		}
		require.Equal(t, n, i)
		child.Succeed()
		require.Equal(t, empty, blocks(t, r))
	})
}
