package ringbuf

import "context"

// CaseSend is the case that v is sent, as by Send. This process becomes a producer, if it
// is none, also if another case is performed.
func (c *Chan[T]) CaseSend(v T) Case { return Case{on: c, verb: toSend, value: v} }

// CaseRecv is the case that a value is received into *v, as by Recv. This process becomes
// a consumer, if it is none, also if another case is performed. v must not be nil.
func (c *Chan[T]) CaseRecv(v *T) Case { return Case{on: c, verb: toRecv, value: v} }

func (c *Chan[T]) side(v verb) *end {
	switch {
	case c.many != nil && v == toSend:
		return &c.many.send.own
	case c.many != nil:
		return &c.many.recv.own
	case v == toSend:
		return &c.send.end
	}
	return &c.recv.end
}

func (c *Chan[T]) attempt(ctx context.Context, k Case) error {
	if k.verb == toSend {
		return c.attemptSend(ctx, k.value.(T))
	}
	return c.attemptRecv(ctx, k.value.(*T))
}

func (c *Chan[T]) attemptSend(ctx context.Context, v T) error {
	if c.many == nil {
		c.send.parks = true
		err := c.Send(ctx, v)
		c.send.parks = false
		return err
	}
	s := &c.many.send
	if err := s.admit(ctx, "producer", s.enrol); err != nil {
		return err
	}
	err := s.sendOne(ctx, v, false)
	if err == ErrFull {
		return errParked
	}
	return err
}

func (c *Chan[T]) attemptRecv(ctx context.Context, to *T) error {
	var v T
	var err error
	if c.many == nil {
		c.recv.parks = true
		v, err = c.Recv(ctx)
		c.recv.parks = false
	} else {
		r := &c.many.recv
		if err = r.admit(ctx, "consumer", r.enrol); err == nil {
			v, err = r.recvOne(ctx, false)
		}
		if err == ErrEmpty {
			return errParked
		}
	}
	if err == nil {
		*to = v
	}
	return err
}

func (c *Chan[T]) sleeper(k Case) sleeper {
	switch {
	case c.many != nil && k.verb == toSend:
		s := &c.many.send
		return &turnSleeper{t: &s.turns, n: &s.nap, park: func() error { return s.doze(context.Background(), &patience{}) }}
	case c.many != nil:
		r := &c.many.recv
		return &turnSleeper{t: &r.turns, n: &r.nap, park: func() error { return r.doze(context.Background(), &patience{}, true) }}
	case k.verb == toSend:
		return &pairSleeper{e: &c.send.exclusive}
	}
	return &pairSleeper{e: &c.recv.exclusive}
}
