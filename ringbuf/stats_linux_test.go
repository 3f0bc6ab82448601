package ringbuf

import (
	"context"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/testproc"
)

var _ = testproc.Helper("stats consumer", func(c *testproc.Child) {
	e := asConsumer(c)
	for n := number(c, 0); n > 0; n-- {
		_, err := e.Recv(context.Background(), nil)
		require.NoError(c, err)
	}
	c.WriteLine("done")
	c.ReadLine()
	require.NoError(c, e.ring.Close())
})

// Another process reads the numbers of a ring of each mode while its ends are busy
// with nothing, and after one has left.
func TestStats(t *testing.T) {
	for _, mode := range []Mode{SPSC, MPSC, SPMC, MPMC} {
		t.Run(mode.String(), func(t *testing.T) {
			r := ring(t, &Options{Mode: mode, Capacity: minCapacity})
			require.Equal(t, Stats{}, r.Stats())
			p := producer(t, r)
			ctx := bounded(t)
			child := testproc.Start(t, "stats consumer", testproc.Files(r.File()), testproc.Args("2"))
			for range 5 {
				require.NoError(t, p.Send(ctx, make([]byte, 24)))
			}
			child.Expect("done")
			s := r.Stats()
			require.Equal(t, uint64(5), s.Messages)
			require.Equal(t, uint64(5*32), s.Sent)
			require.Equal(t, uint64(2*32), s.Received)
			require.Equal(t, 3*32, s.Used)
			require.Equal(t, 3*32, r.Len())
			require.Equal(t, r.Cap()-3*32, r.Available())
			require.GreaterOrEqual(t, s.HighWater, 3*32)
			require.LessOrEqual(t, s.HighWater, 5*32)
			require.Equal(t, p.end.mine.PID(), s.ProducerPID)
			require.Equal(t, child.PID, s.ConsumerPID)
			require.Zero(t, s.Redelivered)

			ends := r.Ends()
			require.Len(t, ends, 2)
			require.True(t, ends[0].Producer)
			require.False(t, ends[1].Producer)
			require.Equal(t, uint64(5), ends[0].Messages)
			require.Equal(t, uint64(2), ends[1].Messages)
			require.Equal(t, 3*32, ends[0].Lag)
			require.Equal(t, 3*32, ends[1].Lag)
			require.Equal(t, child.PID, ends[1].PID)
			require.NotZero(t, ends[0].Bytes)

			child.WriteLine("leave")
			child.Wait()
			require.Zero(t, r.Ends()[1].PID)
			require.Equal(t, uint64(2), r.Ends()[1].Messages, "they stay")
			require.NoError(t, p.CloseSend())
			require.True(t, r.Stats().Ended)
		})
	}
}

// Who sleeps and who wakes whom is counted, and so is what comes again.
func TestStatsWaits(t *testing.T) {
	for _, mode := range []Mode{SPSC, MPMC} {
		t.Run(mode.String(), func(t *testing.T) {
			r := ring(t, &Options{Mode: mode, Strategy: Block, Redeliver: mode == MPMC})
			p, c := producer(t, r), consumer(t, r)
			ctx := bounded(t)
			done := make(chan error, 1)
			go func() {
				_, err := c.Next(ctx)
				done <- err
			}()
			until(t, func() bool { return r.Ends()[1].Waits > 0 })
			until(t, func() bool { // it may have been awake just then
				require.NoError(t, p.Send(ctx, []byte("x")))
				return r.Ends()[0].Wakes > 0 || len(done) > 0
			})
			require.NoError(t, <-done)
			require.NotZero(t, r.Ends()[1].Waits)
			require.NoError(t, c.Close()) // holds a message
			again := consumer(t, r)
			_, err := again.Recv(ctx, nil)
			require.NoError(t, err)
			want := uint64(0)
			if mode == MPMC {
				want = 1
				require.True(t, again.Redelivered())
			}
			require.Equal(t, want, r.Stats().Redelivered)
			require.NoError(t, p.CloseSend())
			for err = nil; err == nil; {
				_, err = again.Recv(ctx, nil)
			}
			require.Equal(t, io.EOF, err)
		})
	}
}

// Of a channel they are in values.
func TestStatsOfChannels(t *testing.T) {
	for _, mode := range []Mode{SPSC, MPMC} {
		t.Run(mode.String(), func(t *testing.T) {
			c, err := NewChan[[3]uint64]("", 8, &Options{Mode: mode})
			require.NoError(t, err)
			defer c.Close()
			for range 5 {
				require.NoError(t, c.TrySend([3]uint64{}))
			}
			_, err = c.TryRecv()
			require.NoError(t, err)
			s := c.Stats()
			require.Equal(t, []uint64{5, 5, 1}, []uint64{s.Messages, s.Sent, s.Received})
			require.Equal(t, 4, s.Used)
			require.GreaterOrEqual(t, s.HighWater, 4)
			ends := c.Ends()
			require.Len(t, ends, 2)
			require.Equal(t, uint64(5), ends[0].Messages)
			require.Equal(t, 4, ends[0].Lag)
			require.Equal(t, uint64(1), ends[1].Messages)
		})
	}
}
