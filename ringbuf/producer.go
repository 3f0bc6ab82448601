package ringbuf

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/mem"
)

// Producer is the sending end of a Ring. One goroutine at a time may use it;
// Close may be called from any.
//
// Sending. The message is written behind everything published, and one store
// of the tail publishes it. A process that is killed before that store has
// sent nothing; one that is killed after it has sent the message, and if the
// consumer sleeps, it wakes because its peer died.
type Producer struct {
	sender
	data []byte // the ring's bytes, twice
	max  uint64 // the largest message that fits the ring

	reserved uint64 // length of the message under construction
	writing  bool   // there is one

	large *largeSender  // for messages that do not fit, if there may be such
	lane  *laneProducer // where there are many producers or consumers

	ring *Ring
	owns bool // the ring came with the role and goes with it
}

// recordSize is the room that a message of n bytes takes.
func recordSize(n uint64) uint64 { return (n + recordHeader + 7) &^ 7 }

// init makes p the sending end of the ring with this head and these bytes,
// mapped twice.
func (p *Producer) init(h *header, data []byte, o Options) {
	p.sender.init(h, o)
	p.data, p.max = data, uint64(min(o.MaxMessage, o.Capacity-recordHeader))
}

// Send copies b into the ring and publishes it, waiting for room as long as
// ctx allows. On an error nothing was sent: ErrTooLarge, ErrClosed, ErrNoSpace
// (no memory for a large message, see Options.MaxMessage), ErrNoConsumer, ErrTruncated,
// ErrCorrupt or the context's error.
func (p *Producer) Send(ctx context.Context, b []byte) error {
	n := uint64(len(b))
	if !p.dash() || n > p.max || !p.fits(recordSize(n)) {
		if p.lane != nil && !p.guarded {
			if done, err := p.lane.dart(b); done {
				p.leave()
				return err
			}
		}
		return p.sendSlow(ctx, b, true)
	}
	p.write(b)
	p.h.sent.messages.StoreRelaxed(p.n)
	p.dashed(&p.h.tail, p.tail)
	if p.peerSleeps() {
		p.wakePeer()
	}
	p.leave()
	return nil
}

// TrySend is Send that returns ErrFull instead of waiting.
func (p *Producer) TrySend(b []byte) error { return p.sendSlow(context.Background(), b, false) }

// sendSlow is Send with all that may be in the way of its fast path.
func (p *Producer) sendSlow(ctx context.Context, b []byte, wait bool) error {
	if p.guarded {
		return p.guard(func() error { return p.send(ctx, b, wait) })
	}
	return p.send(ctx, b, wait)
}

