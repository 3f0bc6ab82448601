package manager

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/shmkit/shmkit/internal/crashpoint"
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

	pending atomic.Bool // releases are to be sent, or are being sent

	// Guarded by mu.
	released   []release     // to be sent
	flushing   chan struct{} // closed when those that are being sent are sent; nil: none are
	made, told uint64        // how many releases there were, and how many were sent
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
		if err := t.c.flush(ctx); err != nil {
			return reader{}, err
		}
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
	case errors.Is(err, ringbuf.ErrPeerDied), errors.Is(err, ringbuf.ErrNoServer):
		return fmt.Errorf("%w: %w", ErrManagerGone, err)
	case errors.Is(err, ringbuf.ErrClosed): // this process has closed the last that it had
		return ErrClosed
	}
	return err
}

// flush tells the manager what this process has released. Whoever calls the manager then
// waits until it knows, so that a process finds released what it has released. One
// goroutine tells, for all, so that a context ends the waiting only: the releases of a call
// that was given up would be made or not.
func (c *conn) flush(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for all := c.made; c.told < all; {
		if c.flushing == nil {
			c.flushing = make(chan struct{})
			go c.send(c.released, c.flushing)
			c.released = nil
		}
		done := c.flushing
		c.mu.Unlock()
		select {
		case <-done:
			c.mu.Lock()
		case <-ctx.Done():
			c.mu.Lock()
			return ctx.Err()
		}
	}
	return nil
}

// maxReleases is how many objects are released by one request.
const maxReleases = 1000

// send sends releases.
func (c *conn) send(all []release, done chan struct{}) {
	for part := range slices.Chunk(all, maxReleases) {
		w := writer{appendHeader(nil, c.link.from(), 0, opRelease)}
		w.number(uint64(len(part)))
		for _, r := range part {
			w.number(r.id)
			w.number(r.times)
		}
		// Should it fail, the manager has gone, or the session is broken.
		crashpoint.Hit("manager.releasing")
		_, _ = c.link.call(context.Background(), nil, w.b, false)
		crashpoint.Hit("manager.released")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	close(done)
	c.flushing = nil
	c.told += uint64(len(all))
	c.pending.Store(c.told < c.made)
}

// ringLink is a link through an exchange.
type ringLink struct {
	main     *ringbuf.Client
	exchange *ringbuf.Exchange
	waiting  atomic.Int32 // calls that may wait for long, of main

	mu      sync.Mutex
	others  []*sideLink
	opening chan struct{} // closed when another one has been opened, or not; nil: nobody does
	closed  bool
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
	crashpoint.Hit("manager.seated")
	b, err := main.Call(ctx, appendHeader(nil, uint64(main.ID()), 0, opHello))
	crashpoint.Hit("manager.greeted")
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
	for {
		l.mu.Lock()
		if l.closed {
			l.mu.Unlock()
			return nil, ErrClosed
		}
		for _, s := range l.others {
			if s.waiting < waitersOfSide {
				s.waiting++
				l.mu.Unlock()
				return s, nil
			}
		}
		opening := l.opening
		if opening == nil { // this one opens the next; not under the lock, the manager may be stopped
			l.opening = make(chan struct{})
			l.mu.Unlock()
			return l.opened(l.openSide(ctx))
		}
		l.mu.Unlock()
		select {
		case <-opening:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// openSide makes a further client, with one that waits, which belongs to the session.
func (l *ringLink) openSide(ctx context.Context) (*sideLink, error) {
	client, err := l.exchange.Client(ctx, nil)
	if err != nil {
		return nil, err
	}
	crashpoint.Hit("manager.side")
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
	return &sideLink{client: client, waiting: 1}, nil
}

// opened ends the opening of s.
func (l *ringLink) opened(s *sideLink, err error) (*sideLink, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.opening)
	l.opening = nil
	if err != nil {
		return nil, err
	}
	if l.closed {
		s.client.Close()
		return nil, ErrClosed
	}
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
