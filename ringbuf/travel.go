package ringbuf

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/shmkit/shmkit/internal/handle"
	"github.com/shmkit/shmkit/internal/robust"
	"github.com/shmkit/shmkit/internal/shmfile"
)

// What travels. A role belongs to the child from the moment that it is put
// into the child's argument: the parent holds it in trust until the child
// adopts it. If the child is never started, the parent takes it back; if the
// child ends before it adopts, the parent marks the role as a dead process's;
// if the parent dies before, the kernel does (outside the arena the look).
const (
	kindRing     = "ringbuf.Ring"
	kindProducer = "ringbuf.Producer"
	kindConsumer = "ringbuf.Consumer"
)

// arrived returns the handle that ref stands for, if it is of the right kind.
func arrived(ref []byte, kind string) (handle.Handle, error) {
	h, err := handle.Get(ref)
	if err != nil {
		return h, err
	}
	if h.Kind != kind || h.File == nil {
		if h.File != nil {
			h.File.Close()
		}
		return h, fmt.Errorf("%w: %s arrived as %s", handle.ErrReference, h.Kind, kind)
	}
	h.File = shmfile.Adopt(h.File, h.Name)
	return h, nil
}

// entrust gives the role of e, an end of r, away with a handle. It can be given
// away once; within one message it may occur again.
func (r *Ring) entrust(e *end, kind string) ([]byte, error) {
	h := handle.Handle{Kind: kind, Name: r.name, File: r.file}
	trust, err := e.giveAway()
	if err != nil {
		h.Meta = putTrust(e.trusted(), e.place)
		if ref, ok := handle.Again(h); ok {
			return ref, nil
		}
		return nil, fmt.Errorf("give %s away: %w", kind, err)
	}
	h.Meta = putTrust(trust, e.place)
	ref, err := handle.Put(h, handle.Options{
		Failed: func() { e.takeBack(trust) },
		Exited: func() { _ = guard(func() error { e.mine.Disown(trust); return nil }) },
	})
	if err != nil {
		e.takeBack(trust)
	}
	return ref, err
}

func putTrust(t robust.Trust, place int) (b []byte) {
	for _, v := range []uint32{t.Word, t.Arrivals, uint32(place)} {
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	return b
}

// entrusted opens the ring of a role that arrived, and returns it with the
// trust that the role is in, and its place among many.
func entrusted(ref []byte, kind string) (r *Ring, t robust.Trust, place int, err error) {
	h, err := arrived(ref, kind)
	if err != nil {
		return nil, t, 0, err
	}
	if len(h.Meta) != 12 {
		shmfile.Abandon(h.File)
		return nil, t, 0, fmt.Errorf("%w: role with %d bytes", handle.ErrReference, len(h.Meta))
	}
	t.Word, t.Arrivals = binary.LittleEndian.Uint32(h.Meta), binary.LittleEndian.Uint32(h.Meta[4:])
	r, err = newRing(h.Name, h.File)
	return r, t, int(binary.LittleEndian.Uint32(h.Meta[8:])), err
}

// MarshalBinary lets a Producer travel as an argument of package proc: the
// child becomes the producer. This handle is closed from now on, unless the
// child cannot be started. It returns ErrClosed for an end that is closed or
// was given away before.
func (p *Producer) MarshalBinary() ([]byte, error) { return p.ring.entrust(&p.end, kindProducer) }

// UnmarshalBinary takes over a role that has travelled. The ring is closed
// with the Producer.
func (p *Producer) UnmarshalBinary(ref []byte) error {
	r, trust, place, err := entrusted(ref, kindProducer)
	if isGone(err) {
		p.vanish()
		return nil
	}
	if err != nil {
		return err
	}
	if err := r.produce(context.Background(), p, trust, place); err != nil {
		r.Close()
		return err
	}
	p.owns = true
	return nil
}

// MarshalBinary lets a Consumer travel as an argument of package proc: the
// child becomes the consumer. This handle is closed from now on, unless the
// child cannot be started. It returns ErrClosed for an end that is closed or
// was given away before.
func (c *Consumer) MarshalBinary() ([]byte, error) { return c.ring.entrust(&c.end, kindConsumer) }

// UnmarshalBinary takes over a role that has travelled. The ring is closed
// with the Consumer.
func (c *Consumer) UnmarshalBinary(ref []byte) error {
	r, trust, place, err := entrusted(ref, kindConsumer)
	if isGone(err) {
		c.vanish()
		return nil
	}
	if err != nil {
		return err
	}
	if err := r.consume(context.Background(), c, trust, place); err != nil {
		r.Close()
		return err
	}
	c.owns = true
	return nil
}