func (p *Producer) send(ctx context.Context, b []byte, wait bool) error {
	if p.lane != nil {
		return p.lane.send(ctx, b, wait)
	}
	n := uint64(len(b))
	if !p.enter() || n > p.max || !p.fits(recordSize(n)) {
		if n > p.max && p.large != nil {
			err := p.sendLarge(ctx, b, wait)
			p.leave()
			return err
		}
		if err := p.space(ctx, n, wait); err != nil {
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
		return p.guardN(func() (int, error) { return p.sendBatch(ctx, messages) })
	}
	return p.sendBatch(ctx, messages)
}

// batchBytes is how much a batch may hold back unpublished.
const batchBytes = 8 << 10

func (p *Producer) sendBatch(ctx context.Context, messages [][]byte) (int, error) {
	if p.lane != nil {
		return p.lane.sendBatch(ctx, messages)
	}
	published, from := 0, p.tail
	open := p.enter()
	for i, b := range messages {
		n := uint64(len(b))
		if !open || n > p.max || !p.fits(recordSize(n)) {
			open = true // space finds out that it is not
			if p.tail != from {
				p.commit()
				published, from = i, p.tail
			}
			if n > p.max && p.large != nil {
				if err := p.sendLarge(ctx, b, true); err != nil {
					p.leave()
					return published, err
				}
				published, from = i+1, p.tail
				continue
			}
			if err := p.space(ctx, n, true); err != nil {
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

// Reserve returns n bytes of the ring's memory in which to build a message, waiting
// for room as long as ctx allows. Commit publishes it, Abort gives it up; another
// Reserve or Send begins anew. The slice must not be used after any of these.
// Errors are those of Send.
func (p *Producer) Reserve(ctx context.Context, n int) ([]byte, error) {
	if p.guarded {
		var b []byte
		err := p.guard(func() (err error) { b, err = p.reserve(ctx, n); return })
		return b, err
	}
	return p.reserve(ctx, n)
}

func (p *Producer) reserve(ctx context.Context, n int) ([]byte, error) {
	if n < 0 {
		return nil, fmt.Errorf("%w: %d bytes", ErrSize, n)
	}
	if p.lane != nil {
		return p.lane.reserve(ctx, n)
	}
	p.writing = false
	if !p.enter() || uint64(n) > p.max || !p.fits(recordSize(uint64(n))) {
		if uint64(n) > p.max && p.large != nil {
			b, err := p.reserveLarge(ctx, uint64(n))
			p.leave()
			return b, err
		}
		if err := p.space(ctx, uint64(n), true); err != nil {
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
	if p.lane == nil && (!p.writing || n < 0 || uint64(n) > p.reserved) {
		return p.commitLarge(n)
	}
	if p.guarded {
		return p.guard(func() error { return p.commitReserved(n) })
	}
	return p.commitReserved(n)
}

func (p *Producer) commitReserved(n int) error {
	if p.lane != nil {
		return p.lane.commit(n)
	}
	if !p.enter() {
		p.leave()
		return ErrClosed
	}
	p.writing = false
	binary.LittleEndian.PutUint64(p.data[p.tail&(p.size-1):], uint64(n))
	p.tail += recordSize(uint64(n))
	p.n++
	p.commit()
	p.leave()
	return nil
}

// Abort gives up what was reserved. It was never published, so nothing is
// undone.
func (p *Producer) Abort() {
	p.writing = false
	if p.enter() { // else what was reserved may be another's
		if p.lane != nil {
			p.lane.drop()
		}
		p.dropLarge()
	}
	p.leave()
}

// space waits until a message of n bytes fits.
func (p *Producer) space(ctx context.Context, n uint64, wait bool) error {
	p.anew()
	if n > p.max && p.broken == nil {
		return p.tooLarge(n)
	}
	return p.room(ctx, recordSize(n), wait)
}

func (p *Producer) tooLarge(n uint64) error {
	return fmt.Errorf("%w: %d bytes of at most %d", ErrTooLarge, n, p.ring.MaxMessage())
}

// write puts a message behind the others, unpublished. There is room.
func (p *Producer) write(b []byte) {
	at := p.tail & (p.size - 1)
	record := p.data[at : at+recordHeader+uint64(len(b))]
	binary.LittleEndian.PutUint64(record, uint64(len(b)))
	mem.Copy(record[recordHeader:], b)
	p.tail += recordSize(uint64(len(b)))
	p.n++
	p.writing = false // what was reserved began where this did
	crashpoint.Hit("ring.written")
}

// CloseSend ends the stream: whoever receives gets what was published and then
// io.EOF, whoever sends gets ErrClosed, for ever. What was reserved is dropped.
// It does not give up the role. Where the stream has ended already it does nothing
// and returns nil. ErrClosed: Close was called.
func (p *Producer) CloseSend() error {
	if p.guarded {
		return p.guard(p.closeSend)
	}
	return p.closeSend()
}

func (p *Producer) closeSend() error {
	if p.lane != nil {
		return p.lane.closeSend()
	}
	if !p.enter() {
		p.leave()
		return ErrClosed
	}
	p.writing = false
	p.dropLarge()
	p.endStream()
	p.leave()
	return nil
}

// Ring returns the ring that this is an end of.
func (p *Producer) Ring() *Ring { return p.ring }

// Close gives up the role. What was reserved is dropped, what was published
// stays. A call that waits returns ErrClosed. Close is idempotent.
func (p *Producer) Close() error {
	p.end.close()
	p.ring.drop(&p.end)
	if p.owns {
		return p.ring.Close()
	}
	return nil
}
