package ringbuf

import "context"

// CaseRecv is the case that a message is received into *buf, as by Recv: into its
// memory, which may be replaced by larger. After an error, and if another case was
// performed, *buf is the same slice as before. buf must not be nil.
func (c *Consumer) CaseRecv(buf *[]byte) Case { return Case{on: c, verb: toRecv, into: buf} }

// CaseNext is the case that *msg becomes the next message in place, as by Next. It has to
// be released. After an error, and if another case was performed, *msg is the same slice
// as before. msg must not be nil.
func (c *Consumer) CaseNext(msg *[]byte) Case { return Case{on: c, verb: toNext, into: msg} }

func (c *Consumer) side(verb) *end { return &c.end }

func (c *Consumer) attempt(ctx context.Context, k Case) (err error) {
	var b []byte
	c.parks = true
	if k.verb == toNext {
		b, err = c.nextSlow(ctx, true)
	} else {
		b, err = c.recvSlow(ctx, *k.into, true)
	}
	c.parks = false
	if err == nil {
		*k.into = b
	}
	return err
}

func (c *Consumer) sleeper(Case) sleeper {
	if c.lane != nil {
		return &laneSleeper{e: &c.end, n: &c.lane.nap}
	}
	return &pairSleeper{e: &c.exclusive}
}

// CaseSend is the case that b is sent, as by Send. b must not change meanwhile.
func (p *Producer) CaseSend(b []byte) Case { return Case{on: p, verb: toSend, bytes: b} }

func (p *Producer) side(verb) *end { return &p.end }

func (p *Producer) attempt(ctx context.Context, k Case) error {
	p.parks = true
	err := p.Send(ctx, k.bytes)
	p.parks = false
	return err
}

func (p *Producer) sleeper(Case) sleeper {
	if p.lane != nil {
		return &laneSleeper{e: &p.end, n: &p.lane.nap}
	}
	return &pairSleeper{e: &p.exclusive}
}
