package ringbuf

import (
	"context"
	"fmt"
	"os"
	"reflect"
	"sync"

	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/handle"
	"github.com/shmkit/shmkit/internal/mem"
	"github.com/shmkit/shmkit/internal/plain"
	"github.com/shmkit/shmkit/internal/robust"
	"github.com/shmkit/shmkit/internal/shmfile"
)

// Chan is a queue of values of type T between processes, like a Go channel
// with a buffer. T must not contain pointers. A process becomes a producer at its
// first Send and a consumer at its first Recv, and stays it until Close: one process
// at a time the producer and one the consumer, or, by Options.Mode, as many as
// Options.Producers and Options.Consumers say. A Chan travels to child processes as
// an argument (package proc).
//
// In mode SPSC one goroutine of a process at a time may send, and one may receive. In
// the other modes any number may, on one Chan, as on a Go channel. Close may be called
// from any.
//
// In every mode the values of one producer are received in the order in which they
// were sent, those of several producers in any order. The sending of a value
// synchronizes before its receiving. Each value is received once; one that a consumer
// was receiving when it died is received by another, or, if it was received already,
// by nobody.
type Chan[T any] struct {
	name string
	file *os.File
	m    *mem.Mapping
	h    *header      // with one producer and one consumer
	many *chanMany[T] // otherwise
	opts Options      // Capacity counts slots

	send chanSender[T]
	recv chanReceiver[T]

	mu     sync.Mutex
	closed bool
}

// NewChan makes a channel with room for n values, rounded up to a power of
// two; with many producers each of them has so much room, which is allocated when the
// process first sends. Of o, which may be nil, Capacity and MaxMessage are not used.
// Errors are those of New; ErrOption for Redeliver and Leases, since a consumer holds no value
// that it could leave behind; a T with pointers gives an error that names the field.
func NewChan[T any](name string, n int, o *Options) (*Chan[T], error) {
	c, err := newChan[T](name, n, o)
	if err != nil {
		return nil, fmt.Errorf("make channel: %w", err)
	}
	return c, nil
}

var errRedeliver = fmt.Errorf("%w: Redeliver or Leases of a channel, whose values are received in one step and never held", ErrOption)

func newChan[T any](name string, n int, o *Options) (*Chan[T], error) {
	t := reflect.TypeFor[T]()
	if err := plain.Check(t); err != nil {
		return nil, err
	}
	var opts Options
	if o != nil {
		opts = *o
	}
	if opts.Redeliver || opts.Leases {
		return nil, errRedeliver
	}
	if opts.Grow {
		return nil, fmt.Errorf("%w: Grow of a channel", ErrOption)
	}
	if err := opts.checkModes(); err != nil {
		return nil, err
	}
	size := sizeOf[T]()
	if most := maxCapacity / max(size, 1); n <= 0 || n > most || ceilPow2(n) > most {
		return nil, fmt.Errorf("%w: %d values of %d bytes", ErrSize, n, size)
	}
	n = ceilPow2(n)
	now := headSize + n*size
	spec := shmfile.Spec{
		Kind: shmfile.KindChan, Fingerprint: plain.Fingerprint(t), Size: int64(now),
		Sizes: [2]uint64{uint64(n), uint64(size)},
	}
	if opts.Mode != SPSC {
		opts.Capacity, opts.fenced = n, !futex.LightFences()
		g, err := geometryOf(opts, slotSize[T]())
		if err != nil {
			return nil, err
		}
		spec.Size, now = int64(g.size()), g.head
	}
	about := plain.Text(t)
	spec.About = [2]uint64{uint64(spec.Size), uint64(len(about))}
	spec.Size += int64(len(about))
	f, err := create(name, spec, int64(now), about, opts)
	if err != nil {
		return nil, err
	}
	c := new(Chan[T])
	if err := c.open(name, f); err != nil {
		return nil, err
	}
	return c, nil
}

// OpenChan opens the channel of that name. o may be nil. Errors are those of
// Open; ErrLayout says that the channel is of another type.
func OpenChan[T any](ctx context.Context, name string, o *OpenOptions) (*Chan[T], error) {
	f, err := shmfile.Open(ctx, name, shmfile.OpenOptions{Wait: o != nil && o.Wait})
	c := new(Chan[T])
	if err == nil {
		err = c.open(name, f)
	}
	if err != nil {
		return nil, fmt.Errorf("open channel: %w", err)
	}
	return c, nil
}

// OpenChanFile opens the channel in f, a descriptor that came from Chan.File
// of another process. The channel owns f from then on, also after an error.
func OpenChanFile[T any](f *os.File) (*Chan[T], error) {
	c := new(Chan[T])
	if err := c.open("", f); err != nil {
		return nil, fmt.Errorf("open channel: %w", err)
	}
	return c, nil
}

