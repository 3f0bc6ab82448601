package ringbuf

import (
	"context"
	"encoding/binary"
	"io"
	"iter"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/mem"
)

// Consumer is the receiving end of a Ring. One goroutine at a time may use it;
// Close may be called from any.
//
// Receiving. A message is the consumer's until one store of the head releases
// it. A consumer that is killed before that store leaves the message to the
// next consumer. (Of a message that is larger than the ring it is the store that
// says so of its memory: see large.go.)
type Consumer struct {
	receiver
	data []byte // the ring's bytes, twice
	max  uint64 // the largest message that fits the ring
	held uint64 // size of the record that Next handed out, 0 for none

	large *largeReceiver // for messages that do not fit, if there may be such
	lane  *laneConsumer  // where there are many producers or consumers

	ring *Ring
	owns bool // the ring came with the role and goes with it
}

// init makes c the receiving end of the ring with this head and these bytes,
// mapped twice.
func (c *Consumer) init(h *header, data []byte, o Options) {
	c.receiver.init(h, o, recordUnit)
	c.data, c.max = data, uint64(min(o.MaxMessage, o.Capacity-recordHeader))
}

// Next returns the next message in place, waiting for one as long as ctx
// allows. The slice is valid until Release, which must come before the next
// Next or Recv. A faulty or hostile producer may change the bytes meanwhile.
//
// The error is io.EOF when everything was received and the producer has ended
// the stream or left, ErrPeerDied when it died instead, ErrNotReleased,
// ErrClosed, ErrTruncated, ErrCorrupt or the context's error.
func (c *Consumer) Next(ctx context.Context) ([]byte, error) {
	if !c.dash() || c.held != 0 || c.tail == c.head && !c.glance() {
		return c.nextSlow(ctx, true)
	}
	b, err := c.peek()
	if err != nil {
		b, err = c.aside()
	}
	c.leave()
	return b, err
}

// TryNext is Next that returns ErrEmpty instead of waiting.
func (c *Consumer) TryNext() ([]byte, error) {
	b, err := c.nextSlow(context.Background(), false)
	return b, c.tried(err)
}

// nextSlow is Next with all that may be in the way of its fast path.
func (c *Consumer) nextSlow(ctx context.Context, wait bool) ([]byte, error) {
	if c.guarded {
		var b []byte
		err := c.guard(func() (err error) { b, err = c.next(ctx, wait); return })
		return b, err
	}
	return c.next(ctx, wait)
}

func (c *Consumer) next(ctx context.Context, wait bool) ([]byte, error) {
	if c.lane != nil {
		return c.lane.next1(ctx, wait)
	}
	if !c.enter() || c.tail == c.head || c.held != 0 {
		if err := c.find(ctx, wait); err != nil {
			c.leave()
			return nil, err
		}
	}
	b, err := c.peek()
	if err != nil {
		b, err = c.aside()
	}
	c.leave()
	return b, err
}

// Release gives the room of the message from Next back to the producer. It
// does nothing if there is none.
func (c *Consumer) Release() {
	if !c.dash() || c.held == 0 {
		c.releaseSlow()
		return
	}
	c.head += c.held
	c.n++
	c.held = 0
	c.h.received.messages.StoreRelaxed(c.n)
	c.dashed(&c.h.head, c.head)
	if c.peerSleeps() {
		c.wakeIfWanted()
	}
	c.leave()
}

// releaseSlow is Release with all that may be in the way of its fast path.
func (c *Consumer) releaseSlow() {
	if c.guarded {
		_ = c.guard(func() error { c.release(); return nil }) // the next call says what is wrong
		return
	}
	c.release()
}

func (c *Consumer) release() {
	if c.lane != nil {
		c.lane.letGo()
		return
	}
	if c.enter() && c.held != 0 {
		c.done()
	}
	c.leave()
}

// Recv receives the next message into buf, growing it if need be, and returns
// it, waiting as long as ctx allows. Errors are those of Next.
func (c *Consumer) Recv(ctx context.Context, buf []byte) ([]byte, error) {
	if !c.dash() || c.held != 0 || c.tail == c.head && !c.glance() {
		if c.lane != nil && !c.guarded {
			rounds := 1
			if c.strategy != Block && !c.parks { // another core may be about to publish
				rounds = glances
			}
			if b, ok := c.lane.dart(buf, rounds); ok {
				c.leave()
				return b, nil
			}
		}
		return c.recvSlow(ctx, buf, true)
	}
	b, err := c.peek()
	if err == nil {
		buf = appendTo(buf, b)
		c.head += c.held
		c.n++
		c.held = 0
		c.h.received.messages.StoreRelaxed(c.n)
		c.dashed(&c.h.head, c.head)
		if c.peerSleeps() {
			c.wakeIfWanted()
		}
	} else {
		buf, err = c.recvAside(buf)
	}
	c.leave()
	return buf, err
}

