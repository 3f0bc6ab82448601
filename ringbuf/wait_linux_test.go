package ringbuf

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// fill leaves less than 16 bytes free.
func fill(t testing.TB, p *Producer) {
	t.Helper()
	for {
		err := p.TrySend([]byte("12345678"))
		if errors.Is(err, ErrFull) {
			return
		}
		require.NoError(t, err)
	}
}

// A context ends both ends' waits, asleep or spinning, and changes nothing.
func TestContextEndsTheWait(t *testing.T) {
	cause := map[string]func() (context.Context, context.CancelFunc, error){
		"cancelled": func() (context.Context, context.CancelFunc, error) {
			ctx, cancel := context.WithCancel(context.Background())
			return ctx, cancel, context.Canceled
		},
		"deadline": func() (context.Context, context.CancelFunc, error) {
			ctx, cancel := context.WithTimeout(context.Background(), 30*time.Millisecond)
			return ctx, cancel, context.DeadlineExceeded
		},
		"in the past": func() (context.Context, context.CancelFunc, error) {
			ctx, cancel := context.WithTimeout(context.Background(), -time.Second)
			return ctx, cancel, context.DeadlineExceeded
		},
	}
	eachStrategy(t, func(t *testing.T, s Strategy) {
		for name, make := range cause {
			t.Run(name, func(t *testing.T) {
				p, c := pair(t, &Options{Capacity: minCapacity, Strategy: s})
				calls := map[string]func(ctx context.Context) ([]byte, error){
					"Recv":      func(ctx context.Context) ([]byte, error) { return c.Recv(ctx, nil) },
					"Next":      c.Next,
					"RecvBatch": func(ctx context.Context) ([]byte, error) { _, err := c.RecvBatch(ctx, [][]byte{nil}); return nil, err },
					"Send":      func(ctx context.Context) ([]byte, error) { return nil, p.Send(ctx, nil) },
					"Reserve":   func(ctx context.Context) ([]byte, error) { return p.Reserve(ctx, 0) },
					"SendBatch": func(ctx context.Context) ([]byte, error) { _, err := p.SendBatch(ctx, [][]byte{nil}); return nil, err },
				}
				for _, call := range []string{"Recv", "Next", "RecvBatch", "Send", "Reserve", "SendBatch"} {
					busy := &c.busy
					if call == "Send" || call == "Reserve" || call == "SendBatch" {
						fill(t, p)
						busy = &p.busy
					}
					ctx, cancel, want := make()
					done := async(func() ([]byte, error) { return calls[call](ctx) })
					if name == "cancelled" {
						until(t, func() bool { return busy.Load() != 0 })
					}
					if name == "cancelled" && s != Spin {
						until(t, func() bool { return p.ring.h.recvSleeps() || p.ring.h.sendSleeps() })
					}
					if name == "cancelled" {
						cancel()
					}
					require.ErrorIs(t, get(t, done).err, want, call)
					cancel()
				}
				_, err := c.TryRecv(nil)
				require.NoError(t, err)
				require.NoError(t, p.TrySend([]byte("12345678")))
				require.ErrorIs(t, p.TrySend(nil), ErrFull)
			})
		}
	})
}

// What is there is delivered under a context that has ended.
func TestEndedContextDoesNotHoldBackMessages(t *testing.T) {
	p, c := pair(t, nil)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	require.NoError(t, p.Send(ctx, []byte("x")))
	b, err := c.Recv(ctx, nil)
	require.NoError(t, err)
	require.Equal(t, "x", string(b))
}

// The producer waits until exactly enough room is free, however it comes free.
func TestBackPressure(t *testing.T) {
	eachStrategy(t, func(t *testing.T, s Strategy) {
		p, c := pair(t, &Options{Capacity: minCapacity, Strategy: s})
		ctx := bounded(t)
		const record = 64
		for range minCapacity / record {
			require.NoError(t, p.TrySend(make([]byte, record-recordHeader)))
		}
		// Needs five records' room: four are not enough, the fifth is.
		done := async(func() ([]byte, error) { return nil, p.Send(ctx, make([]byte, 5*record-recordHeader)) })
		if s != Spin {
			producerSleeps(t, p.ring)
		}
		for range 4 {
			_, err := c.TryRecv(nil)
			require.NoError(t, err)
		}
		if s != Spin {
			require.True(t, p.ring.h.sendSleeps(), "four records do not wake it")
		}
		until(t, func() bool { return p.busy.Load() == 1 })
		require.EqualValues(t, minCapacity, p.ring.h.tail.Load(), "it has not sent")
		_, err := c.TryRecv(nil)
		require.NoError(t, err)
		require.NoError(t, get(t, done).err)
		require.Equal(t, minCapacity, p.ring.Len(), "and the ring is full to the last byte")
		require.ErrorIs(t, p.TrySend(nil), ErrFull)
	})
}

// The consumer releases one message and then does nothing any more: the
// producer that waits for that much goes on.
func TestOneReleaseIsEnough(t *testing.T) {
	eachStrategy(t, func(t *testing.T, s Strategy) {
		p, c := pair(t, &Options{Capacity: minCapacity, Strategy: s})
		fill(t, p)
		for range 50 {
			done := async(func() ([]byte, error) { return nil, p.Send(bounded(t), []byte("12345678")) })
			until(t, func() bool { return p.busy.Load() == 1 || p.ring.h.sendSleeps() })
			_, err := c.Next(bounded(t))
			require.NoError(t, err)
			c.Release()
			require.NoError(t, get(t, done).err)
		}
	})
}

