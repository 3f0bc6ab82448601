package ringbuf

import (
	"context"

	"github.com/shmkit/shmkit/internal/mem"
)

// sendBatch is Producer.SendBatch.
func (p *laneProducer) sendBatch(ctx context.Context, messages [][]byte) (sent int, err error) {
	if !p.enter() {
		p.leave()
		return 0, ErrClosed
	}
	p.drop()
	if p.s.opts.MaxMessages > 0 {
		sent, err = p.putBatch(ctx, messages)
		p.leave()
		return sent, err
	}
	published := p.tail
	var n, bytes uint64
	flush := func() error {
		if n == 0 {
			return nil
		}
		to := p.tail
		p.tail, p.seq = published, p.seq-n
		k := n
		n = 0 // also if the stream has ended: nothing is published twice
		if err := p.publish(to, k, bytes); err != nil {
			published = p.tail
			return err
		}
		sent += int(k)
		published, bytes = p.tail, 0
		return nil
	}
	for _, b := range messages {
		room, from, to, e := p.find(ctx, uint64(len(b)), n == 0)
		if e == ErrFull && n > 0 { // others are to have these before this one waits
			if err = flush(); err != nil {
				break
			}
			room, from, to, e = p.find(ctx, uint64(len(b)), true)
		}
		if e != nil {
			err = e
			break
		}
		mem.Copy(room, b)
		p.finish(from, uint64(len(b)))
		p.tail = to
		p.seq++
		n, bytes = n+1, bytes+uint64(len(b))
		if p.tail-published >= batchBytes || bytes >= batchBytes {
			if err = flush(); err != nil {
				break
			}
		}
	}
	if e := flush(); err == nil {
		err = e
	}
	p.tail = published
	if p.s.sparse() {
		p.limit = p.edge(p.tail)
	}
	p.leave()
	return sent, err
}

// putBatch is sendBatch where there is a bound: small messages are claimed and
// published together, as many as there are places for.
func (p *laneProducer) putBatch(ctx context.Context, messages [][]byte) (sent int, err error) {
	for sent < len(messages) {
		p.gather(messages[sent:])
		if len(p.ends) < 2 {
			if err := p.put(ctx, messages[sent], true); err != nil {
				return sent, err
			}
			sent++
			continue
		}
		got, left := p.claim(uint64(len(p.ends)))
		if all := p.ends[len(p.ends)-1]; got == 0 {
			p.unwrite(p.tail, all)
		} else {
			p.unwrite(p.ends[got-1], all)
		}
		if got == 0 {
			if err = p.refused(ctx, true); err == nil {
				err = p.waitPlace(ctx, true)
			}
			if err != nil {
				return sent, err
			}
			continue
		}
		err := p.publish(p.ends[got-1], got, p.sizes[got-1])
		p.settled(left)
		if err != nil {
			return sent, err
		}
		sent += int(got)
	}
	return sent, nil
}

// gather writes the records of the messages at the beginning that are small and have
// room, and notes where each ends, and how many bytes there are up to it.
func (p *laneProducer) gather(messages [][]byte) {
	p.ends, p.sizes = p.ends[:0], p.sizes[:0]
	tail, seq, bytes := p.tail, p.seq, uint64(0)
	for _, b := range messages {
		n := uint64(len(b))
		from, to := p.span(p.s.recordSize(n))
		if p.s.sparse() { // into another chunk goes a message alone
			from, to = p.tail, p.tail+p.s.recordSize(n)
		}
		if len(b) > p.inline || p.tail-tail >= batchBytes || p.broken != nil || !p.fits(to-p.tail) {
			break
		}
		at := from&(p.size-1) + recordHeader
		mem.Copy(p.data[at:at+n], b)
		p.finish(from, n)
		bytes += n
		p.tail, p.seq = to, p.seq+1
		p.ends, p.sizes = append(p.ends, to), append(p.sizes, bytes)
	}
	p.tail, p.seq = tail, seq
}
