package ringbuf

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/shmkit/shmkit/internal/handle"
)

// What travels. A role belongs to the child from the moment that proc starts
// it: the parent holds it in trust, under the presence word in the handle's
// Meta, until the child adopts it. If the child ends before, the parent marks
// the role as a dead process's; if the parent dies before, the kernel does.
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
	return h, nil
}

// entrust gives this end's role away with a handle.
func (e *end) entrust(h handle.Handle) ([]byte, error) {
	if e.given.Load() == 0 {
		var err error
		first := e.close(func() {
			var word uint32
			if word, err = e.mine.Entrust(); err == nil {
				e.given.Store(word)
			}
		})
		if !first || err != nil {
			return nil, errors.Join(ErrClosed, err)
		}
	}
	word := e.given.Load()
	h.Meta = binary.LittleEndian.AppendUint32(nil, word)
	takeBack := func() {
		if e.given.CompareAndSwap(word, 0) && e.mine.Reclaim() == nil {
			e.closed.Store(false)
		}
	}
	ref, err := handle.Put(h, handle.Options{
		Failed: takeBack,
		Exited: func() { e.mine.Disown(word) },
	})
	if err != nil {
		takeBack()
	}
	return ref, err
}

// entrusted returns the word under which a role arrived.
func entrusted(h handle.Handle) (uint32, error) {
	if len(h.Meta) != 4 {
		h.File.Close()
		return 0, fmt.Errorf("%w: role with %d bytes", handle.ErrReference, len(h.Meta))
	}
	return binary.LittleEndian.Uint32(h.Meta), nil
}

// MarshalBinary lets a Producer travel as an argument of package proc: the
// child becomes the producer, and this handle is closed once the child has
// been started.
func (p *Producer) MarshalBinary() ([]byte, error) {
	return p.entrust(handle.Handle{Kind: kindProducer, Name: p.ring.name, File: p.ring.file})
}

// UnmarshalBinary takes over a role that has travelled. The ring is closed
// with the Producer.
func (p *Producer) UnmarshalBinary(ref []byte) error {
	h, err := arrived(ref, kindProducer)
	if err != nil {
		return err
	}
	word, err := entrusted(h)
	if err != nil {
		return err
	}
	r, err := newRing(h.Name, h.File)
	if err != nil {
		return err
	}
	if err := r.produce(p, word); err != nil {
		r.Close()
		return err
	}
	p.owns = true
	return nil
}

// MarshalBinary lets a Consumer travel as an argument of package proc: the
// child becomes the consumer, and this handle is closed once the child has
// been started.
func (c *Consumer) MarshalBinary() ([]byte, error) {
	return c.entrust(handle.Handle{Kind: kindConsumer, Name: c.ring.name, File: c.ring.file})
}

// UnmarshalBinary takes over a role that has travelled.
func (c *Consumer) UnmarshalBinary(ref []byte) error {
	h, err := arrived(ref, kindConsumer)
	if err != nil {
		return err
	}
	word, err := entrusted(h)
	if err != nil {
		return err
	}
	r, err := newRing(h.Name, h.File)
	if err != nil {
		return err
	}
	if err := r.consume(c, word); err != nil {
		r.Close()
		return err
	}
	c.owns = true
	return nil
}
