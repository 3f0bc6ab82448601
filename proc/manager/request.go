package manager

import (
	"errors"
	"fmt"
	"time"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/wireerr"
)

// carrier is how a request has come.
type carrier interface {
	// later puts the reply off; see ringbuf.Call.Later.
	later(withdrawn func()) replier
	// ifUnwanted is ringbuf.Call.IfUnwanted.
	ifUnwanted(undo func())
}

// replier sends a reply that was put off; see ringbuf.Reply.Send.
type replier interface {
	Send(reply []byte, err error) (wanted bool)
}

// request is a call to an object while the server serves it.
type request struct {
	reader          // its arguments, valid until serve returns
	out    writer   // its reply
	room   [64]byte // for that, if it is short
	server *server
	sess   *session
	node   *node // nil: the manager itself
	op     op
	from   carrier
	parked *parked  // nil: it is answered when serve returns
	undo   []func() // if the client does not get what it was given
	dead   []*node  // died in it; told when no lock is held
}

// args is to be called when all arguments have been read: an error of that is the
// client's.
func (x *request) args() error {
	if !x.done() {
		return fmt.Errorf("%w: operation %d of %s: arguments", ErrProtocol, x.op, x.kind())
	}
	return nil
}

func (x *request) kind() string {
	if x.node == nil {
		return "manager"
	}
	return x.node.kind
}

// unknown is the error of an operation that the kind does not have.
func (x *request) unknown() error {
	return fmt.Errorf("%w: operation %d of %s", ErrProtocol, x.op, x.kind())
}

// keep makes a value of an argument the object's: a copy, and the object holds what it
// leads to.
func (x *request) keep(v value) (value, error) {
	if err := x.server.graph.take(&x.node.owner, v.refs); err != nil {
		return value{}, err
	}
	crashpoint.Hit("manager.kept")
	return value{append([]byte(nil), v.data...), v.refs}, nil
}

// discard ends the object's hold of what a value of it leads to.
func (x *request) discard(v value) {
	for _, id := range v.refs {
		x.dead = append(x.dead, x.server.graph.drop(&x.node.owner, id, 1)...)
	}
}

// give writes a value of the object to the reply; the session holds what it leads to. If
// the client gives up meanwhile it holds that no longer. The object holds it still.
func (x *request) give(v value) {
	if len(v.refs) > 0 {
		x.lend(v.refs)
	}
	x.server.given(&x.out, v)
}

// given writes a value to a reply.
func (v *server) given(w *writer, val value) {
	w.bytes(val.data)
	w.number(uint64(len(val.refs)))
	for _, id := range val.refs {
		w.number(id)
		w.text(v.graph.kind(id))
	}
}

// deliver ends a parked request with a value of the object, and a number that the client
// needs besides. It says whether the client gets it: if not, the object has it still, else
// the caller discards it.
func (v *server) deliver(p *parked, val value, number uint64) (wanted bool) {
	if v.graph.take(&p.sess.owner, val.refs) != nil {
		return false
	}
	var w writer
	v.given(&w, val)
	w.number(number)
	if wanted = p.send(w); !wanted {
		for _, id := range val.refs {
			// The object holds it, whose lock is held; but a circle may have been found.
			if dead := v.graph.drop(&p.sess.owner, id, 1); len(dead) > 0 {
				go v.bury(dead)
			}
		}
	}
	return wanted
}

// lend has the session hold objects that live, and that the reply names.
func (x *request) lend(ids []uint64) {
	v, s := x.server, x.sess
	if v.graph.take(&s.owner, ids) != nil {
		return // they live because the caller holds them; a client that meets this finds them gone
	}
	crashpoint.Hit("manager.lent")
	x.onUnwanted(func() {
		for _, id := range ids {
			v.bury(v.graph.drop(&s.owner, id, 1))
		}
	})
}

// onUnwanted has undo called if the client does not get the reply: it has given up or gone, or
// the reply is too large, or is an error. No lock is held then.
func (x *request) onUnwanted(undo func()) { x.undo = append(x.undo, undo) }

// unwanted undoes what onUnwanted said, the last first.
func (x *request) unwanted() {
	for i := len(x.undo) - 1; i >= 0; i-- {
		x.undo[i]()
	}
}

// parked is a request that waits.
type parked struct {
	reply replier
	sess  *session
	began time.Time
}

// park puts the reply off until send. withdrawn is called, at most once, if the client
// gives up before; parked.send is due all the same. The object has the session involved
// until then.
func (x *request) park(withdrawn func(p *parked)) *parked {
	p := &parked{sess: x.sess, began: time.Now()}
	x.parked = p
	crashpoint.Hit("manager.parking")
	p.reply = x.from.later(func() { withdrawn(p) })
	return p
}

// send ends a parked request, with what was written to w. It says whether the client waits
// for it: else what it was to get stays the object's.
func (p *parked) send(w writer) (wanted bool) {
	crashpoint.Hit("manager.sending")
	return p.reply.Send(append([]byte{replyOK}, w.b...), nil)
}

// ok is send with nothing.
func (p *parked) ok() (wanted bool) { return p.reply.Send([]byte{replyOK}, nil) }

// fail ends a parked request with an error.
func (p *parked) fail(err error) { p.reply.Send(errorReply(nil, err), nil) }

// errorReply is the reply to a request that has failed.
func errorReply(b []byte, err error) []byte {
	return append(append(b, replyError), wireerr.Encode(err)...)
}

// parseReply returns what a reply says, or the error that it is.
func parseReply(b []byte) (reader, error) {
	if len(b) == 0 || b[0] > replyError {
		return reader{}, fmt.Errorf("%w: reply of %d bytes", ErrProtocol, len(b))
	}
	if b[0] == replyError {
		err := wireerr.Decode(b[1:])
		var remote *wireerr.Error
		if !errors.As(err, &remote) {
			err = fmt.Errorf("%w: %w", ErrProtocol, err)
		}
		return reader{}, err
	}
	return reader{b: b[1:]}, nil
}
