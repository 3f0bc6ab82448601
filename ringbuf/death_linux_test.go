package ringbuf

import (
	"context"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/testproc"
)

// Sends as many messages as told, then one more for each line.
var _ = testproc.Helper("produce", func(c *testproc.Child) {
	p := asProducer(c)
	from, n := number(c, 0), number(c, 1)
	produce(c, context.Background(), p, from, from+n)
	_, err := p.Reserve(context.Background(), 8) // dies in the middle of a message
	require.NoError(c, err)
	c.WriteLine("sent")
	for i := from + n; ; i++ {
		switch c.ReadLine() {
		case "more":
			produce(c, context.Background(), p, i, i+1)
			c.WriteLine("sent")
		case "leave":
			require.NoError(c, p.Close())
			c.WriteLine("left")
		}
	}
})

// Receives as many messages as told, looks at one more without releasing it,
// and parks.
var _ = testproc.Helper("consume", func(c *testproc.Child) {
	e := asConsumer(c)
	from, n := number(c, 0), number(c, 1)
	consume(c, context.Background(), e, from, from+n)
	c.WriteLine("received")
	c.ReadLine()
	b, err := e.Next(context.Background())
	require.NoError(c, err)
	same(c, from+n, message(from+n), b)
	c.WriteLine("holding")
	c.Park()
})

// Becomes an end and waits in a call that cannot return.
var _ = testproc.Helper("wait as producer", func(c *testproc.Child) {
	p := asProducer(c)
	for p.TrySend([]byte("12345678")) == nil {
	}
	c.WriteLine("waiting")
	require.NoError(c, p.Send(context.Background(), []byte("12345678")))
	c.WriteLine("sent")
	c.Park()
})

var _ = testproc.Helper("wait as consumer", func(c *testproc.Child) {
	e := asConsumer(c)
	c.WriteLine("waiting")
	b, err := e.Recv(context.Background(), nil)
	require.NoError(c, err)
	c.WriteLine("%s", b)
	c.Park()
})

func startEnd(t *testing.T, helper string, r *Ring, from, n int) *testproc.Proc {
	t.Helper()
	return testproc.Start(t, helper, testproc.Files(r.File()), testproc.Args(fmt.Sprint(from), fmt.Sprint(n)))
}

// The consumer sleeps or spins when the producer is killed: it hears of it. X05:
// the producer was in the middle of a message, of which nothing is seen.
func TestX05ProducerKilled(t *testing.T) {
	eachStrategy(t, func(t *testing.T, s Strategy) {
		r := ring(t, &Options{Strategy: s})
		c := consumer(t, r)
		p := startEnd(t, "produce", r, 0, 20)
		consume(t, bounded(t), c, 0, 20)
		p.Expect("sent")
		require.Equal(t, p.PID, r.Stats().ProducerPID)
		done := async(func() ([]byte, error) { return c.Recv(bounded(t), nil) })
		if s != Spin {
			consumerSleeps(t, r)
		}
		p.Kill()
		require.ErrorIs(t, get(t, done).err, ErrPeerDied)
		p.Wait()
		for range 2 {
			_, err := c.TryRecv(nil)
			require.ErrorIs(t, err, ErrPeerDied, "and again")
		}
		require.Zero(t, r.Stats().ProducerPID)
	})
}

// Everything that was published is read before the death is reported.
func TestDeathComesAfterTheMessages(t *testing.T) {
	const n = 60
	eachStrategy(t, func(t *testing.T, s Strategy) {
		r := ring(t, &Options{Strategy: s, Capacity: 1 << 22})
		p := startEnd(t, "produce", r, 0, n)
		p.Expect("sent")
		p.Kill()
		p.Wait()
		c := consumer(t, r)
		consume(t, bounded(t), c, 0, n)
		_, err := c.Recv(bounded(t), nil)
		require.ErrorIs(t, err, ErrPeerDied)

		// A new producer, in another process, ends the mourning.
		q := startEnd(t, "produce", r, n, 10)
		q.Expect("sent")
		consume(t, bounded(t), c, n, n+10)
		_, err = c.TryRecv(nil)
		require.ErrorIs(t, err, ErrEmpty)
		q.WriteLine("leave")
		q.Expect("left")
		_, err = c.Recv(bounded(t), nil)
		require.Equal(t, io.EOF, err)
	})
}

// The producer sleeps or spins when the consumer is killed.
func TestX06ConsumerKilled(t *testing.T) {
	eachStrategy(t, func(t *testing.T, s Strategy) {
		r := ring(t, &Options{Capacity: minCapacity, Strategy: s})
		p := producer(t, r)
		c := startEnd(t, "consume", r, 0, 20)
		produce(t, bounded(t), p, 0, 20)
		c.Expect("received")
		c.WriteLine("go on")
		produce(t, bounded(t), p, 20, 21)
		c.Expect("holding")
		fill(t, p)
		done := async(func() ([]byte, error) { return nil, p.Send(bounded(t), []byte("12345678")) })
		if s != Spin {
			producerSleeps(t, r)
		}
		c.Kill()
		err := get(t, done).err
		require.ErrorIs(t, err, ErrNoConsumer)
		require.ErrorIs(t, err, ErrPeerDied)
		require.ErrorIs(t, p.TrySend(nil), ErrPeerDied)

		// Another process takes over. The message that the dead one held comes again.
		d := startEnd(t, "consume", r, 20, 1)
		d.Expect("received")
		until(t, func() bool { return p.TrySend(nil) == nil })
	})
}

