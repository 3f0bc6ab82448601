package ringbuf

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"syscall"

	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/handle"
	"github.com/shmkit/shmkit/internal/mem"
	"github.com/shmkit/shmkit/internal/robust"
	"github.com/shmkit/shmkit/internal/shmfile"
)

// Ring is a queue of byte messages in shared memory, as one process has it
// open. It travels to child processes as an argument (package proc). Its
// methods may be called from any goroutine.
type Ring struct {
	name string
	file *os.File
	m    *mem.Mapping
	h    *header // with one producer and one consumer
	many *shared // otherwise
	opts Options

	open   context.Context // ends with Close, and with it waits for a role
	close  context.CancelFunc
	mu     sync.Mutex // guards ends and closed
	ends   []*end
	closed bool
}

// New makes a ring. An anonymous one (name "") is memory that the kernel frees
// with its last user; a named one can be opened by processes of the same user
// until Unlink. o may be nil.
//
// Errors: ErrSize, ErrName, ErrExist, ErrNoSpace, with o.Exist other than
// ExistFail those of Open and ErrBusy, and EINVAL for an Owner that there is not. Nothing stays behind after an error.
func New(name string, o *Options) (*Ring, error) {
	opts, err := o.normal()
	if err != nil {
		return nil, fmt.Errorf("make ring: %w", err)
	}
	spec := shmfile.Spec{
		Kind: shmfile.KindRing, Size: int64(headSize + opts.Capacity + opts.largeBytes()),
		Sizes: [2]uint64{uint64(opts.Capacity), uint64(opts.MaxMessage)},
	}
	now := int64(headSize + opts.Capacity)
	if opts.Mode != SPSC {
		g, err := geometryOf(opts, 0)
		if err != nil {
			return nil, fmt.Errorf("make ring: %w", err)
		}
		spec.Size, now = int64(g.size()), int64(g.head)
		opts.fenced = !futex.LightFences()
	}
	f, err := create(name, spec, now, "", opts)
	if err != nil {
		return nil, fmt.Errorf("make ring: %w", err)
	}
	r, err := newRing(name, f)
	if err != nil {
		return nil, fmt.Errorf("make ring: %w", err)
	}
	return r, nil
}

// create makes the file of a ring or channel, so much of it allocated now and what
// describes its type in its place, or opens what is there.
func create(name string, spec shmfile.Spec, now int64, about string, o Options) (*os.File, error) {
	head, err := shmfile.NewHeader(spec)
	if err != nil {
		return nil, err
	}
	head = append(head, o.header()...)
	f, _, err := shmfile.Create(name, spec.Size, shmfile.Options{
		Exist: o.Exist, Owner: o.Owner, Allocate: now,
		Fill: func(f *os.File) error {
			_, err := f.WriteAt(head, 0)
			if err == nil && about != "" {
				_, err = f.WriteAt([]byte(about), int64(spec.About[0]))
			}
			if errors.Is(err, syscall.ENOSPC) {
				err = fmt.Errorf("%w: %w", ErrNoSpace, err)
			}
			return err
		},
	})
	return f, err
}

// Open opens the ring of that name. o may be nil. Errors: ErrName, ErrNotExist,
// ErrBusy (somebody is replacing or removing it), ErrForeign, ErrVersion, ErrKind, ErrTruncated, ErrForeignNamespace,
// ErrCorrupt, and the context's error while it waits.
func Open(ctx context.Context, name string, o *OpenOptions) (*Ring, error) {
	f, err := shmfile.Open(ctx, name, shmfile.OpenOptions{Wait: o != nil && o.Wait})
	if err != nil {
		return nil, fmt.Errorf("open ring: %w", err)
	}
	return wrapOpen(newRing(name, f))
}

func wrapOpen(r *Ring, err error) (*Ring, error) {
	if err != nil {
		return nil, fmt.Errorf("open ring: %w", err)
	}
	return r, nil
}

// OpenFile opens the ring in f, a descriptor that came from Ring.File of
// another process. The ring owns f from then on, also after an error.
func OpenFile(f *os.File) (*Ring, error) { return wrapOpen(newRing("", f)) }

// newRing maps the ring in f, which it owns.
func newRing(name string, f *os.File) (r *Ring, err error) {
	defer func() {
		if err != nil {
			shmfile.Abandon(f)
		}
	}()
	spec, err := shmfile.Identify(f, shmfile.Spec{Kind: shmfile.KindRing})
	if err != nil {
		return nil, err
	}
	r = &Ring{name: name, file: f}
	if err := r.opts.read(f); err != nil {
		return nil, err
	}
	r.opts.Capacity, r.opts.MaxMessage = int(spec.Sizes[0]), int(spec.Sizes[1])
	n, err := r.opts.normal()
	if err != nil || n != r.opts {
		return nil, fmt.Errorf("%w: capacity %d, messages of %d", ErrCorrupt, r.opts.Capacity, r.opts.MaxMessage)
	}
	if err := r.mmap(spec.Size); err != nil {
		return nil, err
	}
	r.open, r.close = context.WithCancel(context.Background())
	return r, nil
}

