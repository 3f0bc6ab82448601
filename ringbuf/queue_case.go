package ringbuf

import "context"

// CaseSend is the case that b is sent, as by Send. This process becomes a producer, if it
// is none, also if another case is performed. b must not change meanwhile.
func (q *Queue) CaseSend(b []byte) Case { return Case{on: q, verb: toSend, bytes: b} }

// CaseRecv is the case that a message is received into *buf, as by Recv: into its memory,
// which may be replaced by larger. This process becomes a consumer, if it is none, also if
// another case is performed. After an error, and if another case was performed, *buf is
// the same slice as before. buf must not be nil.
func (q *Queue) CaseRecv(buf *[]byte) Case { return Case{on: q, verb: toRecv, into: buf} }

func (q *Queue) side(v verb) *end {
	if v == toSend {
		return &q.send.own
	}
	return &q.recv.own
}

func (q *Queue) attempt(ctx context.Context, k Case) error {
	if k.verb == toSend {
		err := q.send.admit(ctx, "producer", q.send.enrol)
		if err == nil {
			err = q.send.send(ctx, k.bytes, false)
		}
		if err == ErrFull {
			return errParked
		}
		return err
	}
	err := q.recv.admit(ctx, "consumer", q.recv.enrol)
	if err != nil {
		return err
	}
	b, err := q.recv.recv(ctx, *k.into, false)
	switch err {
	case nil:
		*k.into = b
	case ErrEmpty:
		return errParked
	}
	return err
}

func (q *Queue) sleeper(k Case) sleeper {
	if k.verb == toSend {
		n := len(k.bytes)
		return &turnSleeper{t: &q.send.turns, n: &q.send.lane.nap, park: func() error { return q.send.sit(n) }}
	}
	return &turnSleeper{t: &q.recv.turns, n: &q.recv.lane.nap, park: q.recv.sit}
}