// The patient wait for the next process, while the one before is dead.
func TestPatienceAfterDeath(t *testing.T) {
	eachStrategy(t, func(t *testing.T, s Strategy) {
		t.Run("consumer", func(t *testing.T) {
			r := ring(t, &Options{Strategy: s, OnPeerDeath: Wait})
			c := consumer(t, r)
			p := startEnd(t, "produce", r, 0, 5)
			consume(t, bounded(t), c, 0, 5)
			p.Expect("sent")
			done := async(func() ([]byte, error) { return c.Recv(bounded(t), nil) })
			if s != Spin {
				consumerSleeps(t, r)
			}
			p.Kill()
			p.Wait()
			q := startEnd(t, "produce", r, 5, 1)
			got := get(t, done)
			require.NoError(t, got.err)
			same(t, 5, message(5), got.b)
			q.Expect("sent")
			q.Kill()
			q.Wait()
			_, err := c.TryRecv(nil)
			require.ErrorIs(t, err, ErrEmpty)
		})
		t.Run("producer", func(t *testing.T) {
			r := ring(t, &Options{Strategy: s, OnPeerDeath: Wait, Capacity: minCapacity})
			p := producer(t, r)
			c := startEnd(t, "consume", r, 0, 5)
			produce(t, bounded(t), p, 0, 6)
			c.Expect("received")
			fill(t, p)
			done := async(func() ([]byte, error) { return nil, p.Send(bounded(t), []byte("12345678")) })
			if s != Spin {
				producerSleeps(t, r)
			}
			c.Kill()
			c.Wait()
			startEnd(t, "consume", r, 5, 1).Expect("received")
			require.NoError(t, get(t, done).err)
		})
	})
}

// S2: a stopped process is alive. It keeps its role, and nobody is told that it
// died, whatever it was doing.
func TestStoppedIsNotDead(t *testing.T) {
	eachStrategy(t, func(t *testing.T, s Strategy) {
		t.Run("producer", func(t *testing.T) {
			r := ring(t, &Options{Strategy: s})
			c := consumer(t, r)
			p := startEnd(t, "produce", r, 0, 5)
			p.Expect("sent")
			require.True(t, p.Stop())
			consume(t, bounded(t), c, 0, 5)
			_, err := c.TryRecv(nil)
			require.ErrorIs(t, err, ErrEmpty)
			// Longer than a few looks.
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			_, err = c.Recv(ctx, nil)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			_, err = r.Producer()
			require.ErrorIs(t, err, ErrBusy)
			done := async(func() ([]byte, error) { return c.Recv(bounded(t), nil) })
			p.WriteLine("more")
			p.Cont()
			got := get(t, done)
			require.NoError(t, got.err)
			same(t, 5, message(5), got.b)
			// Killed while it is stopped, it is dead.
			require.True(t, p.Stop())
			p.Kill()
			_, err = c.Recv(bounded(t), nil)
			require.ErrorIs(t, err, ErrPeerDied)
		})
		t.Run("consumer", func(t *testing.T) {
			r := ring(t, &Options{Strategy: s, Capacity: minCapacity})
			p := producer(t, r)
			c := startEnd(t, "wait as consumer", r, 0, 0)
			c.Expect("waiting")
			require.True(t, c.Stop())
			require.NoError(t, p.Send(bounded(t), []byte("first")), "it is woken and does not run")
			fill(t, p)
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			require.ErrorIs(t, p.Send(ctx, []byte("12345678")), context.DeadlineExceeded)
			_, err := r.Consumer()
			require.ErrorIs(t, err, ErrBusy)
			done := async(func() ([]byte, error) { return nil, p.Send(bounded(t), []byte("12345678")) })
			c.Cont()
			c.Expect("first")
			require.NoError(t, get(t, done).err)
		})
	})
}

// A killed process that was itself asleep in the ring.
func TestKilledWhileAsleep(t *testing.T) {
	eachStrategy(t, func(t *testing.T, s Strategy) {
		r := ring(t, &Options{Strategy: s, Capacity: minCapacity})
		v := startEnd(t, "wait as consumer", r, 0, 0)
		v.Expect("waiting")
		if s != Spin {
			consumerSleeps(t, r)
		}
		p := producer(t, r)
		v.Kill()
		v.Wait()
		require.ErrorIs(t, p.Send(bounded(t), []byte("x")), ErrPeerDied)
		c := consumer(t, r)
		require.NoError(t, p.Send(bounded(t), []byte("x")), "the sleep flag of the dead does no harm")
		_, err := c.TryRecv(nil)
		require.NoError(t, err)
		require.NoError(t, p.Close())

		v = startEnd(t, "wait as producer", r, 0, 0)
		v.Expect("waiting")
		if s != Spin {
			producerSleeps(t, r)
		}
		v.Kill()
		for i := 0; ; i++ {
			_, err := c.Recv(bounded(t), nil)
			if err != nil {
				require.ErrorIs(t, err, ErrPeerDied)
				require.Equal(t, minCapacity/16, i)
				break
			}
		}
		p = producer(t, r)
		require.NoError(t, p.Send(bounded(t), []byte("y")))
		_, err = c.Recv(bounded(t), nil)
		require.NoError(t, err)
	})
}

// Nobody is left: whoever opens the ring next finds everything in order.
func TestBothKilled(t *testing.T) {
	r := ring(t, &Options{Capacity: 1 << 22})
	c := startEnd(t, "consume", r, 0, 10)
	p := startEnd(t, "produce", r, 0, 40)
	c.Expect("received")
	p.Expect("sent")
	p.Kill()
	c.Kill()
	p.Wait()
	c.Wait()
	require.Zero(t, r.Stats().ProducerPID)
	require.Zero(t, r.Stats().ConsumerPID)
	q, d := producer(t, r), consumer(t, r)
	produce(t, bounded(t), q, 40, 45)
	consume(t, bounded(t), d, 10, 45)
}
