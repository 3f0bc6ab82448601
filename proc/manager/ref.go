package manager

import (
	"context"
	"fmt"
	"runtime"
	"sync"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/handle"
	"github.com/shmkit/shmkit/ringbuf"
)

// ref is an object that this process has, for all its proxies.
type ref struct {
	c     *conn
	id    uint64
	got   uint64 // how often the manager has counted it for this process; guarded by c.mu
	users int    // proxies, and messages on their way; guarded by c.mu
}

// gain says that a reply has brought an object, and returns its ref with one user more.
func (c *conn) gain(id uint64) *ref {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.refs[id]
	if r == nil {
		r = &ref{c: c, id: id}
		c.refs[id] = r
		c.users++
	}
	r.got++
	r.users++
	return r
}

// hold is one user more of a ref that has one.
func (r *ref) hold() {
	r.c.mu.Lock()
	r.users++
	r.c.mu.Unlock()
}

// drop is one user less.
func (r *ref) drop() {
	c := r.c
	c.mu.Lock()
	r.users--
	last := r.users == 0
	if last {
		delete(c.refs, r.id)
		c.released = append(c.released, release{r.id, r.got})
		c.made++
		c.pending.Store(true)
	}
	c.mu.Unlock()
	if last {
		go func() { // it must not wait for a manager that is stopped
			_ = c.flush(context.Background())
			c.leave()
		}()
	}
}

// retain has the manager count an object for this process, which another process has
// sent.
func (c *conn) retain(ctx context.Context, id uint64) (*ref, error) {
	t := c.begin(0, opRetain)
	defer t.end()
	t.number(id)
	if _, err := t.call(ctx, false); err != nil {
		return nil, err
	}
	crashpoint.Hit("manager.retained")
	return c.gain(id), nil
}

// proxy is what all proxies have: an object, until it is closed.
type proxy struct {
	mu      sync.Mutex
	ref     *ref  // nil: closed, or not there yet
	lost    error // why it arrived closed
	cleanup runtime.Cleanup
}

// set gives the proxy a ref, and with it one user of that. The ref is dropped with Close,
// or when nobody can reach the proxy any more.
func (p *proxy) set(r *ref) {
	p.ref = r
	p.cleanup = runtime.AddCleanup(p, (*ref).drop, r)
}

// use returns the ref of an open proxy. It lives at least as long as the proxy does.
func (p *proxy) use() (*ref, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ref == nil {
		if p.lost != nil {
			return nil, p.lost
		}
		return nil, ErrClosed
	}
	return p.ref, nil
}

// hold is use with one user more of the ref, whatever becomes of the proxy.
func (p *proxy) hold() (*ref, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.ref != nil:
		p.ref.hold()
		return p.ref, nil
	case p.lost != nil:
		return nil, p.lost
	}
	return nil, ErrClosed
}

// begin begins a request to the object. The proxy must be kept alive until the reply is
// there: end does that.
func (p *proxy) begin(o op) (*trip, error) {
	r, err := p.use()
	if err != nil {
		return nil, err
	}
	return r.c.begin(r.id, o), nil
}

// ask sends a request without arguments, to which the reply is empty.
func (p *proxy) ask(ctx context.Context, o op, waits bool) error {
	t, err := p.begin(o)
	if err != nil {
		return err
	}
	defer t.end()
	_, err = t.call(ctx, waits)
	runtime.KeepAlive(p)
	return err
}

// Close gives the object up here. It lives on while others have it. Closing it again does
// nothing.
func (p *proxy) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ref == nil {
		return nil
	}
	p.cleanup.Stop()
	p.ref.drop()
	p.ref = nil
	return nil
}

// ID returns the object's number in its manager: equal for proxies of the same object. It is
// 0 after Close.
func (p *proxy) ID() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ref == nil {
		return 0
	}
	return p.ref.id
}

// String describes the proxy. It does not ask the manager.
func (p *proxy) describe(kind string) string {
	if id := p.ID(); id != 0 {
		return fmt.Sprintf("%s(object %d)", kind, id)
	}
	return kind + "(closed)"
}

const handleKind = "manager."

// leave lets a proxy of a kind travel. The object lives at least until the receiver has
// it.
func (p *proxy) leave(kind string) ([]byte, error) {
	r, err := p.hold()
	if err != nil {
		return nil, fmt.Errorf("send %s: %w", kind, err)
	}
	h := handle.Handle{Kind: handleKind + kind, Meta: putMeta(r.c.id, r.id), File: r.c.exchange.File()}
	drop := sync.OnceFunc(r.drop)
	if ref, ok := handle.Again(h); ok {
		drop()
		return ref, nil
	}
	ref, err := handle.Put(h, handle.Options{Arrived: drop, Failed: drop})
	if err != nil {
		drop()
	}
	return ref, err
}

// enter makes p the proxy that has arrived. What comes from the manager itself is counted
// already; what another process has sent is, once decoding has ended.
func (p *proxy) enter(kind string, data []byte) error {
	h, err := handle.Get(data)
	if isGone(err) {
		p.lost = ErrGone
		return nil
	}
	if err != nil {
		return err
	}
	id, object, ok := parseMeta(h.Meta)
	if h.Kind != handleKind+kind || !ok {
		if h.File != nil {
			h.File.Close()
		}
		return fmt.Errorf("receive %s: %w: it is a %s", kind, ErrKind, h.Kind)
	}
	if h.File == nil {
		return p.here(id, object)
	}
	e, err := ringbuf.OpenExchangeFile(h.File)
	if err != nil {
		return fmt.Errorf("receive %s: %w", kind, err)
	}
	p.lost = ErrGone
	handle.Afterwards(func(ctx context.Context) error { return p.arrive(ctx, id, e, object) })
	return nil
}

// here makes p a proxy of an object that a reply has brought, which is being decoded.
func (p *proxy) here(id identity, object uint64) error {
	conns.Lock()
	c := conns.byID[id]
	conns.Unlock()
	if c == nil {
		return fmt.Errorf("%w: object %d of another manager", handle.ErrReference, object)
	}
	c.mu.Lock()
	r := c.refs[object]
	if r != nil {
		r.users++
	}
	c.mu.Unlock()
	if r == nil {
		return fmt.Errorf("%w: object %d", handle.ErrReference, object)
	}
	p.set(r)
	return nil
}

// arrive makes p a proxy of an object that another process has sent.
func (p *proxy) arrive(ctx context.Context, id identity, e *ringbuf.Exchange, object uint64) error {
	c, err := connectRing(ctx, id, e)
	if err != nil {
		return p.lose(err)
	}
	defer c.leave()
	r, err := c.retain(ctx, object)
	if err != nil {
		return p.lose(err)
	}
	p.lost = nil
	p.set(r)
	return nil
}

// lose says why p arrives closed.
func (p *proxy) lose(err error) error {
	p.lost = fmt.Errorf("%w: %w", ErrGone, err)
	return p.lost
}

// connectRing connects with the manager behind an exchange.
func connectRing(ctx context.Context, id identity, e *ringbuf.Exchange) (*conn, error) {
	return connect(ctx, id, e, func() (link, error) {
		l, got, err := newRingLink(ctx, e)
		if err == nil && got != id {
			l.close()
			err = fmt.Errorf("%w: another manager answers", ErrProtocol)
		}
		if err != nil {
			return nil, err
		}
		return l, nil
	})
}
