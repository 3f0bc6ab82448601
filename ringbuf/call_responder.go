package ringbuf

import (
	"context"
	"fmt"

	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/robust"
)

// Responder answers the calls of an Exchange: it gets a call and returns the reply, as a
// Handler does, or puts the reply off with Call.Later. What is said of a Handler holds
// for it.
type Responder = func(c *Call) ([]byte, error)

// Call is a call as its server sees it. It is the Responder's until that returns; then
// it may not be used any more, nor what its methods have returned, a Reply excepted. It is
// for one goroutine.
type Call struct {
	worker   *callWorker
	request  []byte
	from     ClientID
	unwanted func()
	later    *Reply
}

// ClientID names a client of an Exchange. No two clients of an exchange ever have the same
// one.
type ClientID uint64

func clientID(seat int, arrivals uint32) ClientID { return ClientID(seat)<<32 | ClientID(arrivals) }

// ID returns the name by which servers know the client.
func (c *Client) ID() ClientID { return clientID(c.index, c.own.arrivals) }

// Request returns the request. A reply may be a part of it.
func (c *Call) Request() []byte { return c.request }

// Context ends when the caller has given up or died, and when the server's context ends.
func (c *Call) Context() context.Context { return c.worker.turns }

// From says who calls. If a client dies while its call waits for a server, and another one
// takes its place at once, a server may be told the new one's name for the old one's
// call: where that matters, requests say themselves from whom they are.
func (c *Call) From() ClientID { return c.from }

// PID returns the process that calls, 0 if it is not known any more.
func (c *Call) PID() int { return c.worker.clients[int(c.from>>32)].PID() }

// IfUnwanted has undo called, in the worker's goroutine after the Responder has returned,
// if the caller has given up meanwhile, or the reply is too large for it: it does not get
// what the reply says. If the caller dies, undo is called or not; ServeOptions.Gone comes
// either way.
func (c *Call) IfUnwanted(undo func()) { c.unwanted = undo }

// A Reply is the answer to a call that its Responder has put off. Its methods may be called
// from any goroutine.
type Reply struct {
	worker       *callWorker
	turns        *callContext
	turn         uint64
	client, slot int
	withdrawn    func()
	told         bool // withdrawn was called
}

// Later puts the reply off: what the Responder returns is ignored, and Reply.Send ends the
// call, now or later, whatever becomes of the caller until then. If the caller gives up, or
// dies, before that, withdrawn is called once, in a goroutine that must not be
// blocked; Send is due all the same, so that the caller's slot becomes free. withdrawn
// may be called before Later returns.
func (c *Call) Later(withdrawn func()) *Reply {
	w := c.worker
	r := &Reply{worker: w, turns: w.turns, turn: w.turns.turn.Load(), client: w.client, slot: w.slot, withdrawn: withdrawn}
	c.later = r
	w.later.mu.Lock()
	w.later.open[r] = struct{}{}
	w.later.mu.Unlock()
	return r
}

// Send ends the call with the reply, or with err, as the return of a Responder does. It
// reports whether somebody gets it, as far as can be known: false when the caller has
// given up, the reply is too large for it, or the server has ended. Later calls do nothing
// and return false.
func (r *Reply) Send(reply []byte, err error) (wanted bool) {
	w := r.worker
	l := &w.later
	l.mu.Lock()
	if _, ok := l.open[r]; !ok {
		l.mu.Unlock()
		return false
	}
	delete(l.open, r)
	l.sending++
	l.mu.Unlock()
	status := uint32(callOK)
	if err != nil {
		status, reply = callError, w.text(err.Error())
	}
	_ = guard(func() error {
		wanted = w.conclude(r.client, r.slot, uint32(r.turn), status, reply)
		return nil
	})
	r.turns.finish()
	l.mu.Lock()
	l.sending--
	if l.sending == 0 {
		l.quiet.Broadcast()
	}
	l.mu.Unlock()
	return wanted
}

// withdraw calls withdrawn of those replies for which nobody waits any more. The
// attendant calls it.
func (v *callServer) withdraw() {
	var gone []*Reply
	v.later.mu.Lock()
	for r := range v.later.open {
		if !r.told && v.unwanted(r.turn) {
			r.told = true
			gone = append(gone, r)
		}
	}
	v.later.mu.Unlock()
	for _, r := range gone {
		if r.withdrawn != nil {
			r.withdrawn()
		}
	}
}

// endLater gives up what was put off, once what is being sent is sent: nobody of this
// server writes to a slot afterwards.
func (v *callServer) endLater() {
	v.later.mu.Lock()
	defer v.later.mu.Unlock()
	clear(v.later.open)
	for v.later.sending > 0 {
		v.later.quiet.Wait()
	}
}

// meet notes that a client of the worker's call is known, and returns its name. Whoever
// had the seat before has gone.
func (w *callWorker) meet(c *clientSeat, seat int) ClientID {
	now := uint64(c.Arrivals.Load()) + 1
	if w.gone != nil {
		known := &w.known[seat]
		for {
			was := known.Load()
			if was == now {
				break
			}
			if known.CompareAndSwap(was, now) {
				if was != 0 {
					w.gone(clientID(seat, uint32(was-1)))
				}
				if w.seat.attend.Load() == 1 { // the attendant is to watch it
					_ = futex.WakeClear(&w.seat.attend) // a fault: as in nudge
				}
				break
			}
		}
	}
	return clientID(seat, uint32(now-1))
}

// mournClients tells of the clients that have gone, and says whether some are about to:
// they are dead, but a thread of theirs may still do something.
func (v *callServer) mournClients() (dying bool) {
	for i := range v.known {
		was := v.known[i].Load()
		if was == 0 {
			continue
		}
		seat := &v.clients[i]
		w, arrivals := seat.Word.Load(), seat.Arrivals.Load()
		if uint64(arrivals)+1 == was {
			switch robust.StateOf(w) {
			case robust.Present:
				if seat.CheckOwner() {
					dying = true
				}
				continue
			case robust.Dead:
				if !seat.Gone() {
					dying = true
					continue
				}
			}
		}
		if v.known[i].CompareAndSwap(was, 0) {
			v.gone(clientID(i, uint32(was-1)))
		}
	}
	return dying
}

func (id ClientID) String() string { return fmt.Sprintf("%d.%d", id>>32, uint32(id)) }
