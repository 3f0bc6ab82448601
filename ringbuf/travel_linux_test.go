package ringbuf

import (
	"context"
	"encoding/hex"
	"io"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/handle"
	"github.com/shmkit/shmkit/internal/robust"
	"github.com/shmkit/shmkit/internal/testproc"
)

// traveller is what MarshalBinary gave, on its way to one child.
type traveller struct {
	data []byte
	h    handle.Handle
}

func depart(t testing.TB, marshal func() ([]byte, error)) traveller {
	t.Helper()
	data, hs, err := handle.Encode(marshal)
	require.NoError(t, err)
	require.Len(t, hs, 1)
	return traveller{data, hs[0]}
}

// to starts the helper with what travels as its first arguments and file.
func (tr traveller) to(t testing.TB, helper string) *testproc.Proc {
	t.Helper()
	p := testproc.Start(t, helper, testproc.Files(tr.h.File),
		testproc.Args(hex.EncodeToString(tr.data), tr.h.Kind, tr.h.Name, hex.EncodeToString(tr.h.Meta)))
	tr.h.Sent(p.PID)
	return p
}

// arrive is the other side of to.
func arrive(c *testproc.Child, unmarshal func([]byte) error) {
	data, err := hex.DecodeString(c.Args[0])
	require.NoError(c, err)
	meta, err := hex.DecodeString(c.Args[3])
	require.NoError(c, err)
	hs := []handle.Handle{{Kind: c.Args[1], Name: c.Args[2], Meta: meta, File: c.Files[0]}}
	require.NoError(c, handle.Decode(context.Background(), data, hs, unmarshal))
}

var _ = testproc.Helper("travelled ring", func(c *testproc.Child) {
	var r Ring
	arrive(c, r.UnmarshalBinary)
	c.WriteLine("%s %d", r.Name(), r.Cap())
	p, err := r.Producer()
	require.NoError(c, err)
	require.NoError(c, p.Send(context.Background(), []byte("from the child")))
	require.NoError(c, r.Close())
})

var _ = testproc.Helper("travelled producer", func(c *testproc.Child) {
	c.ReadLine()
	var p Producer
	arrive(c, p.UnmarshalBinary)
	require.NoError(c, p.Send(context.Background(), []byte("from the child")))
	c.WriteLine("sent")
	switch c.ReadLine() {
	case "leave":
		require.NoError(c, p.Close())
		require.NoError(c, p.Close())
	case "close":
		// The ring came with the role: either Close closes both.
		require.NoError(c, p.Ring().Close())
		require.NoError(c, p.Close())
	}
	require.ErrorIs(c, p.Send(context.Background(), nil), ErrClosed)
	c.WriteLine("left")
	c.Park()
})

var _ = testproc.Helper("travelled consumer", func(c *testproc.Child) {
	var e Consumer
	arrive(c, e.UnmarshalBinary)
	for b, err := range e.All(context.Background()) {
		require.NoError(c, err)
		c.WriteLine("%s", b)
	}
	require.NoError(c, e.Ring().Close())
	require.NoError(c, e.Close())
})

var _ = testproc.Helper("travelled chan", func(c *testproc.Child) {
	var ch Chan[int64]
	arrive(c, ch.UnmarshalBinary)
	require.NoError(c, ch.Send(context.Background(), 42))
	require.NoError(c, ch.Close())
})

func TestOnlyTravellersTravel(t *testing.T) {
	p, c := pair(t, nil)
	_, err := p.Ring().MarshalBinary()
	require.ErrorIs(t, err, handle.ErrNotTravelling)
	_, err = p.MarshalBinary()
	require.ErrorIs(t, err, handle.ErrNotTravelling)
	_, err = c.MarshalBinary()
	require.ErrorIs(t, err, handle.ErrNotTravelling)
	require.NoError(t, p.Send(bounded(t), []byte("x")), "the roles have stayed")
	_, err = c.Recv(bounded(t), nil)
	require.NoError(t, err)
	require.ErrorIs(t, new(Ring).UnmarshalBinary([]byte{0}), handle.ErrNotTravelling)
	require.ErrorIs(t, new(Producer).UnmarshalBinary([]byte{0}), handle.ErrNotTravelling)
	require.ErrorIs(t, new(Consumer).UnmarshalBinary([]byte{0}), handle.ErrNotTravelling)
	require.ErrorIs(t, new(Chan[int]).UnmarshalBinary([]byte{0}), handle.ErrNotTravelling)
}

