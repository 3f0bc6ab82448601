package ringbuf

import (
	"context"
	"fmt"
	"sync"

	"github.com/shmkit/shmkit/internal/crashpoint"
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

func (id ClientID) seat() int { return int(id >> 32) }

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
func (c *Call) PID() int {
	seat := &c.worker.clients[c.from.seat()]
	pid := seat.PID()
	if seat.Arrivals.Load() != uint32(c.from) {
		return 0
	}
	return pid
}

// IfUnwanted has undo called, in the worker's goroutine after the Responder has returned,
// if the caller does not get the reply: it has given up meanwhile, or gets ErrTooLarge or
// ErrNoSpace instead. If the caller dies, undo is called or not; ServeOptions.Gone comes
// either way, and not before. Of several undos the last one counts.
func (c *Call) IfUnwanted(undo func()) { c.unwanted = undo }

// A Reply is the answer to a call that its Responder has put off. Its methods may be called
// from any goroutine.
type Reply struct {
	server       *callServer
	turn         uint64
	client, slot int
	withdrawn    func()
	told         bool // withdrawn was called; guarded by callLater.mu
}

// Later puts the reply off: what the Responder returns is ignored, and Reply.Send ends the
// call, now or later, whatever becomes of the caller until then. If the caller gives up, or
// dies, before that, withdrawn (nil for nothing) is called once, in a goroutine that must not
// be blocked; Send is due all the same, so that the caller's slot becomes free. withdrawn
// may be called before Later returns, and while Send is under way or has just returned true.
//
// If the Responder panics behind it, or calls runtime.Goexit, and nothing was sent, the
// call ends with that. Later panics when it is called again.
func (c *Call) Later(withdrawn func()) *Reply {
	if c.later != nil {
		panic("ringbuf: Later of a call whose reply was put off already")
	}
	w := c.worker
	r := &Reply{server: w.callServer, turn: w.turns.turn.Load(), client: w.client, slot: w.slot, withdrawn: withdrawn}
	c.later = r
	w.later.mu.Lock()
	w.later.open[r] = struct{}{}
	w.later.mu.Unlock()
	crashpoint.Hit("call.later")
	return r
}

// Send ends the call with the reply, or with err, as the return of a Responder does. It
// reports whether somebody waits for it, as far as can be known: false when the caller has
// given up, or gets ErrTooLarge or ErrNoSpace instead, or when the server has ended. Later
// calls do nothing and return false.
func (r *Reply) Send(reply []byte, err error) (wanted bool) {
	status := uint32(callOK)
	if err != nil {
		status, reply = callError, r.server.text(err.Error())
	}
	return r.end(status, reply)
}

// end is Send of a reply of any kind.
func (r *Reply) end(status uint32, reply []byte) (wanted bool) {
	l := &r.server.later
	if !l.begin(r) {
		return false
	}
	defer l.end()
	_ = guard(func() error { // where the memory is gone nobody waits
		wanted = r.server.conclude(r.client, r.slot, uint32(r.turn), status, reply)
		return nil
	})
	return wanted
}

// callLater are the replies that were put off and not yet sent.
type callLater struct {
	mu      sync.Mutex
	open    map[*Reply]struct{}
	sending int
	quiet   sync.Cond
}

// begin says whether r is the caller's to send.
func (l *callLater) begin(r *Reply) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ok := l.open[r]; !ok {
		return false
	}
	delete(l.open, r)
	l.sending++
	return true
}

// end says that what was begun is done.
func (l *callLater) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sending--; l.sending == 0 {
		l.quiet.Broadcast()
	}
}

// withdraw calls withdrawn of those replies for which nobody waits any more. The
// attendant calls it.
func (v *callServer) withdraw() {
	for _, r := range v.later.unwanted(v) {
		if r.withdrawn != nil {
			v.shield(r.withdrawn)
		}
	}
}

// unwanted returns those of which withdrawn is to be called.
func (l *callLater) unwanted(v *callServer) (gone []*Reply) {
	l.mu.Lock()
	defer l.mu.Unlock() // also when a look at the memory faults
	for r := range l.open {
		if !r.told && v.unwanted(r.turn) {
			r.told = true
			gone = append(gone, r)
		}
	}
	return gone
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

func (id ClientID) String() string { return fmt.Sprintf("%d.%d", id>>32, uint32(id)) }
