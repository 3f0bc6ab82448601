package ringbuf

import (
	"context"
	"fmt"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/futex"
)

// laneConsumer is the receiving end of a Ring with many ends.
type laneConsumer struct {
	laneReceiver
	scratch []byte // of Next: messages that are copied

	data  [][]byte // the lanes' records
	unit  uint64   // a record lies in one piece of so many bytes of those
	slack uint64   // and leaves so many at its end
	most  uint64   // bytes of the largest message in a record
	read  uint64   // where the record began that was read last

	held  held // the message that was received in place
	out   bool // Next has handed a message out
	again bool // the last message was received before, by a consumer that died
	batch int  // how many messages the next batch tries to take at once
}

func (c *laneConsumer) init(e *end, s *shared) {
	c.laneReceiver.init(e, s)
	c.batch = 1
	size := s.geo.capacity
	c.unit, c.most = uint64(size), inlineMost
	if s.sparse() {
		c.unit, c.slack, c.most = uint64(s.geo.chunk), s.geo.slack(), chunkMost
	}
	for i := range s.lanes {
		c.data = append(c.data, s.bytes[s.geo.at(i)+s.geo.slots:][:size:size])
	}
	c.resign = func() { _ = guard(c.giveBack) } // the role is left all the same
}

// look is what a try to receive found.
type look int

const (
	nothing look = iota // there is no message
	beaten              // others were faster
	copied              // a message was copied out
	inPlace             // a message is held where it lies
)

// try receives the next message: copied to dst's memory, or in place, in c.held.
func (c *laneConsumer) try(dst []byte) (b []byte, found look, err error) {
	if c.s.opts.Redeliver && c.s.h.again.Load() != c.seen {
		h, ok, err := c.redeliver()
		if err != nil {
			return dst, nothing, c.breaks(err)
		}
		if ok {
			c.hold(h, true)
			return dst, inPlace, nil
		}
	}
	i, head, tail, ok, err := c.next()
	if !ok {
		return dst, nothing, err
	}
	r, to, err := c.parse(i, head, head, tail)
	switch {
	case err != nil:
		return dst, nothing, c.breaks(err)
	case to == 0:
		return dst, beaten, nil
	case r.state == nil:
		dst = appendTo(dst, r.b)
		if !c.taken(i, head, to) {
			return dst, beaten, nil
		}
		c.again = false
		c.received(1, uint64(len(r.b)))
		return dst, copied, nil
	}
	// Whoever is first gets the message; everybody moves the head.
	was := extentState(r.state.Load())
	var h held
	if was == r.ready {
		if h, ok, err = c.s.hold(r.spot, was, c.x); err != nil {
			return dst, nothing, c.breaks(err)
		}
	} else if ok = false; r.odd(was) && c.s.lanes[i].head.Load() == head {
		return dst, nothing, c.breaks(fmt.Errorf("%w: the message at %d of lane %d is in state %x", ErrCorrupt, r.at, i, was))
	}
	moved := c.taken(i, head, to)
	if !ok {
		if moved { // the one who has the message may be stopped before it wakes anybody
			c.s.vacated(c.x, 1)
		}
		return dst, beaten, nil
	}
	c.hold(h, false)
	return dst, inPlace, nil
}

func (c *laneConsumer) hold(h held, again bool) {
	c.held, c.again = h, again
	c.received(1, h.n)
}

// parsed is a record.
type parsed struct {
	b     []byte // inline: the message
	spot         // if it is held by who takes it; else state is nil
	ready extentState
}

// odd says whether a state that is not ready cannot be that of a record at the head.
func (r *parsed) odd(was extentState) bool {
	if r.e == nil {
		return !was.in(chunkWord(r.ready)) || was.phase() == phaseReady
	}
	g := r.ready.generation()
	return was.generation() < g || was.generation() == g && (was.phase() == phaseAgain || was.phase() == phaseReady)
}