func TestRingTravels(t *testing.T) {
	for _, name := range []string{"", newName(t)} {
		r := namedRing(t, name, &Options{Capacity: minCapacity})
		child := depart(t, r.MarshalBinary).to(t, "travelled ring")
		require.Equal(t, name+" 65536", child.ReadLine())
		c := consumer(t, r)
		b, err := c.Recv(bounded(t), nil)
		require.NoError(t, err)
		require.Equal(t, "from the child", string(b))
		child.Succeed()
		_, err = c.Recv(bounded(t), nil)
		require.Equal(t, io.EOF, err)
	}
}

func TestProducerTravels(t *testing.T) {
	for _, end := range []string{"leave", "close", "kill"} {
		t.Run(end, func(t *testing.T) {
			p, c := pair(t, nil)
			require.NoError(t, p.Send(bounded(t), []byte("from the parent")))
			tr := depart(t, p.MarshalBinary)
			child := tr.to(t, "travelled producer")
			require.ErrorIs(t, p.Send(bounded(t), nil), ErrClosed, "the role is given away")
			_, _, err := handle.Encode(p.MarshalBinary)
			require.ErrorIs(t, err, ErrClosed, "once")
			require.NoError(t, p.Close())
			_, err = p.ring.Producer()
			require.ErrorIs(t, err, ErrBusy, "it belongs to the child, which has not come yet")
			b, err := c.Recv(bounded(t), nil)
			require.NoError(t, err)
			require.Equal(t, "from the parent", string(b))
			_, err = c.TryRecv(nil)
			require.ErrorIs(t, err, ErrEmpty, "nobody has left")

			child.WriteLine("go on")
			b, err = c.Recv(bounded(t), nil)
			require.NoError(t, err)
			require.Equal(t, "from the child", string(b))
			child.Expect("sent")
			require.Equal(t, child.PID, p.ring.Stats().ProducerPID)
			if end == "kill" {
				child.Kill()
				_, err = c.Recv(bounded(t), nil)
				require.ErrorIs(t, err, ErrPeerDied)
			} else {
				child.WriteLine("%s", end)
				child.Expect("left")
				_, err = c.Recv(bounded(t), nil)
				require.Equal(t, io.EOF, err)
			}
			// The parent may take the role again, and the child's end is nothing to it.
			again := producer(t, p.ring)
			child.CloseStdin()
			child.Wait()
			tr.h.Exited()
			require.Equal(t, os.Getpid(), p.ring.Stats().ProducerPID)
			require.NoError(t, again.Send(bounded(t), []byte("again")))
			_, err = c.Recv(bounded(t), nil)
			require.NoError(t, err)
			_, err = c.TryRecv(nil)
			require.ErrorIs(t, err, ErrEmpty)
		})
	}
}

func TestConsumerTravels(t *testing.T) {
	p, c := pair(t, nil)
	require.NoError(t, p.Send(bounded(t), []byte("one")))
	_, err := c.Next(bounded(t)) // not released, so it travels too
	require.NoError(t, err)
	child := depart(t, c.MarshalBinary).to(t, "travelled consumer")
	_, err = c.Recv(bounded(t), nil)
	require.ErrorIs(t, err, ErrClosed)
	require.NoError(t, p.Send(bounded(t), []byte("two")))
	child.Expect("one")
	child.Expect("two")
	require.NoError(t, p.CloseSend())
	child.Succeed()
}

func TestChanTravels(t *testing.T) {
	c, err := NewChan[int64]("", 4, nil)
	require.NoError(t, err)
	defer func() { require.NoError(t, c.Close()) }()
	child := depart(t, c.MarshalBinary).to(t, "travelled chan")
	v, err := c.Recv(bounded(t))
	require.NoError(t, err)
	require.EqualValues(t, 42, v)
	child.Succeed()
}

// The role was taken and given back, the ring is closed, and other memory lies
// where it was: the child's end does nothing to that.
func TestChildOutlivesTheRing(t *testing.T) {
	for range 2 {
		r, err := New("", &Options{Capacity: minCapacity})
		require.NoError(t, err)
		p := producer(t, r)
		tr := depart(t, p.MarshalBinary)
		child := tr.to(t, "travelled producer")
		child.WriteLine("go on")
		child.Expect("sent")
		require.NoError(t, r.Close())
		q, c := pair(t, &Options{Capacity: minCapacity})
		require.NoError(t, q.Close()) // as many arrivals as the other ring has seen
		q = producer(t, q.ring)
		child.Kill()
		child.Wait()
		tr.h.Exited()
		_, err = c.TryRecv(nil)
		require.ErrorIs(t, err, ErrEmpty)
		require.NoError(t, q.Send(bounded(t), nil))
		_, err = c.Recv(bounded(t), nil)
		require.NoError(t, err)
	}
}