// A waiting consumer gets the first message, whenever it comes.
func TestFirstMessageWakes(t *testing.T) {
	eachStrategy(t, func(t *testing.T, s Strategy) {
		p, c := pair(t, &Options{Strategy: s})
		for i := range 100 {
			done := async(func() ([]byte, error) { return c.Recv(bounded(t), nil) })
			if s != Spin && i%2 == 0 {
				consumerSleeps(t, p.ring)
			}
			require.NoError(t, p.Send(bounded(t), []byte{byte(i)}))
			r := get(t, done)
			require.NoError(t, r.err)
			require.Equal(t, []byte{byte(i)}, r.b)
		}
	})
}

// CloseSend wakes whoever waits for a message; what was sent comes first.
func TestCloseSendWakes(t *testing.T) {
	eachStrategy(t, func(t *testing.T, s Strategy) {
		p, c := pair(t, &Options{Strategy: s})
		done := async(func() ([]byte, error) { return c.Recv(bounded(t), nil) })
		if s != Spin {
			consumerSleeps(t, p.ring)
		}
		require.NoError(t, p.CloseSend())
		require.Equal(t, io.EOF, get(t, done).err)
	})
}

// No producer yet means wait: it may come.
func TestNoProducerYet(t *testing.T) {
	eachStrategy(t, func(t *testing.T, s Strategy) {
		r := ring(t, &Options{Strategy: s})
		c := consumer(t, r)
		_, err := c.TryRecv(nil)
		require.ErrorIs(t, err, ErrEmpty)
		done := async(func() ([]byte, error) { return c.Recv(bounded(t), nil) })
		if s != Spin {
			consumerSleeps(t, r)
		}
		p := producer(t, r)
		require.NoError(t, p.Send(bounded(t), []byte("x")))
		require.NoError(t, get(t, done).err)
	})
}

// No consumer yet means room for a ringful, and then wait.
func TestNoConsumerYet(t *testing.T) {
	eachStrategy(t, func(t *testing.T, s Strategy) {
		r := ring(t, &Options{Capacity: minCapacity, Strategy: s})
		p := producer(t, r)
		fill(t, p)
		done := async(func() ([]byte, error) { return nil, p.Send(bounded(t), nil) })
		if s != Spin {
			producerSleeps(t, r)
		}
		c := consumer(t, r)
		_, err := c.Recv(bounded(t), nil)
		require.NoError(t, err)
		require.NoError(t, get(t, done).err)
	})
}

// Leaving without CloseSend: the one who stays hears of it at once, also asleep,
// and everything that was published comes first.
func TestLeaving(t *testing.T) {
	eachStrategy(t, func(t *testing.T, s Strategy) {
		t.Run("producer", func(t *testing.T) {
			p, c := pair(t, &Options{Strategy: s})
			require.NoError(t, p.Send(bounded(t), []byte("x")))
			require.NoError(t, p.Close())
			b, err := c.TryRecv(nil)
			require.NoError(t, err)
			require.Equal(t, "x", string(b))
			_, err = c.TryRecv(nil)
			require.Equal(t, io.EOF, err)
			_, err = c.Recv(bounded(t), nil)
			require.Equal(t, io.EOF, err)

			// Until somebody takes the role over.
			p = producer(t, p.ring)
			_, err = c.TryRecv(nil)
			require.ErrorIs(t, err, ErrEmpty)
			done := async(func() ([]byte, error) { return c.Recv(bounded(t), nil) })
			if s != Spin {
				consumerSleeps(t, p.ring)
			}
			require.NoError(t, p.Close())
			require.Equal(t, io.EOF, get(t, done).err)
		})
		t.Run("consumer", func(t *testing.T) {
			p, c := pair(t, &Options{Capacity: minCapacity, Strategy: s})
			fill(t, p)
			done := async(func() ([]byte, error) { return nil, p.Send(bounded(t), nil) })
			if s != Spin {
				producerSleeps(t, p.ring)
			}
			require.NoError(t, c.Close())
			err := get(t, done).err
			require.ErrorIs(t, err, ErrNoConsumer)
			require.NotErrorIs(t, err, ErrPeerDied)
			_, err = p.Reserve(bounded(t), 1)
			require.ErrorIs(t, err, ErrNoConsumer)

			c = consumer(t, p.ring)
			_, err = c.TryRecv(nil)
			require.NoError(t, err)
			require.NoError(t, p.TrySend(nil))
			require.NoError(t, c.Close())
			require.ErrorIs(t, p.TrySend(nil), ErrNoConsumer, "at once, although there is room")
		})
	})
}

// OnPeerDeath: Wait waits for the next one.
func TestPatience(t *testing.T) {
	eachStrategy(t, func(t *testing.T, s Strategy) {
		p, c := pair(t, &Options{Capacity: minCapacity, Strategy: s, OnPeerDeath: Wait})
		r := p.ring
		require.NoError(t, p.Send(bounded(t), []byte("x")))
		require.NoError(t, p.Close())
		_, err := c.TryRecv(nil)
		require.NoError(t, err)
		_, err = c.TryRecv(nil)
		require.ErrorIs(t, err, ErrEmpty)
		done := async(func() ([]byte, error) { return c.Recv(bounded(t), nil) })
		if s != Spin {
			consumerSleeps(t, r)
		}
		p = producer(t, r)
		require.NoError(t, p.Send(bounded(t), []byte("y")))
		require.NoError(t, get(t, done).err)

		require.NoError(t, c.Close())
		fill(t, p)
		done = async(func() ([]byte, error) { return nil, p.Send(bounded(t), nil) })
		if s != Spin {
			producerSleeps(t, r)
		}
		c = consumer(t, r)
		_, err = c.Recv(bounded(t), nil)
		require.NoError(t, err)
		require.NoError(t, get(t, done).err)

		// The end of the stream is an end for the patient too.
		require.NoError(t, p.CloseSend())
		for _, err := range c.All(bounded(t)) {
			require.NoError(t, err)
		}
	})
}