// parse reads the record at at, behind a filler if there is one, and returns where it
// ends; 0 if the head has moved meanwhile.
func (c *laneConsumer) parse(i int, head, at, tail uint64) (r parsed, end uint64, err error) {
	data := c.data[i]
	size := uint64(len(data))
	word := wordAt(data[at&(size-1):]).Load()
	if word&kindMask == kindFiller {
		if n := word & numberMask; n != 0 && (at+n)&(c.unit-1) == 0 && n < tail-at {
			at += n
			word = wordAt(data[at&(size-1):]).Load()
		}
	}
	c.read = at
	n, room := word&numberMask, min(tail-at, roomAt(c.unit, at, c.slack))
	table := c.s.table(i) // once: how long it is may change
	switch {
	case word&kindMask == kindInline && n <= c.most && c.s.recordSize(n) <= room:
		p := at&(size-1) + recordHeader
		r.b, end = data[p:p+n:p+n], at+c.s.recordSize(n)
		if c.s.fated() {
			r.spot = spot{lane: i, at: at}
			r.state, r.ready = c.s.fateAt(i, at)
		}
	case word&kindMask == kindExtent && n < uint64(len(table)) && c.s.extentRecord() <= room:
		end = at + c.s.extentRecord()
		r.spot, r.ready = inExtent(i, &table[n], wordAt(data[at&(size-1)+recordHeader:]).Load())
	}
	// A record that was read while the head stood there was that one. (The words
	// are loaded with acquire, so the head is read after them. Of an inline message
	// the CAS of the head finds out.)
	if (end == 0 || r.state != nil) && c.s.lanes[i].head.Load() != head {
		return r, 0, nil
	}
	if end == 0 {
		return r, 0, fmt.Errorf("%w: record %x at %d of lane %d", ErrCorrupt, word, at, i)
	}
	return r, end, nil
}

// dart receives the next message of the lane at hand, if it is in a record and
// nothing is in the way: the common case. It looks for a lane in so many rounds.
func (c *laneConsumer) dart(buf []byte, rounds int) ([]byte, bool) {
	if c.detour.Load() != special || c.out || c.s.holds() || !c.face(rounds) {
		return buf, false
	}
	l, data := &c.s.lanes[c.at], c.data[c.at]
	head, tail := l.head.Load(), c.tails[c.at]
	if int64(tail-head) <= 0 {
		tail = c.s.end(l)
		c.heard.Acquire()
		c.tails[c.at] = tail
	}
	if tail == head || (tail|head)%recordUnit != 0 { // the lane's memory may not even be allocated
		return buf, false
	}
	at := head & uint64(len(data)-1)
	room := min(tail-head, uint64(len(data))-at)
	n := wordAt(data[at:]).Load() &^ seqMask
	if tail-head > uint64(len(data)) || n > c.most || recordSize(n) > room {
		return buf, false
	}
	buf = appendTo(buf, data[at+recordHeader:at+recordHeader+n])
	if !c.taken(c.at, head, head+recordSize(n)) {
		if c.across != 0 {
			c.faced, c.read = head, head
			c.touchUp()
		}
		return buf, false
	}
	c.again = false
	c.received(1, n)
	return buf, true
}

// receive receives the next message, waiting for it as long as ctx allows.
func (c *laneConsumer) receive(ctx context.Context, dst []byte, wait bool) ([]byte, look, error) {
	for w, tries, glanced := (patience{}), 0, false; ; tries++ {
		if err := c.able(); err != nil {
			return dst, nothing, err
		}
		if tries%enough == enough-1 {
			if err := ctx.Err(); err != nil {
				return dst, nothing, err
			}
			if !wait && tries > enough*enough { // there are only traces of messages
				return dst, nothing, ErrEmpty
			}
			futex.Yield()
		}
		var b []byte
		var found look
		var err error
		if c.across != 0 {
			b, found, err = c.trySparse(dst)
		} else {
			b, found, err = c.try(dst)
		}
		dst = b
		if found > beaten || err != nil {
			return dst, found, err
		}
		if found == beaten {
			continue
		}
		if !glanced && wait && !c.parks && c.strategy != Block {
			glanced = true
			if c.glance() {
				continue
			}
		}
		if err := c.await(ctx, &w, wait); err != nil {
			return dst, nothing, err
		}
	}
}

// able says whether this end can receive.
func (c *laneConsumer) able() error {
	switch {
	case c.closed.Load():
		return ErrClosed
	case c.broken != nil:
		return c.broken
	case c.out:
		return ErrNotReleased
	}
	return nil
}

