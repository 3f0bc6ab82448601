package manager

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"

	"github.com/shmkit/shmkit/internal/wireerr"
	"github.com/shmkit/shmkit/ringbuf"
)

// server owns the objects of a manager. It answers requests, whoever carries them.
type server struct {
	id       identity
	graph    *graph
	exchange *ringbuf.Exchange
	log      *slog.Logger
	most     int // bytes of a reply through the exchange

	mu      sync.Mutex
	clients map[ringbuf.ClientID]*session // several of a session, perhaps
	pins    owner                         // what the server itself holds
	asked   chan struct{}                 // closed when a client has asked it to end
	once    sync.Once
	values  userValues
	ctx     context.Context // ends when the server does
	cancel  context.CancelFunc
	idle    func() // told when a session has ended; may be nil
}

// identity says which manager it is, among all that there ever were.
type identity [16]byte

func newIdentity() (id identity) {
	rand.Read(id[:]) // never fails
	return id
}

func newServer(id identity, e *ringbuf.Exchange, maxObjects int, log *slog.Logger) *server {
	if log == nil {
		log = slog.Default()
	}
	v := &server{
		id: id, graph: newGraph(maxObjects), exchange: e, log: log,
		clients: make(map[ringbuf.ClientID]*session), asked: make(chan struct{}),
	}
	if e != nil {
		v.most = e.MaxMessage()
	}
	v.graph.roots[&v.pins] = struct{}{}
	v.values.nodes = make(map[any]*node)
	v.ctx, v.cancel = context.WithCancel(context.Background())
	return v
}

// serve answers the exchange's calls until ctx ends.
func (v *server) serve(ctx context.Context, workers int) error {
	err := v.exchange.Serve(ctx, v.respond, &ringbuf.ServeOptions{Workers: workers, Gone: v.gone, ErrorLog: v.log})
	v.close()
	return err
}

// close ends all sessions.
func (v *server) close() {
	v.cancel()
	v.mu.Lock()
	var all []*session
	for id, s := range v.clients {
		if id == s.id {
			all = append(all, s)
		}
	}
	clear(v.clients)
	v.mu.Unlock()
	for _, s := range all {
		v.end(s)
	}
}

// ringCall carries a request through the exchange.
type ringCall struct{ call *ringbuf.Call }

func (c *ringCall) later(withdrawn func()) replier { return c.call.Later(withdrawn) }

func (c *ringCall) ifUnwanted(undo func()) { c.call.IfUnwanted(undo) }

// respond answers a call. It is a ringbuf.Responder.
func (v *server) respond(c *ringbuf.Call) ([]byte, error) {
	b := c.Request()
	if len(b) < headerSize || binary.LittleEndian.Uint64(b) != uint64(c.From()) {
		return errorReply(nil, fmt.Errorf("%w: request of %d bytes", ErrProtocol, len(b))), nil
	}
	v.mu.Lock()
	s := v.clients[c.From()]
	v.mu.Unlock()
	if s == nil {
		var err error
		if s, err = v.greet(c.From(), c.PID(), b); err != nil {
			return errorReply(nil, err), nil
		}
	}
	return v.answer(s, b, &ringCall{call: c}), nil
}

// answer serves the request b of a session.
func (v *server) answer(s *session, b []byte, from carrier) []byte {
	x := &request{
		reader: reader{b: b[headerSize:]},
		server: v, sess: s, op: op(binary.LittleEndian.Uint16(b[16:])), from: from,
	}
	x.out.b = append(x.room[:0], replyOK)
	err := v.run(x, binary.LittleEndian.Uint64(b[8:]))
	v.bury(x.dead)
	switch {
	case x.parked != nil && err != nil: // it is in no queue, or will be found answered there
		x.parked.fail(err)
		return nil
	case x.parked != nil:
		if n := x.node; n != nil && !v.graph.lives(n) { // it died before this parked
			v.bury([]*node{n})
		}
		return nil
	case err != nil:
		x.unwanted()
		return errorReply(nil, err)
	}
	if len(x.undo) > 0 {
		from.ifUnwanted(x.unwanted)
	}
	return x.out.b
}

func (v *server) run(x *request, id uint64) (err error) {
	x.sess.mu.RLock()
	defer x.sess.mu.RUnlock()
	if x.sess.ended {
		return fmt.Errorf("%w: the session has ended", ErrManagerGone)
	}
	defer func() {
		if value := recover(); value != nil {
			stack := debug.Stack()
			v.log.Error("manager: an operation panicked", "kind", x.kind(), "panic", value, "stack", string(stack))
			err = wireerr.Panic(value, stack)
		}
	}()
	if id == 0 {
		return v.manage(x)
	}
	// The session has it, or it can be gone at any time.
	n, o := v.graph.find(id)
	if x.node = n; n == nil {
		return fmt.Errorf("%w: object %d", ErrGone, id)
	}
	return o.serve(x)
}

// greet makes the session of a client that calls for the first time, or finds the one
// that it belongs to.
func (v *server) greet(from ringbuf.ClientID, pid int, b []byte) (*session, error) {
	r := reader{b: b[headerSize:]}
	object, o := binary.LittleEndian.Uint64(b[8:]), op(binary.LittleEndian.Uint16(b[16:]))
	v.mu.Lock()
	defer v.mu.Unlock()
	switch {
	case object == 0 && o == opHello:
		s := &session{id: from, pid: pid}
		v.clients[from] = s
		v.graph.mu.Lock()
		v.graph.roots[&s.owner] = struct{}{}
		v.graph.mu.Unlock()
		return s, nil
	case object == 0 && o == opJoin:
		s := v.clients[ringbuf.ClientID(r.number())]
		if s == nil || s.pid != pid || !r.done() {
			return nil, fmt.Errorf("%w: no such session", ErrProtocol)
		}
		v.clients[from] = s
		return s, nil
	}
	return nil, fmt.Errorf("%w: a client without a session", ErrProtocol)
}

// gone is told of clients that have gone.
func (v *server) gone(id ringbuf.ClientID) {
	v.mu.Lock()
	s := v.clients[id]
	delete(v.clients, id)
	idle := v.idle
	v.mu.Unlock()
	if s != nil && s.id == id {
		go func() { // it takes locks
			v.end(s)
			if idle != nil && v.unused() {
				idle()
			}
		}()
	}
}

// sessions returns the sessions there are.
func (v *server) sessions() (all []*session) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for id, s := range v.clients {
		if id == s.id {
			all = append(all, s)
		}
	}
	return all
}

// stop has the server's owner end it.
func (v *server) stop() { v.once.Do(func() { close(v.asked) }) }