// open maps the channel in f, which it owns.
func (c *Chan[T]) open(name string, f *os.File) (err error) {
	defer func() {
		if err != nil {
			shmfile.Abandon(f)
		}
	}()
	t := reflect.TypeFor[T]()
	if err := plain.Check(t); err != nil {
		return err
	}
	spec, err := shmfile.Identify(f, shmfile.Spec{Kind: shmfile.KindChan, Fingerprint: plain.Fingerprint(t)})
	if err != nil {
		return err
	}
	n, size := spec.Sizes[0], uint64(sizeOf[T]())
	if spec.Sizes[1] != size || n == 0 || n&(n-1) != 0 || n > uint64(maxCapacity)/max(size, 1) {
		return fmt.Errorf("%w: %d bytes, %d slots of %d", ErrCorrupt, spec.Size, n, spec.Sizes[1])
	}
	opts := Options{Capacity: int(n)}
	if err := opts.read(f); err != nil {
		return err
	}
	var g geometry
	want := headSize + int64(n*size)
	if opts.Mode != SPSC {
		if g, err = geometryOf(opts, slotSize[T]()); err != nil {
			return fmt.Errorf("%w: %w", ErrCorrupt, err)
		}
		want = int64(g.size())
	}
	if spec.Size < want || spec.Size-want > plain.MaxText || opts.Redeliver || opts.Grow || opts.Leases {
		return fmt.Errorf("%w: %d bytes, %d slots of %d in mode %v", ErrCorrupt, spec.Size, n, size, opts.Mode)
	}
	guarded := shmfile.Truncatable(f)
	m, err := mem.Map(f, int(want), mem.Options{Truncatable: guarded})
	if err != nil {
		return err
	}
	c.name, c.file, c.m, c.opts = name, f, m, opts
	if opts.Mode != SPSC {
		c.many = new(chanMany[T])
		c.many.init(m.Bytes(), f, g, opts, guarded)
		c.send.divert(&c.many.send)
		c.recv.divert(&c.many.recv)
		return nil
	}
	c.h = headerOf(m.Bytes())
	slots := slotsOf[T](m.Bytes()[headSize:], int(n))
	c.send.init(c.h, slots, opts, guarded)
	c.recv.init(c.h, slots, opts, guarded)
	return nil
}

// Name returns the channel's name, "" for an anonymous one.
func (c *Chan[T]) Name() string { return c.name }

// File returns the channel's descriptor, for passing it to a process that this
// library did not start. It belongs to the channel.
func (c *Chan[T]) File() *os.File { return c.file }

// Cap returns how many values the channel has room for; with many producers, how
// many of each.
func (c *Chan[T]) Cap() int { return c.opts.Capacity }

// Len returns how many values were sent and not yet received, of all producers. It
// may be out of date when it arrives.
func (c *Chan[T]) Len() int { return c.Stats().Used }

// Stats returns the channel's numbers, in values.
func (c *Chan[T]) Stats() Stats {
	if c.many != nil {
		return c.many.stats()
	}
	return c.h.stats(c.opts.Capacity)
}

// String describes the channel.
func (c *Chan[T]) String() string {
	s := c.Stats()
	if c.many != nil {
		producers, consumers := c.many.s.pids()
		return fmt.Sprintf("Chan[%v](%q, %v, %d values, room for %d of each producer, %v, producers %v, consumers %v)",
			reflect.TypeFor[T](), c.name, c.opts.Mode, s.Used, c.Cap(), c.opts.Strategy, producers, consumers)
	}
	return fmt.Sprintf("Chan[%v](%q, %d of %d, %v, producer %d, consumer %d)", reflect.TypeFor[T](), c.name, s.Used, c.Cap(), c.opts.Strategy, s.ProducerPID, s.ConsumerPID)
}

// Close gives up this process's roles and unmaps the channel. Calls that wait
// return ErrClosed. It is idempotent.
func (c *Chan[T]) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil
	}
	if c.many != nil {
		c.many.leave()
	} else {
		c.send.close()
		c.recv.close()
	}
	if err := robust.Unmap(c.m); err != nil {
		return fmt.Errorf("close channel: %w", err)
	}
	c.closed = true
	return shmfile.Close(c.file)
}

// Unlink removes the channel's name: nobody can open it any more, who has it
// open keeps it. It does nothing for an anonymous channel.
func (c *Chan[T]) Unlink() error {
	if c.name == "" {
		return nil
	}
	return Unlink(c.name)
}

const kindChan = "ringbuf.Chan"

// MarshalBinary lets a Chan travel as an argument of package proc. Roles stay.
func (c *Chan[T]) MarshalBinary() ([]byte, error) {
	if c.file == nil { // it had not arrived here either
		return nil, fmt.Errorf("send channel: %w", ErrClosed)
	}
	return handle.Put(handle.Handle{Kind: kindChan, Name: c.name, File: c.file}, handle.Options{})
}

// UnmarshalBinary opens a Chan that has travelled.
func (c *Chan[T]) UnmarshalBinary(ref []byte) error {
	h, err := arrived(ref, kindChan)
	if isGone(err) {
		c.vanish()
		return nil
	}
	if err != nil {
		return err
	}
	return c.open(h.Name, h.File)
}
