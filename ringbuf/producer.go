package ringbuf

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/shmkit/shmkit/internal/crashpoint"
)

// Producer is the sending end of a Ring. One goroutine at a time may use it;
// Close may be called from any.
//
// Sending. The message is written behind everything published, and one store
// of the tail publishes it. A process that is killed before that store has
// sent nothing; one that is killed after it has sent the message, and if the
// consumer sleeps, it wakes because its peer died.
type Producer struct {
	end
	ring *Ring
	owns bool   // the ring came with the role and goes with it
	data []byte // the ring's bytes, twice
	size uint64 // capacity
	max  uint64 // MaxMessage

	tail     uint64 // end of what is published; the shared one is only written
	limit    uint64 // tail may grow up to here: the head last seen plus the capacity
	reserved uint64 // length of the message under construction
	writing  bool   // there is one
}

// recordSize is the room that a message of n bytes takes.
func recordSize(n uint64) uint64 { return (n + recordHeader + 7) &^ 7 }

// init makes p the sending end of the ring with this head and these bytes,
// mapped twice.
func (p *Producer) init(h *header, data []byte, o Options) {
	p.end.init(h, o, true)
	p.data, p.size, p.max = data, uint64(o.Capacity), uint64(o.MaxMessage)
	p.ready = func() bool { return int64(h.head.Load()-p.want.Load()) >= 0 }
}

// begin reads where the ring stands, once this process has the role.
func (p *Producer) begin() error {
	tail, head := p.h.tail.Load(), p.h.head.Load()
	if tail-head > p.size || tail%8 != 0 {
		return fmt.Errorf("%w: tail %d, head %d", ErrCorrupt, tail, head)
	}
	p.tail, p.limit = tail, head+p.size
	return nil
}

// Send copies b into the ring and publishes it, waiting for room as long as
// ctx allows. On an error nothing was sent: ErrTooLarge, ErrClosed,
// ErrNoConsumer, ErrTruncated, ErrCorrupt or the context's error.
func (p *Producer) Send(ctx context.Context, b []byte) error {
	if p.guarded {
		return guard(func() error { return p.send(ctx, b, true) })
	}
	return p.send(ctx, b, true)
}

// TrySend is Send that returns ErrFull instead of waiting.
func (p *Producer) TrySend(b []byte) error {
	if p.guarded {
		return guard(func() error { return p.send(context.Background(), b, false) })
	}
	return p.send(context.Background(), b, false)
}

func (p *Producer) send(ctx context.Context, b []byte, wait bool) error {
	n := uint64(len(b))
	if !p.enter() || !p.fits(n) {
		if err := p.room(ctx, n, wait); err != nil {
			p.leave()
			return err
		}
	}
	p.write(b)
	p.commit()
	p.leave()
	return nil
}

// SendBatch sends the messages in order, and publishes many with one store. It
// returns how many were sent; the error, if any, is that of the next one.
func (p *Producer) SendBatch(ctx context.Context, messages [][]byte) (int, error) {
	if p.guarded {
		return guardN(func() (int, error) { return p.sendBatch(ctx, messages) })
	}
	return p.sendBatch(ctx, messages)
}

// batchBytes is how much a batch may hold back unpublished.
const batchBytes = 8 << 10

func (p *Producer) sendBatch(ctx context.Context, messages [][]byte) (int, error) {
	published, from := 0, p.tail
	open := p.enter()
	for i, b := range messages {
		n := uint64(len(b))
		if !open || !p.fits(n) {
			open = true // room finds out that it is not
			if p.tail != from {
				p.commit()
				published, from = i, p.tail
			}
			if err := p.room(ctx, n, true); err != nil {
				p.leave()
				return published, err
			}
		}
		p.write(b)
		if p.tail-from >= batchBytes {
			p.commit()
			published, from = i+1, p.tail
		}
	}
	if p.tail != from {
		p.commit()
	}
	p.leave()
	return len(messages), nil
}

// Reserve returns n bytes of the ring in which to build a message, waiting for
// room as long as ctx allows. Commit publishes it, Abort gives it up; another
// Reserve or Send begins anew. The slice must not be used after any of these.
// Errors are those of Send.
func (p *Producer) Reserve(ctx context.Context, n int) ([]byte, error) {
	if p.guarded {
		var b []byte
		err := guard(func() (err error) { b, err = p.reserve(ctx, n); return })
		return b, err
	}
	return p.reserve(ctx, n)
}