// The child is killed before it takes its role: the role falls vacant.
func TestKilledBeforeItsRole(t *testing.T) {
	eachStrategy(t, func(t *testing.T, s Strategy) {
		p, c := pair(t, &Options{Strategy: s})
		require.NoError(t, p.Send(bounded(t), []byte("x")))
		tr := depart(t, p.MarshalBinary)
		child := tr.to(t, "travelled producer")
		_, err := c.Recv(bounded(t), nil)
		require.NoError(t, err)
		done := async(func() ([]byte, error) { return c.Recv(bounded(t), nil) })
		if s != Spin {
			consumerSleeps(t, p.ring)
		}
		child.Kill()
		child.Wait()
		tr.h.Exited()
		require.ErrorIs(t, get(t, done).err, ErrPeerDied)
		again := producer(t, p.ring)
		require.NoError(t, again.Send(bounded(t), []byte("y")))
		_, err = c.Recv(bounded(t), nil)
		require.NoError(t, err)
	})
}

// The child is never started: the role stays, and the handle goes on working.
func TestFailedDeparture(t *testing.T) {
	p, c := pair(t, nil)
	for _, marshal := range []func() ([]byte, error){p.MarshalBinary, c.MarshalBinary} {
		for range 2 {
			depart(t, marshal).h.Failed()
			require.NoError(t, p.Send(bounded(t), []byte("x")))
			_, err := c.Recv(bounded(t), nil)
			require.NoError(t, err)
		}
	}
	s := p.ring.Stats()
	require.Equal(t, os.Getpid(), s.ProducerPID)
	require.Equal(t, os.Getpid(), s.ConsumerPID)
	require.NoError(t, p.Close())
	require.NoError(t, c.Close())
	_, _, err := handle.Encode(p.MarshalBinary)
	require.ErrorIs(t, err, ErrClosed, "what is closed has no role to give")
	depart(t, p.ring.MarshalBinary).h.Failed()
}

// Something else arrives, or a role that was not described well.
func TestStrangeArrivals(t *testing.T) {
	r := ring(t, nil)
	arrive := func(h handle.Handle, unmarshal func([]byte) error) error {
		f, err := handle.Dup(r.File())
		require.NoError(t, err)
		h.File = f
		return handle.Decode(context.Background(), []byte{0}, []handle.Handle{h}, unmarshal)
	}
	require.ErrorIs(t, arrive(handle.Handle{Kind: kindProducer}, new(Ring).UnmarshalBinary), handle.ErrReference)
	require.ErrorIs(t, arrive(handle.Handle{Kind: kindRing}, new(Producer).UnmarshalBinary), handle.ErrReference)
	require.ErrorIs(t, arrive(handle.Handle{Kind: kindRing}, new(Consumer).UnmarshalBinary), handle.ErrReference)
	require.ErrorIs(t, arrive(handle.Handle{Kind: kindRing}, new(Chan[int]).UnmarshalBinary), handle.ErrReference)
	require.ErrorIs(t, arrive(handle.Handle{Kind: kindProducer, Meta: []byte{1}}, new(Producer).UnmarshalBinary), handle.ErrReference)
	require.ErrorIs(t, arrive(handle.Handle{Kind: kindConsumer}, new(Consumer).UnmarshalBinary), handle.ErrReference)
	require.ErrorIs(t, arrive(handle.Handle{Kind: kindChan}, new(Chan[int]).UnmarshalBinary), ErrKind)
	require.ErrorIs(t, handle.Decode(context.Background(), []byte{0}, []handle.Handle{{Kind: kindRing}}, new(Ring).UnmarshalBinary), handle.ErrReference)

	// A role under a word that is not the ring's is taken if it is free.
	var p Producer
	meta := putTrust(robust.Trust{Word: 12345}, 0)
	require.NoError(t, arrive(handle.Handle{Kind: kindProducer, Meta: meta}, p.UnmarshalBinary))
	require.Equal(t, os.Getpid(), r.Stats().ProducerPID)
	require.NoError(t, p.Close())
}