// mmap maps the ring's file of size bytes.
func (r *Ring) mmap(size int64) (err error) {
	o := mem.Options{Truncatable: shmfile.Truncatable(r.file)}
	if r.opts.Mode == SPSC {
		large := r.opts.largeBytes()
		if size != int64(headSize+r.opts.Capacity+large) {
			return fmt.Errorf("%w: %d bytes, capacity %d, messages of %d", ErrCorrupt, size, r.opts.Capacity, r.opts.MaxMessage)
		}
		if r.m, err = mem.MapRing(r.file, headSize, r.opts.Capacity, large, o); err == nil {
			r.h = headerOf(r.m.Bytes())
		}
		return err
	}
	g, err := geometryOf(r.opts, 0)
	if err != nil || size != int64(g.size()) {
		return fmt.Errorf("%w: %d bytes, capacity %d", ErrCorrupt, size, r.opts.Capacity)
	}
	if r.m, err = mem.Map(r.file, g.size(), o); err == nil {
		r.many = sharedOf(r.m.Bytes(), r.file, g, r.opts)
	}
	return err
}

// read takes over what the creator wrote behind the object's header.
func (o *Options) read(f *os.File) error {
	var b [optionsSize]byte
	if _, err := f.ReadAt(b[:], shmfile.HeaderSize); err != nil {
		return fmt.Errorf("read options: %w", err)
	}
	if err := o.parse(b[:]); err != nil {
		return err
	}
	if o.Mode != SPSC && !o.fenced && !futex.LightFences() {
		return fmt.Errorf("open %v: %w: membarrier(2), which its creator had", o.Mode, errors.ErrUnsupported)
	}
	return nil
}

// optionsSize is how many bytes the creator writes behind the object's header.
const optionsSize = 40

// parse checks and takes over those bytes.
func (o *Options) parse(b []byte) error {
	field := func(i int) uint32 { return binary.LittleEndian.Uint32(b[4*i:]) }
	o.Strategy, o.OnPeerDeath, o.Mode = Strategy(field(0)), PeerDeath(field(1)), Mode(field(2))
	o.Redeliver, o.fenced = field(3)&flagRedeliver != 0, field(3)&flagFenced != 0
	o.Grow = field(3)&flagGrow != 0
	o.Leases = field(3)&flagLeases != 0
	o.Producers, o.Consumers = int(field(4)), int(field(5))
	o.MaxMessages = int(binary.LittleEndian.Uint64(b[24:]))
	o.Keep = int(binary.LittleEndian.Uint64(b[32:]))
	if o.Mode == SPSC { // such a ring has no more
		o.Producers, o.Consumers = 1, 1
	}
	n := *o
	if flags := field(3); o.Mode != SPSC && (flags&flagCounted == 0 || flags >= flagLeases<<1) {
		return fmt.Errorf("%w: flags %#x", ErrVersion, flags)
	}
	if err := n.checkModes(); err != nil || n != *o {
		return fmt.Errorf("%w: mode %v with %d producers, %d consumers: %w", ErrCorrupt, o.Mode, o.Producers, o.Consumers, err)
	}
	return nil
}

// Producer makes this process the ring's producer. From a dead one it takes
// over, once no thread of that can write any more.
//
// Errors: ErrBusy when a living process is the producer, perhaps this one;
// ErrClosed, ErrCorrupt, ErrTruncated, ErrNoKeeper; where there may be many producers
// ErrTooManyProcesses instead of ErrBusy, and ErrNoSpace for the room of this one.
func (r *Ring) Producer() (*Producer, error) {
	p := new(Producer)
	if err := r.produce(r.open, p, robust.Trust{}, 0); err != nil {
		return nil, err
	}
	return p, nil
}

// produce makes p the ring's producer; see end.join for trust.
func (r *Ring) produce(ctx context.Context, p *Producer, trust robust.Trust, lane int) error {
	p.ring = r
	err := r.add(&p.end, func() error {
		if r.many != nil {
			p.lane = new(laneProducer)
			p.lane.init(&p.end, r.many)
			return p.lane.join(ctx, trust, lane)
		}
		p.init(r.h, r.m.Bytes()[headSize:], r.opts)
		if err := p.join(ctx, trust); err != nil {
			return err
		}
		if err := p.begin(recordUnit); err != nil {
			return err
		}
		return p.beginLarge(r.largeMemory())
	})
	if err != nil {
		return fmt.Errorf("become producer: %w", err)
	}
	return nil
}

// Consumer makes this process the ring's consumer. From a dead one it takes
// over, once no thread of that can write any more; a message that it had not
// released comes again. Errors are those of Producer.
func (r *Ring) Consumer() (*Consumer, error) {
	c := new(Consumer)
	if err := r.consume(r.open, c, robust.Trust{}, 0); err != nil {
		return nil, err
	}
	return c, nil
}

