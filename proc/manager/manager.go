package manager

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/handle"
	"github.com/shmkit/shmkit/proc"
	"github.com/shmkit/shmkit/ringbuf"
)

// Manager is a server of objects, as this process uses it: it makes objects, whose proxies
// go to other processes, as can the Manager itself. Its methods may be called from any
// goroutine.
type Manager struct {
	mu    sync.Mutex
	c     *conn // nil: closed
	lost  error // why it arrived closed
	owner *ownership
}

// ownership is what only the process has that has started the manager.
type ownership struct {
	opts    Options
	process *proc.Process // nil: the server is in this process
	inside  *inside       // then
	atExit  func()
	end     sync.Once
	err     error
}

// use returns the connection of an open manager.
func (m *Manager) use() (*conn, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.c != nil:
		return m.c, nil
	case m.lost != nil:
		return nil, m.lost
	}
	return nil, ErrClosed
}

// create makes an object of a kind; fill writes its arguments.
func (m *Manager) create(ctx context.Context, p *proxy, kind string, fill func(t *trip) (settle func(), err error)) error {
	if m == nil {
		return fmt.Errorf("make %s: %w", kind, ErrClosed)
	}
	c, err := m.use()
	if err == nil {
		err = c.create(ctx, p, kind, fill)
	}
	if err != nil {
		return fmt.Errorf("make %s: %w", kind, err)
	}
	return nil
}

func (c *conn) create(ctx context.Context, p *proxy, kind string, fill func(t *trip) (settle func(), err error)) error {
	t := c.begin(0, opCreate)
	defer t.end()
	t.text(kind)
	if fill != nil {
		settle, err := fill(t)
		if err != nil {
			return err
		}
		defer settle()
	}
	r, err := t.call(ctx, false)
	if err != nil {
		return err
	}
	id := r.number()
	if !r.done() {
		return ErrProtocol
	}
	crashpoint.Hit("manager.created")
	p.set(c.gain(id))
	return nil
}

// NumberOfObjects returns how many objects live: those that some process has, or that are
// in others that live. Objects that only hold each other are let go by it. What this
// process has closed does not count; a proxy that nobody can reach any more counts until
// the garbage collector has found that.
func (m *Manager) NumberOfObjects(ctx context.Context) (int, error) {
	c, err := m.use()
	if err != nil {
		return 0, err
	}
	t := c.begin(0, opCount)
	defer t.end()
	r, err := t.call(ctx, false)
	return int(r.number()), err
}

// Info is what a manager knows of its objects and clients.
type Info struct {
	Objects []ObjectInfo // oldest first
	Clients []int        // their process ids
}

// ObjectInfo is what a manager knows of an object.
type ObjectInfo struct {
	ID      uint64
	Kind    string // such as Dict; of a registered type its name
	Clients []int  // process ids of those that have it
	Inside  int    // how often it is in other objects
}

// Info returns what the manager knows, for people who look for what is not given back.
func (m *Manager) Info(ctx context.Context) (*Info, error) {
	c, err := m.use()
	if err != nil {
		return nil, err
	}
	t := c.begin(0, opDebug)
	defer t.end()
	r, err := t.call(ctx, false)
	if err != nil {
		return nil, err
	}
	i := new(Info)
	for range r.count() {
		o := ObjectInfo{ID: r.number(), Kind: r.text(), Inside: int(r.number())}
		for range r.count() {
			o.Clients = append(o.Clients, int(r.number()))
		}
		i.Objects = append(i.Objects, o)
	}
	for range r.count() {
		i.Clients = append(i.Clients, int(r.number()))
	}
	if !r.done() {
		return nil, ErrProtocol
	}
	return i, nil
}

// Process returns the server process, nil in other processes than that which has started
// it, and for a server in this process.
func (m *Manager) Process() *proc.Process {
	if m.owner == nil {
		return nil
	}
	return m.owner.process
}

// Address returns where others can Connect, "" for nowhere, or if this process has not
// started the manager.
func (m *Manager) Address() string {
	if m.owner == nil {
		return ""
	}
	return m.owner.opts.Address
}

// Close gives the manager up in this process. Where it was started that is Shutdown;
// elsewhere proxies stay usable. Closing it again does nothing.
func (m *Manager) Close() error {
	if m.owner != nil {
		return m.Shutdown(context.Background())
	}
	m.leave()
	return nil
}

func (m *Manager) leave() {
	m.mu.Lock()
	c := m.c
	m.c = nil
	m.mu.Unlock()
	if c != nil {
		c.leave()
	}
}

// String describes the manager. It does not ask it.
func (m *Manager) String() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.c == nil:
		return "Manager(closed)"
	case m.owner != nil && m.owner.process != nil:
		return fmt.Sprintf("Manager(pid %d)", m.owner.process.PID())
	case m.owner != nil:
		return "Manager(in this process)"
	}
	return "Manager(of another process)"
}

const managerKind = handleKind + "Manager"

// MarshalBinary lets a Manager travel as an argument of another process, or in a message
// of package proc. This process has it as before.
func (m *Manager) MarshalBinary() ([]byte, error) {
	c, err := m.use()
	if err != nil {
		return nil, fmt.Errorf("send Manager: %w", err)
	}
	return handle.Put(handle.Handle{Kind: managerKind, Meta: putMeta(c.id, 0), File: c.exchange.File()}, handle.Options{})
}

// UnmarshalBinary makes m the manager that has arrived. Objects can be made with it; only
// who has started it can end it.
func (m *Manager) UnmarshalBinary(data []byte) error {
	h, err := handle.Get(data)
	if isGone(err) {
		m.lost = ErrGone
		return nil
	}
	if err != nil {
		return err
	}
	id, _, ok := parseMeta(h.Meta)
	if h.Kind != managerKind || !ok || h.File == nil {
		if h.File != nil {
			h.File.Close()
		}
		return fmt.Errorf("receive Manager: %w: it is a %s", ErrKind, h.Kind)
	}
	e, err := ringbuf.OpenExchangeFile(h.File)
	if err != nil {
		return fmt.Errorf("receive Manager: %w", err)
	}
	m.lost = ErrGone
	handle.Afterwards(func(ctx context.Context) error {
		c, err := connectRing(ctx, id, e)
		if err != nil {
			m.lost = errors.Join(ErrGone, err)
			return m.lost
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		m.c, m.lost = c, nil
		return nil
	})
	return nil
}
