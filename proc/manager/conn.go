package manager

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/shmkit/shmkit/internal/race"
	"github.com/shmkit/shmkit/ringbuf"
)

// conn is this process's connection to a manager: one for all its proxies. Requests that
// are answered at once go through its first client; those that may wait for long share
// that up to waitersOfMain, and then have clients of their own, so that whatever waits, a
// release gets through.
type conn struct {
	id       identity
	exchange *ringbuf.Exchange
	ready    chan struct{} // closed when link is there, or failed
	link     link
	failed   error
	sync     race.Addr // stands for the manager, through which calls hand over to later ones

	mu    sync.Mutex
	users int             // refs, managers and those who are about to be; 0: it is closed
	refs  map[uint64]*ref // objects that this process has, by id

	pending  atomic.Bool // releases are to be sent
	sending  sync.Mutex  // held while they are
	released []release   // guarded by mu
}

// link carries requests. reply is appended to buf.
type link interface {
	call(ctx context.Context, buf, request []byte, waits bool) (reply []byte, err error)
	from() uint64
	close()
}

type release struct {
	id    uint64
	times uint64
}

// conns are the connections of this process.
var conns = struct {
	sync.Mutex
	byID map[identity]*conn
}{byID: make(map[identity]*conn)}

// connect returns the connection to the manager of that identity, with one user more. e
// leads there, and is closed unless the connection keeps it; open makes the link. Who finds
// another opening it waits for that one.
func connect(ctx context.Context, id identity, e *ringbuf.Exchange, open func() (link, error)) (*conn, error) {
	for {
		c, mine := claimConn(id, e)
		if mine {
			l, err := open()
			if err != nil {
				c.abandon(err)
				e.Close()
				return nil, err
			}
			c.link = l
			close(c.ready)
			return c, nil
		}
		select {
		case <-c.ready:
		case <-ctx.Done():
			c.leave()
			e.Close()
			return nil, ctx.Err()
		}
		if c.failed == nil {
			e.Close()
			return c, nil
		}
		if err := ctx.Err(); err != nil { // the other's context may have ended, and not this one
			e.Close()
			return nil, err
		}
	}
}

// claimConn returns the connection of that identity, with one user more. If there is none
// it is the caller's to open.
func claimConn(id identity, e *ringbuf.Exchange) (c *conn, mine bool) {
	conns.Lock()
	defer conns.Unlock()
	if c = conns.byID[id]; c != nil {
		c.mu.Lock()
		c.users++
		c.mu.Unlock()
		return c, false
	}
	c = &conn{id: id, exchange: e, users: 1, refs: make(map[uint64]*ref), ready: make(chan struct{})}
	conns.byID[id] = c
	return c, true
}

// knownConn returns the connection to that manager with one user more, nil if there is
// none.
func knownConn(id identity) *conn {
	conns.Lock()
	defer conns.Unlock()
	c := conns.byID[id]
	if c != nil {
		c.mu.Lock()
		c.users++
		c.mu.Unlock()
	}
	return c
}

// abandon gives a connection up that could not be opened.
func (c *conn) abandon(err error) {
	conns.Lock()
	delete(conns.byID, c.id)
	conns.Unlock()
	c.failed = err
	close(c.ready)
}

// leave ends one user's use.
func (c *conn) leave() {
	conns.Lock()
	c.mu.Lock()
	c.users--
	last := c.users == 0
	if last = last && c.link != nil; last {
		delete(conns.byID, c.id)
	}
	c.mu.Unlock()
	conns.Unlock()
	if last {
		c.link.close() // with it the session ends, and all that it holds
		c.exchange.Close()
	}
}

// trip is a request and its reply, and the memory of both.
type trip struct {
	writer
	c     *conn
	reply []byte
}

var trips = sync.Pool{New: func() any { return new(trip) }}

// keptTrip is how much memory a trip may keep for the next one, in bytes.
const keptTrip = 64 << 10

// begin begins a request.
func (c *conn) begin(object uint64, o op) *trip {
	t := trips.Get().(*trip)
	t.c = c
	t.b = appendHeader(t.b[:0], c.link.from(), object, o)
	return t
}

// end gives the memory back. What was read of the reply is not valid any more.
func (t *trip) end() {
	t.c = nil
	if cap(t.b)+cap(t.reply) <= keptTrip {
		trips.Put(t)
	}
}