// consume makes c the ring's consumer; see end.join for trust.
func (r *Ring) consume(ctx context.Context, c *Consumer, trust robust.Trust, seat int) error {
	c.ring = r
	err := r.add(&c.end, func() error {
		if r.many != nil {
			c.lane = new(laneConsumer)
			c.lane.init(&c.end, r.many)
			return c.lane.join(ctx, trust, seat)
		}
		c.init(r.h, r.m.Bytes()[headSize:], r.opts)
		if err := c.join(ctx, trust); err != nil {
			return err
		}
		if err := c.begin(); err != nil {
			return err
		}
		return c.beginLarge(r.largeMemory())
	})
	if err != nil {
		return fmt.Errorf("become consumer: %w", err)
	}
	return nil
}

// add lets an end join and keeps it, to be closed with the ring.
func (r *Ring) add(e *end, join func() error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return ErrClosed
	}
	e.guarded = shmfile.Truncatable(r.file)
	if err := guard(join); err != nil {
		if r.open.Err() != nil {
			err = ErrClosed
		}
		return err
	}
	r.ends = append(r.ends, e)
	return nil
}

// drop forgets an end that was closed.
func (r *Ring) drop(e *end) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ends = slices.DeleteFunc(r.ends, func(x *end) bool { return x == e })
}

// Name returns the ring's name, "" for an anonymous one.
func (r *Ring) Name() string { return r.name }

// File returns the ring's descriptor, for passing it to a process that this
// library did not start. It belongs to the ring.
func (r *Ring) File() *os.File { return r.file }

// Cap returns the ring's capacity in bytes; with many producers, that of each.
func (r *Ring) Cap() int { return r.opts.Capacity }

// MaxMessage returns the size of the largest message in bytes.
func (r *Ring) MaxMessage() int { return r.opts.MaxMessage }

// Len returns how many bytes of the ring are in use: published and not yet
// released. It may be out of date when it arrives.
func (r *Ring) Len() int { return r.Stats().Used }

// Available returns how many bytes are free, with many producers to the one that has
// least. A message takes its length rounded up to 8, plus 8; one in an extent, or that
// does not fit the ring, takes 16.
func (r *Ring) Available() int {
	if r.many != nil {
		return r.Cap() - r.many.fullest()
	}
	return r.Cap() - r.Len()
}

// String describes the ring.
func (r *Ring) String() string {
	s := r.Stats()
	return fmt.Sprintf("Ring(%q, %d of %d bytes used, %v, producer %d, consumer %d)", r.name, s.Used, r.Cap(), r.opts.Strategy, s.ProducerPID, s.ConsumerPID)
}

// Close closes the ends that were made from this Ring, and unmaps the ring.
// Slices into it then read as zeros. The ring itself lives on while others
// have it open, and its name does what Options.Owner says. Close is idempotent. It returns ErrBusy, and can be called
// again, while a role that was given to a child has not arrived there.
func (r *Ring) Close() error {
	r.close()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil
	}
	for _, e := range r.ends {
		e.closed.Store(true) // before the first leaves, so that no other takes it for the peer's leaving
	}
	for _, e := range r.ends {
		e.close()
	}
	if err := robust.Unmap(r.m); err != nil {
		return fmt.Errorf("close ring: %w", err)
	}
	r.closed = true
	return shmfile.Close(r.file)
}

// abandon closes a ring that is not what was wanted: its name stays.
func (r *Ring) abandon() {
	r.close()
	_ = robust.Unmap(r.m) // nobody has a role
	r.closed = true
	shmfile.Abandon(r.file)
}

// Unlink removes the ring's name: nobody can open it any more, who has it open
// keeps it. It does nothing for an anonymous ring.
func (r *Ring) Unlink() error {
	if r.name == "" {
		return nil
	}
	return Unlink(r.name)
}

// Unlink removes the name of a ring, channel, queue or exchange. Errors: ErrName,
// ErrNotExist, and ErrBusy while a process that is stopped is about to remove it.
func Unlink(name string) error { return shmfile.Unlink(name) }

// MarshalBinary lets a Ring travel as an argument of package proc. The
// receiver has the ring open, without a role.
func (r *Ring) MarshalBinary() ([]byte, error) {
	if r.file == nil { // it had not arrived here either
		return nil, fmt.Errorf("send ring: %w", ErrClosed)
	}
	return handle.Put(handle.Handle{Kind: kindRing, Name: r.name, File: r.file}, handle.Options{})
}

// UnmarshalBinary opens a Ring that has travelled.
func (r *Ring) UnmarshalBinary(ref []byte) error {
	h, err := arrived(ref, kindRing)
	if isGone(err) {
		r.vanish()
		return nil
	}
	if err != nil {
		return err
	}
	o, err := newRing(h.Name, h.File)
	if err != nil {
		return err
	}
	r.name, r.file, r.m, r.h, r.many, r.opts, r.open, r.close = o.name, o.file, o.m, o.h, o.many, o.opts, o.open, o.close
	return nil
}
