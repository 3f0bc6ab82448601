package proc

import (
	"errors"
	"fmt"

	"github.com/shmkit/shmkit/ringbuf"
)

// PipeOptions of Pipe. nil and zero fields mean the defaults.
type PipeOptions struct {
	// OneWay makes a pipe whose first end only receives and whose second end only
	// sends. (Python's duplex=False.)
	OneWay bool
	// Capacity is how many bytes of messages fit the pipe in each direction before
	// Send waits, default 1 MiB. It is rounded up to a power of two of at least
	// 64 KiB. A message takes its length, and 16 to 23 bytes. The memory is taken
	// when the pipe is made: programs with thousands of pipes want less, those with
	// large messages more.
	Capacity int
	// MaxMessage is the longest message in bytes, as it is encoded, default 1 GiB.
	// What does not fit Capacity gets memory of its own while it is under way.
	MaxMessage int
}

const defaultMaxMessage = 1 << 30

// Pipe returns the two ends of a new pipe: what is sent at one is received at the
// other. Each end is for one process at a time; it is given to another one as part
// of an argument or a message, and is closed here from then on.
//
// A pipe is anonymous shared memory, which the kernel frees with its last user, and
// a pair of sockets for descriptors. Errors: ringbuf.ErrSize for options that no
// pipe can have, ringbuf.ErrNoSpace, errors.ErrUnsupported where there are no
// pipes, and those of the system.
func Pipe(o *PipeOptions) (*Conn, *Conn, error) {
	a, b, err := newPipe(o)
	if err != nil {
		return nil, nil, fmt.Errorf("make pipe: %w", err)
	}
	return a, b, nil
}

func newPipe(o *PipeOptions) (a, b *Conn, err error) {
	var opts PipeOptions
	if o != nil {
		opts = *o
	}
	if opts.MaxMessage == 0 {
		opts.MaxMessage = defaultMaxMessage
	}
	if opts.MaxMessage < 0 {
		return nil, nil, fmt.Errorf("%w: messages of %d bytes", ringbuf.ErrSize, opts.MaxMessage)
	}
	a, b = new(Conn), new(Conn)
	a.init()
	b.init()
	if err = join(b, a, &opts); err == nil && !opts.OneWay {
		err = join(a, b, &opts)
	}
	if err == nil {
		a.sock, b.sock, err = newSockets()
	}
	if err != nil {
		return nil, nil, errors.Join(err, a.shed(), b.shed())
	}
	a.open()
	b.open()
	return a, b, nil
}

// join makes the ring from one end to the other.
func join(from, to *Conn, o *PipeOptions) (err error) {
	ring, err := ringbuf.New("", &ringbuf.Options{Capacity: o.Capacity, MaxMessage: o.MaxMessage + frameHeader})
	if err != nil {
		return err
	}
	w := &wire{ring: ring, ends: 2}
	from.wires, to.wires = append(from.wires, w), append(to.wires, w)
	if from.tx, err = ring.Producer(); err != nil {
		return err
	}
	to.rx, err = ring.Consumer()
	return err
}
