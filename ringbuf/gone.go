package ringbuf

import (
	"context"
	"errors"

	"github.com/shmkit/shmkit/internal/handle"
)

// What has travelled in a message arrives closed when its descriptor did not arrive
// with it, because the sender has ended (handle.ErrGone): nothing to map, every call
// returns ErrClosed, the numbers are zero. Whoever decodes the message is told by
// handle.Decode.

func isGone(err error) bool { return errors.Is(err, handle.ErrGone) }

// vanish makes r closed, over a head of its own that nobody ever writes.
func (r *Ring) vanish() {
	r.h, r.closed = new(header), true
	r.open, r.close = context.WithCancel(context.Background())
	r.close()
}

func (p *Producer) vanish() {
	p.ring = new(Ring)
	p.ring.vanish()
	p.init(p.ring.h, nil, Options{})
	p.end.close()
}

func (c *Consumer) vanish() {
	c.ring = new(Ring)
	c.ring.vanish()
	c.init(c.ring.h, nil, Options{})
	c.end.close()
}

func (c *Chan[T]) vanish() {
	c.h, c.closed = new(header), true
	c.send.init(c.h, nil, Options{}, false)
	c.send.close()
	c.recv.init(c.h, nil, Options{}, false)
	c.recv.close()
}

func (q *Queue) vanish() error {
	r := new(Ring)
	r.vanish()
	r.opts.Mode = MPMC
	r.many = sharedOf(make([]byte, sharedHead), nil, geometry{}, r.opts)
	q.ring = r
	q.send.init(r.many, r.open, false)
	q.recv.init(r.many, r.open, false)
	return q.Close()
}