func (p *Producer) reserve(ctx context.Context, n int) ([]byte, error) {
	if n < 0 {
		return nil, fmt.Errorf("%w: %d bytes", ErrSize, n)
	}
	p.writing = false
	if !p.enter() || !p.fits(uint64(n)) {
		if err := p.room(ctx, uint64(n), true); err != nil {
			p.leave()
			return nil, err
		}
	}
	p.reserved, p.writing = uint64(n), true
	at := p.tail&(p.size-1) + recordHeader
	b := p.data[at : at+p.reserved : at+p.reserved]
	p.leave()
	return b, nil
}

// Commit publishes the first n bytes of what was reserved as a message. It
// returns ErrNotReserved, and changes nothing, if less was.
func (p *Producer) Commit(n int) error {
	if !p.writing || n < 0 || uint64(n) > p.reserved {
		return ErrNotReserved
	}
	if p.guarded {
		return guard(func() error { return p.commitReserved(n) })
	}
	return p.commitReserved(n)
}

func (p *Producer) commitReserved(n int) error {
	if !p.enter() {
		p.leave()
		return ErrClosed
	}
	p.writing = false
	binary.LittleEndian.PutUint64(p.data[p.tail&(p.size-1):], uint64(n))
	p.tail += recordSize(uint64(n))
	p.commit()
	p.leave()
	return nil
}

// Abort gives up what was reserved. It was never published, so nothing is
// undone.
func (p *Producer) Abort() { p.writing = false }

// fits says whether a message of n bytes fits into the room last seen, and the
// consumer is as it was last seen.
func (p *Producer) fits(n uint64) bool {
	return n <= p.max && p.tail+recordSize(n) <= p.limit && p.theirs.Word.Load() == p.peerWord
}

// write puts a message behind the others, unpublished. There is room.
func (p *Producer) write(b []byte) {
	at := p.tail & (p.size - 1)
	record := p.data[at : at+recordHeader+uint64(len(b))]
	binary.LittleEndian.PutUint64(record, uint64(len(b)))
	copy(record[recordHeader:], b)
	p.tail += recordSize(uint64(len(b)))
	crashpoint.Hit("ring.written")
}

// commit publishes everything up to tail.
func (p *Producer) commit() {
	p.publish(&p.h.tail, p.tail)
	if p.peerFlag.Load() != 0 {
		p.wakePeer()
	}
}

// room waits until a message of n bytes fits.
func (p *Producer) room(ctx context.Context, n uint64, wait bool) error {
	size := recordSize(n)
	switch {
	case p.broken != nil:
		return p.broken
	case n > p.max:
		return fmt.Errorf("%w: %d bytes of at most %d", ErrTooLarge, n, p.max)
	}
	for w := (patience{}); ; {
		if p.closed.Load() || p.h.ended.Load() != 0 {
			return ErrClosed
		}
		word, gone, died := p.peerGone()
		switch {
		case gone && died && !p.patient:
			return errConsumerDied
		case gone && !p.patient:
			return ErrNoConsumer
		}
		p.peerWord = word
		head := p.h.head.Load() // acquire: index
		if p.tail-head > p.size || int64(head+p.size-p.limit) < 0 {
			return p.breaks(fmt.Errorf("%w: tail %d, head %d", ErrCorrupt, p.tail, head))
		}
		p.limit = head + p.size
		if p.tail+size <= p.limit {
			return nil
		}
		if !wait {
			return ErrFull
		}
		want := p.tail + size - p.size
		p.want.Store(want)
		p.h.wanted.Store(want)
		if err := p.await(ctx, &w, word); err != nil {
			return err
		}
	}
}

// breaks makes the producer unusable.
func (p *Producer) breaks(err error) error {
	p.broken, p.limit = err, p.tail
	p.peerWord = noWord // so that every call comes to room
	return err
}

// CloseSend ends the stream: whoever receives gets what was published and then
// io.EOF, whoever sends gets ErrClosed, for ever. It does not give up the role.
func (p *Producer) CloseSend() error {
	if p.guarded {
		return guard(p.closeSend)
	}
	return p.closeSend()
}

func (p *Producer) closeSend() error {
	if !p.enter() {
		p.leave()
		return ErrClosed
	}
	p.endOfStream()
	p.leave()
	return nil
}

// Ring returns the ring that this is an end of.
func (p *Producer) Ring() *Ring { return p.ring }

// Close gives up the role. What was reserved is dropped, what was published
// stays. A call that waits returns ErrClosed. Close is idempotent.
func (p *Producer) Close() error {
	if p.end.close(p.mine.Leave) && p.owns {
		return p.ring.Close()
	}
	return nil
}