// call sends the request and returns what the reply says.
func (t *trip) call(ctx context.Context, waits bool) (reader, error) {
	if t.c.pending.Load() {
		t.c.flush()
	}
	t.c.sync.ReleaseMerge()
	b, err := t.c.link.call(ctx, t.reply[:0], t.b, waits)
	t.c.sync.Acquire()
	if err != nil {
		return reader{}, linkError(err)
	}
	t.reply = b
	return parseReply(b)
}

// linkError says what a failed exchange means.
func linkError(err error) error {
	switch {
	case errors.Is(err, ringbuf.ErrPeerDied), errors.Is(err, ringbuf.ErrNoServer), errors.Is(err, ringbuf.ErrClosed):
		return fmt.Errorf("%w: %w", ErrManagerGone, err)
	}
	return err
}

// flush tells the manager what this process has released. Whoever calls the manager then
// waits until it knows, so that a process finds released what it has released.
func (c *conn) flush() {
	c.sending.Lock()
	defer c.sending.Unlock()
	c.mu.Lock()
	all := c.released
	c.released = nil
	c.mu.Unlock()
	if len(all) > 0 {
		t := trips.Get().(*trip)
		t.c = c
		t.b = appendHeader(t.b[:0], c.link.from(), 0, opRelease)
		t.number(uint64(len(all)))
		for _, r := range all {
			t.number(r.id)
			t.number(r.times)
		}
		// Should it fail, the manager has gone, or the session is broken.
		_, _ = c.link.call(context.Background(), nil, t.b, false)
		t.end()
	}
	c.mu.Lock()
	c.pending.Store(len(c.released) > 0)
	c.mu.Unlock()
}

// ringLink is a link through an exchange.
type ringLink struct {
	main     *ringbuf.Client
	exchange *ringbuf.Exchange
	waiting  atomic.Int32 // calls that may wait for long, of main

	mu     sync.Mutex
	others []*sideLink
	closed bool
}

// sideLink is a further client, for calls that wait.
type sideLink struct {
	client  *ringbuf.Client
	waiting int
}

const (
	waitersOfMain = 8
	waitersOfSide = 16 // as many as a client has slots
)

// newRingLink makes a link, and begins the session.
func newRingLink(ctx context.Context, e *ringbuf.Exchange) (*ringLink, identity, error) {
	var id identity
	main, err := e.Client(ctx, nil)
	if err != nil {
		return nil, id, err
	}
	l := &ringLink{main: main, exchange: e}
	b, err := main.Call(ctx, appendHeader(nil, uint64(main.ID()), 0, opHello))
	if err == nil {
		var r reader
		if r, err = parseReply(b); err == nil {
			if copy(id[:], r.bytes()) != len(id) || !r.done() {
				err = fmt.Errorf("%w: hello", ErrProtocol)
			}
		}
	}
	if err != nil {
		main.Close()
		return nil, id, linkError(err)
	}
	return l, id, nil
}

func (l *ringLink) from() uint64 { return uint64(l.main.ID()) }

func (l *ringLink) call(ctx context.Context, buf, request []byte, waits bool) ([]byte, error) {
	if !waits {
		return l.main.CallAppend(ctx, buf, request)
	}
	if l.waiting.Add(1) <= waitersOfMain {
		defer l.waiting.Add(-1)
		return l.main.CallAppend(ctx, buf, request)
	}
	l.waiting.Add(-1)
	side, err := l.side(ctx)
	if err != nil {
		return nil, err
	}
	defer l.giveBack(side)
	b := appendHeader(nil, uint64(side.client.ID()), 0, 0)
	return side.client.CallAppend(ctx, buf, append(b[:8], request[8:]...))
}

// side returns a further client with room.
func (l *ringLink) side(ctx context.Context) (*sideLink, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, ErrClosed
	}
	for _, s := range l.others {
		if s.waiting < waitersOfSide {
			s.waiting++
			return s, nil
		}
	}
	client, err := l.exchange.Client(ctx, nil)
	if err != nil {
		return nil, err
	}
	w := writer{appendHeader(nil, uint64(client.ID()), 0, opJoin)}
	w.number(uint64(l.main.ID()))
	b, err := client.Call(ctx, w.b)
	if err == nil {
		_, err = parseReply(b)
	}
	if err != nil {
		client.Close()
		return nil, err
	}
	s := &sideLink{client: client, waiting: 1}
	l.others = append(l.others, s)
	return s, nil
}

func (l *ringLink) giveBack(s *sideLink) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s.waiting--
}

func (l *ringLink) close() {
	l.mu.Lock()
	l.closed = true
	others := l.others
	l.mu.Unlock()
	for _, s := range others {
		s.client.Close()
	}
	l.main.Close()
}
