//go:build explore

package ringbuf

import (
	"bytes"
	"context"
	"errors"
	"io"

	"github.com/shmkit/shmkit/internal/explore"
	"github.com/shmkit/shmkit/internal/robust"
)

// manyProducer is a producer of a model, and its process.
type manyProducer struct {
	m *exploredMany
	p *explore.Proc
	laneProducer
	ctx  context.Context
	next byte // message
}

// producer makes p a producer before anybody moves.
func (m *exploredMany) producer(p *explore.Proc) (pr *manyProducer) {
	p.Atomically(func() { pr = m.newProducer(p) })
	return pr
}

func (m *exploredMany) newProducer(p *explore.Proc) *manyProducer {
	pr := &manyProducer{m: m, p: p}
	pr.ctx = p.Forgetting(pr.known)
	pr.laneProducer.init(new(end), m.mapped())
	pure(p, &pr.gone)
	pure(p, &pr.vacant)
	pr.rounds = 2
	if m.extents {
		pr.inline = 0
	}
	err := pr.laneSender.join(context.Background(), robust.Trust{}, 0)
	if err = errors.Join(err, pr.resume()); err != nil {
		p.Fail("produce: %v", err)
	}
	return pr
}

// known is all that a call knows when it begins, or is about to wait.
func (pr *manyProducer) known() []uint64 {
	known := []uint64{uint64(pr.next), pr.seq, uint64(pr.other), pr.want, uint64(pr.free.Load()), pr.tail, pr.limit, uint64(pr.friendWord), uint64(pr.at), bit(pr.friend != nil), bit(pr.nap.woken), pr.chunks.ready, pr.chunks.after.Load()}
	x := &pr.ext
	known = append(known, x.held.cursor, uint64(x.held.n), uint64(len(x.free)))
	for _, entry := range x.free {
		known = append(known, uint64(entry))
	}
	for k := range x.held.n {
		q := x.held.pieces[(x.held.first+k)%len(x.held.pieces)]
		known = append(known, uint64(q.entry), q.off, q.size)
	}
	return known
}

func bit(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

// send sends the messages, and says whether all were sent.
func (pr *manyProducer) send(messages ...byte) bool {
	m := pr.m
	for _, v := range messages {
		pr.next = v
		pr.p.Forget(pr.known()...)
		err := pr.laneProducer.send(pr.ctx, bytes.Repeat([]byte{v}, int(v)), true)
		switch {
		case err == nil:
			m.sent[v]++
		case errors.Is(err, ErrClosed), errors.Is(err, ErrNoConsumer) && m.Deaths() > 0:
			m.refused[v]++
			return false
		default:
			pr.p.Fail("send: %v", err)
		}
	}
	return true
}

func (pr *manyProducer) closeSend() {
	pr.p.Forget()
	if err := pr.laneProducer.closeSend(); err != nil && !errors.Is(err, ErrClosed) {
		pr.p.Fail("close send: %v", err)
	}
}

// manyConsumer is a consumer of a model, and its process.
type manyConsumer struct {
	m *exploredMany
	p *explore.Proc
	laneConsumer
	ctx  context.Context
	last [3]byte // received of each producer
}

// pure makes the process forget what it reads when it asks *f.
func pure(p *explore.Proc, f *func() bool) {
	ask := *f
	*f = func() bool { return p.Pure(ask) }
}

// consumer makes p a consumer before anybody moves.
func (m *exploredMany) consumer(p *explore.Proc) (c *manyConsumer) {
	p.Atomically(func() { c = m.newConsumer(p) })
	return c
}

func (m *exploredMany) newConsumer(p *explore.Proc) *manyConsumer {
	c := &manyConsumer{m: m, p: p}
	c.laneConsumer.init(new(end), m.mapped())
	c.ctx = p.Forgetting(c.knownWaiting)
	pure(p, &c.ready)
	pure(p, &c.gone)
	if err := c.join(context.Background(), robust.Trust{}, 0); err != nil {
		p.Fail("consume: %v", err)
	}
	return c
}

func (c *manyConsumer) known() []uint64 {
	known := []uint64{uint64(c.at), uint64(c.burst), c.seen, bit(c.nap.woken), uint64(c.friend), uint64(c.last[0]), uint64(c.last[1]), uint64(c.last[2])}
	return append(known, c.tails...)
}

// knownWaiting is known when the consumer is about to wait. It has looked for a
// producer to sleep on, c.friend, and has found it if nobody has died.
func (c *manyConsumer) knownWaiting() []uint64 {
	if c.m.Deaths() > 0 {
		return nil
	}
	return c.known()
}

// receive receives up to n messages, and returns the end of the stream.
func (c *manyConsumer) receive(n int) error {
	m := c.m
	for range n {
		c.p.Forget(c.known()...)
		b, err := c.next1(c.ctx, true)
		switch {
		case err == nil:
		case err == io.EOF, errors.Is(err, context.Canceled), errors.Is(err, ErrPeerDied) && m.Deaths() > 0:
			return err
		default:
			c.p.Fail("receive: %v", err)
		}
		v := byte(len(b))
		if !bytes.Equal(b, bytes.Repeat([]byte{v}, int(v))) || v == 0 {
			c.p.Fail("received %v", b)
		}
		if c.again {
			m.again[v]++
		} else {
			m.got[v]++
			last := &c.last[producerOf(v)]
			if v <= *last {
				c.p.Fail("received message %d after %d", v, *last)
			}
			*last = v
		}
		m.holding[v] = 1
		if m.inPlace {
			c.p.Step()
			if !bytes.Equal(b, bytes.Repeat([]byte{v}, int(v))) {
				c.p.Fail("while it holds message %d, that becomes %v", v, b)
			}
		}
		m.holding[v] = 0
		c.letGo()
	}
	return nil
}

// sends adds a producer.
func (m *exploredMany) sends(closes bool, messages ...byte) *explore.Proc {
	return m.Go(func(p *explore.Proc) {
		pr := m.producer(p)
		if pr.send(messages...) && closes {
			pr.closeSend()
		}
		p.Rest()
	})
}

// receives adds a consumer that receives up to n messages.
func (m *exploredMany) receives(n int) *explore.Proc {
	return m.Go(func(p *explore.Proc) {
		m.consumer(p).receive(n)
		p.Rest()
	})
}