// next1 is Consumer.Next.
func (c *laneConsumer) next1(ctx context.Context, wait bool) ([]byte, error) {
	c.enter()
	b, found, err := c.receive(ctx, c.scratch, wait)
	switch found {
	case copied:
		c.scratch, c.out = b, true
	case inPlace:
		b, c.out = c.s.message(c.held), true
	default:
		b = nil
	}
	c.leave()
	return b, err
}

// letGo is Consumer.Release.
func (c *laneConsumer) letGo() {
	if c.enter() && c.out {
		c.out = false
		c.dropHeld()
	}
	c.leave()
}

func (c *laneConsumer) dropHeld() {
	if c.held.state != nil {
		c.s.release(c.held, c.me())
		c.held = held{}
	}
}

// recv is Consumer.Recv.
func (c *laneConsumer) recv(ctx context.Context, buf []byte, wait bool) ([]byte, error) {
	c.enter()
	buf, err := c.get(ctx, buf, wait)
	c.leave()
	return buf, err
}

// get is recv in a call that has begun.
func (c *laneConsumer) get(ctx context.Context, buf []byte, wait bool) ([]byte, error) {
	buf, found, err := c.receive(ctx, buf, wait)
	switch found {
	case inPlace:
		buf = appendTo(buf, c.s.message(c.held))
		c.dropHeld()
	case nothing:
		buf = buf[:0]
	}
	return buf, err
}

// keep receives the next message, if there is one, and leaves it held.
func (c *laneConsumer) keep(ctx context.Context) (h held, err error) {
	_, found, err := c.receive(ctx, nil, false)
	switch found {
	case copied:
		return h, c.breaks(fmt.Errorf("%w: a message in a record", ErrCorrupt))
	case inPlace:
		h, c.held = c.held, held{}
		crashpoint.Hit("lease.kept")
	}
	return h, err
}

// recvBatch is Consumer.RecvBatch.
func (c *laneConsumer) recvBatch(ctx context.Context, bufs [][]byte) (n int, err error) {
	if len(bufs) == 0 {
		return 0, nil
	}
	c.enter()
	defer c.leave()
	for n == 0 {
		if c.across != 0 {
			n, err = c.severalSparse(bufs)
		} else {
			n, err = c.several(bufs)
		}
		if err != nil {
			return 0, err
		}
		if n > 0 {
			break
		}
		b, found, err := c.receive(ctx, bufs[0], true)
		if err != nil {
			return 0, err
		}
		if found == inPlace {
			b = appendTo(b, c.s.message(c.held))
			c.dropHeld()
		}
		bufs[0], n = b, 1
	}
	return n, nil
}

// several takes inline messages of one lane, as many as there are, by one CAS; none
// if others are faster, or the first is in an extent.
func (c *laneConsumer) several(bufs [][]byte) (int, error) {
	if err := c.able(); err != nil {
		return 0, err
	}
	if c.s.holds() {
		return 0, nil
	}
	i, head, tail, ok, err := c.next()
	if !ok {
		return 0, err
	}
	n, at, bytes := 0, head, uint64(0)
	for n < len(bufs) && n < c.batch && at != tail {
		r, to, err := c.parse(i, head, at, tail)
		if err != nil && at == head {
			return 0, c.breaks(err)
		}
		if err != nil || to == 0 || r.state != nil {
			break
		}
		if n > 0 && (at^to)&c.across != 0 { // into one more chunk at most, which is the first's
			break
		}
		bufs[n] = appendTo(bufs[n], r.b)
		bytes += uint64(len(r.b))
		n++
		at = to
	}
	if n == 0 {
		return 0, nil
	}
	if !c.taken(i, head, at) {
		c.batch = max(c.batch/2, 1)
		if c.across != 0 {
			c.touchUp()
		}
		return 0, nil
	}
	c.batch = min(2*c.batch, batchMost)
	c.again = false
	c.received(uint64(n), bytes)
	return n, nil
}

// batchMost is how many messages are taken at once: copying more for others to be
// faster is a waste.
const batchMost = 256

// giveBack gives up what this end holds, before it leaves.
func (c *laneConsumer) giveBack() error {
	c.held, c.out = held{}, false
	c.s.bury(c.x, c.me(), func() bool { return true })
	if c.nap.woken {
		c.passOn()
	}
	return nil
}
