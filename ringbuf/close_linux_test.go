package ringbuf

import (
	"io"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/testproc"
)

// Close from another goroutine ends a wait, asleep or spinning.
func TestCloseUnblocks(t *testing.T) {
	eachStrategy(t, func(t *testing.T, s Strategy) {
		waits := map[string]struct {
			wait  func(p *Producer, c *Consumer) error
			close func(p *Producer, c *Consumer) error
			sends bool
		}{
			"Recv, Consumer.Close": {
				wait:  func(_ *Producer, c *Consumer) error { _, err := c.Recv(bounded(t), nil); return err },
				close: func(_ *Producer, c *Consumer) error { return c.Close() },
			},
			"Next, Ring.Close": {
				wait:  func(_ *Producer, c *Consumer) error { _, err := c.Next(bounded(t)); return err },
				close: func(_ *Producer, c *Consumer) error { return c.ring.Close() },
			},
			"All, Consumer.Close": {
				wait: func(_ *Producer, c *Consumer) error {
					for _, err := range c.All(bounded(t)) {
						return err
					}
					return nil
				},
				close: func(_ *Producer, c *Consumer) error { return c.Close() },
			},
			"Send, Producer.Close": {
				sends: true,
				wait:  func(p *Producer, _ *Consumer) error { return p.Send(bounded(t), nil) },
				close: func(p *Producer, _ *Consumer) error { return p.Close() },
			},
			"SendBatch, Ring.Close": {
				sends: true,
				wait:  func(p *Producer, _ *Consumer) error { _, err := p.SendBatch(bounded(t), [][]byte{nil}); return err },
				close: func(p *Producer, _ *Consumer) error { return p.ring.Close() },
			},
		}
		for name, w := range waits {
			for range 5 {
				// Two handles: what one closes is not the other's. The waiting end
				// is the only one on its own.
				r := ring(t, &Options{Capacity: minCapacity, Strategy: s})
				p, c := producer(t, r), consumer(t, r)
				busy := &c.busy
				if w.sends {
					fill(t, p)
					busy = &p.busy
				}
				done := async(func() ([]byte, error) { return nil, w.wait(p, c) })
				until(t, func() bool { return busy.Load() == 1 })
				testproc.Within(t, func() {
					if err := w.close(p, c); err != nil {
						t.Errorf("%s: %v", name, err)
					}
				})
				require.ErrorIs(t, get(t, done).err, ErrClosed, name)
				require.NoError(t, r.Close())
			}
		}
	})
}

func TestCloseIsIdempotentAndConcurrent(t *testing.T) {
	for range 30 {
		r := ring(t, &Options{Capacity: minCapacity})
		p, c := producer(t, r), consumer(t, r)
		done := async(func() ([]byte, error) { return c.Recv(bounded(t), nil) })
		until(t, func() bool { return c.busy.Load() == 1 })
		var wg sync.WaitGroup
		for _, f := range []func() error{p.Close, c.Close, r.Close, c.Close, r.Close, p.Close} {
			wg.Go(func() {
				if err := f(); err != nil {
					t.Error(err)
				}
			})
		}
		testproc.Within(t, wg.Wait)
		if err := get(t, done).err; err != io.EOF { // the producer may have left first
			require.ErrorIs(t, err, ErrClosed)
		}
		require.NoError(t, p.Close())
		require.NoError(t, c.Close())
		require.NoError(t, r.Close())
	}
}

// After Close every call says so, and none touches memory that is gone.
func TestUseAfterClose(t *testing.T) {
	p, c := pair(t, &Options{Capacity: minCapacity})
	ctx := bounded(t)
	require.NoError(t, p.Send(ctx, []byte("held")))
	require.NoError(t, p.Send(ctx, []byte("left")))
	b, err := c.Next(ctx)
	require.NoError(t, err)
	room, err := p.Reserve(ctx, 4)
	require.NoError(t, err)
	for _, whole := range []bool{false, true} {
		if whole {
			require.NoError(t, p.ring.Close())
		} else {
			require.NoError(t, p.Close())
			require.NoError(t, c.Close())
		}
		require.ErrorIs(t, p.Send(ctx, nil), ErrClosed)
		require.ErrorIs(t, p.TrySend(nil), ErrClosed)
		_, err = p.SendBatch(ctx, [][]byte{nil})
		require.ErrorIs(t, err, ErrClosed)
		_, err = p.SendBatch(ctx, nil)
		require.NoError(t, err)
		_, err = p.Reserve(ctx, 1)
		require.ErrorIs(t, err, ErrClosed)
		require.Error(t, p.Commit(4))
		p.Abort()
		require.ErrorIs(t, p.CloseSend(), ErrClosed)
		c.Release()
		_, err = c.Recv(ctx, nil)
		require.ErrorIs(t, err, ErrClosed)
		_, err = c.TryRecv(nil)
		require.ErrorIs(t, err, ErrClosed)
		_, err = c.Next(ctx)
		require.ErrorIs(t, err, ErrClosed)
		_, err = c.RecvBatch(ctx, [][]byte{nil})
		require.ErrorIs(t, err, ErrClosed)
		for _, err := range c.All(ctx) {
			require.ErrorIs(t, err, ErrClosed)
		}
		if !whole {
			require.Equal(t, 32, p.ring.Len(), "what was not released stays")
			d := consumer(t, p.ring)
			got, err := d.Recv(ctx, nil)
			require.NoError(t, err)
			require.Equal(t, "held", string(got), "it comes again")
		}
	}
	require.Equal(t, make([]byte, 4), append(b, room...)[:4], "old slices meet zeros")
	_, err = p.ring.Producer()
	require.ErrorIs(t, err, ErrClosed)
	_, err = p.ring.Consumer()
	require.ErrorIs(t, err, ErrClosed)
	require.Zero(t, p.ring.Len())
	require.Zero(t, p.ring.Stats().ProducerPID)
	require.NotEmpty(t, p.ring.String())
}

// A process that opens and closes many rings keeps none.
func TestManyRings(t *testing.T) {
	for range 300 {
		r, err := New("", &Options{Capacity: minCapacity})
		require.NoError(t, err)
		p, c := producer(t, r), consumer(t, r)
		require.NoError(t, p.Send(bounded(t), []byte("x")))
		_, err = c.TryRecv(nil)
		require.NoError(t, err)
		require.NoError(t, r.Close())
	}
}