// TryRecv is Recv that returns ErrEmpty instead of waiting.
func (c *Consumer) TryRecv(buf []byte) ([]byte, error) {
	buf, err := c.recvSlow(context.Background(), buf, false)
	return buf, c.tried(err)
}

// recvSlow is Recv with all that may be in the way of its fast path.
func (c *Consumer) recvSlow(ctx context.Context, buf []byte, wait bool) ([]byte, error) {
	if c.guarded {
		err := c.guard(func() (err error) { buf, err = c.recv(ctx, buf, wait); return })
		return buf, err
	}
	return c.recv(ctx, buf, wait)
}

func (c *Consumer) recv(ctx context.Context, buf []byte, wait bool) ([]byte, error) {
	if c.lane != nil {
		return c.lane.recv(ctx, buf, wait)
	}
	if !c.enter() || c.tail == c.head || c.held != 0 {
		if err := c.find(ctx, wait); err != nil {
			c.leave()
			return buf[:0], err
		}
	}
	b, err := c.peek()
	if err == nil {
		buf = appendTo(buf, b)
		c.head += c.held
		c.n++
		c.held = 0
		c.commit()
	} else {
		buf, err = c.recvAside(buf)
	}
	c.leave()
	return buf, err
}

// RecvBatch receives up to len(bufs) messages, each into its element, growing
// it if need be, and returns how many. It waits for the first as long as ctx
// allows, and for no more; one that does not fit the ring comes alone. Errors are
// those of Next, with none received.
func (c *Consumer) RecvBatch(ctx context.Context, bufs [][]byte) (int, error) {
	if c.guarded {
		return c.guardN(func() (int, error) { return c.recvBatch(ctx, bufs) })
	}
	return c.recvBatch(ctx, bufs)
}

func (c *Consumer) recvBatch(ctx context.Context, bufs [][]byte) (n int, err error) {
	if c.lane != nil {
		return c.lane.recvBatch(ctx, bufs)
	}
	open := c.enter()
	if len(bufs) == 0 {
		c.leave()
		return 0, nil
	}
	if !open || c.tail == c.head || c.held != 0 {
		if err := c.find(ctx, true); err != nil {
			c.leave()
			return 0, err
		}
	}
	for n < len(bufs) && c.tail != c.head {
		b, err := c.peek()
		if err != nil {
			break
		}
		bufs[n] = appendTo(bufs[n], b)
		c.head += c.held
		c.n++
		c.held = 0
		n++
	}
	if n > 0 {
		c.commit()
	} else if bufs[0], err = c.recvAside(bufs[0]); err == nil {
		n = 1
	}
	c.leave()
	return n, err
}

// All returns the messages until the stream ends. Each slice is valid until
// the next one is asked for, when it is released. An error is the last thing
// yielded; the end of the stream is none.
func (c *Consumer) All(ctx context.Context) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for {
			b, err := c.Next(ctx)
			if err == io.EOF {
				return
			}
			if err != nil {
				yield(nil, err)
				return
			}
			more := yield(b, nil)
			c.Release()
			if !more {
				return
			}
		}
	}
}

// peek returns the message at head, of which there is one, and holds it. If it is not
// in the ring itself the error is errAside.
func (c *Consumer) peek() ([]byte, error) {
	at := c.head & (c.size - 1)
	n := binary.LittleEndian.Uint64(c.data[at:]) // once: it may change
	if n > c.max || recordSize(n) > c.tail-c.head {
		return nil, errAside
	}
	c.held = recordSize(n)
	at += recordHeader
	return c.data[at : at+n : at+n], nil
}

// appendTo returns b's bytes in buf's memory, or in new memory if that is small.
func appendTo(buf, b []byte) []byte {
	if cap(buf) < len(b) {
		buf = make([]byte, len(b))
	}
	buf = buf[:len(b)]
	mem.Copy(buf, b)
	crashpoint.Hit("ring.copied")
	return buf
}

// find waits for a message, unless one is held.
func (c *Consumer) find(ctx context.Context, wait bool) error {
	if c.held != 0 && c.broken == nil && !c.closed.Load() {
		return ErrNotReleased
	}
	return c.message(ctx, wait)
}

// Redelivered says whether the message that was received last was held before by a
// consumer that died or left with it. It is always false of a ring with one
// consumer, which receives such a message before all others.
func (c *Consumer) Redelivered() bool { return c.lane != nil && c.lane.again }

// Ring returns the ring that this is an end of.
func (c *Consumer) Ring() *Ring { return c.ring }

// Close gives up the role; a message from Next that was not released goes to
// the next consumer. Where there can be several consumers it goes to one of them
// only with Options.Redeliver; else it is gone. A call that waits returns ErrClosed.
// Close is idempotent.
func (c *Consumer) Close() error {
	c.end.close()
	c.ring.drop(&c.end)
	if c.owns {
		return c.ring.Close()
	}
	return nil
}
