package ringbuf

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"

	"github.com/shmkit/shmkit/internal/handle"
	"github.com/shmkit/shmkit/internal/shmfile"
)

// Exchange is where the calls of clients meet the servers that answer them: the object
// that Serve and Dial find by a name. As an Exchange it needs none, travels to other
// processes as an argument (package proc), and lets servers answer later than their
// handlers return. Its methods may be called from any goroutine.
type Exchange struct {
	mu     sync.Mutex
	file   *callFile // nil: it is gone
	closed bool
}

// ExchangeOptions of NewExchange. nil and zero fields mean the defaults.
type ExchangeOptions struct {
	// MaxMessage and Clients are as in ServeOptions, but that there may be up to 4096
	// clients; each has 2304 bytes of memory from the start.
	MaxMessage, Clients int
	// Owner says when the name goes, if this call makes the exchange. Servers and
	// clients that were made with it are part of its handle.
	Owner Owner
}

// NewExchange makes an exchange, or opens the one of that name; an anonymous one (name
// "") is memory that the kernel frees with its last user. Errors are those of Serve.
func NewExchange(name string, o *ExchangeOptions) (*Exchange, error) {
	if o == nil {
		o = new(ExchangeOptions)
	}
	f, err := createCalls(name, o.MaxMessage, o.Clients, o.Owner)
	if err != nil {
		return nil, fmt.Errorf("make exchange: %w", err)
	}
	return &Exchange{file: f}, nil
}

// OpenExchangeFile opens the exchange in f, a descriptor that came from Exchange.File of
// another process. The exchange owns f from then on, also after an error.
func OpenExchangeFile(f *os.File) (*Exchange, error) {
	file, err := newCallFile("", f)
	if err != nil {
		return nil, fmt.Errorf("open exchange: %w", err)
	}
	return &Exchange{file: file}, nil
}

// MaxMessage returns the size of the largest request and reply in bytes, 0 after Close.
func (e *Exchange) MaxMessage() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed || e.file == nil {
		return 0
	}
	return int(e.file.max)
}

// use returns the object, which is another's as well until it is closed.
func (e *Exchange) use() (*callFile, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed || e.file == nil {
		return nil, ErrClosed
	}
	return e.file.retain(), nil
}

// Serve answers calls with h until ctx ends, and then returns ctx's error, as the
// function Serve does. What h has put off is answered by then, or its callers get
// ErrPeerDied.
func (e *Exchange) Serve(ctx context.Context, h Responder, o *ServeOptions) error {
	if o == nil {
		o = new(ServeOptions)
	}
	if h == nil || o.Workers < 0 || o.Workers > maxCallWorkers {
		return fmt.Errorf("serve: %w: %d workers, or no responder", ErrOption, o.Workers)
	}
	f, err := e.use()
	if err != nil {
		return fmt.Errorf("serve: %w", err)
	}
	return f.serve(ctx, h, o)
}

// Client makes a client of this process; see Dial. It may outlive the Exchange. o may be
// nil; its Wait means nothing.
func (e *Exchange) Client(ctx context.Context, o *DialOptions) (*Client, error) {
	if o == nil {
		o = new(DialOptions)
	}
	f, err := e.use()
	if err != nil {
		return nil, fmt.Errorf("dial: %w", err)
	}
	c, err := f.dial(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("dial: %w", err)
	}
	return c, nil
}

// Name returns the exchange's name, "" for an anonymous one.
func (e *Exchange) Name() string {
	if e.file == nil {
		return ""
	}
	return e.file.name
}

// File returns the exchange's descriptor, for passing it to another process. It belongs
// to the exchange.
func (e *Exchange) File() *os.File {
	if e.file == nil {
		return nil
	}
	return e.file.file
}

// Close gives the exchange up here. Clients that were made with it, and servers, go on.
// Closing it again does nothing.
func (e *Exchange) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed || e.file == nil {
		return nil
	}
	if err := e.file.close(); err != nil {
		return err
	}
	e.closed = true
	return nil
}

const kindExchange = "ringbuf.Exchange"

// MarshalBinary lets an Exchange travel as an argument of package proc.
func (e *Exchange) MarshalBinary() ([]byte, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed || e.file == nil {
		return nil, fmt.Errorf("send exchange: %w", ErrClosed)
	}
	return handle.Put(handle.Handle{Kind: kindExchange, Name: e.file.name, File: e.file.file}, handle.Options{})
}

// UnmarshalBinary opens an Exchange that has travelled.
func (e *Exchange) UnmarshalBinary(ref []byte) error {
	h, err := arrived(ref, kindExchange)
	if isGone(err) {
		e.closed = true
		return nil
	}
	if err != nil {
		return err
	}
	f, err := newCallFile(h.Name, h.File)
	if err != nil {
		return err
	}
	e.file = f
	return nil
}

// String describes the exchange.
func (e *Exchange) String() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed || e.file == nil {
		return "Exchange(closed)"
	}
	return fmt.Sprintf("Exchange(%q, %d clients at most, messages of %d bytes)", e.file.name, len(e.file.clients), e.file.max)
}

// dial makes a client of f, which it takes over.
func (f *callFile) dial(ctx context.Context, o *DialOptions) (*Client, error) {
	if o.OnPeerDeath > Wait {
		return nil, errors.Join(fmt.Errorf("%w: peer death %d", ErrOption, o.OnPeerDeath), f.close())
	}
	c := &Client{name: f.name, file: f, isOpen: true, callClient: callClient{
		callBoard: f.callBoard, patient: o.OnPeerDeath == Wait, eager: true,
	}}
	if f.name != "" {
		c.removed = f.removed
	}
	if err := guard(func() error { return c.joinClient(ctx) }); err != nil {
		return nil, errors.Join(err, f.close())
	}
	return c, nil
}

// serve serves calls until ctx ends, and gives f, which it takes over, up.
func (f *callFile) serve(ctx context.Context, h Responder, o *ServeOptions) error {
	name := f.name
	err := ctx.Err()
	if err == nil {
		err = serveFile(ctx, f, h, o)
		if err == nil {
			err = ctx.Err()
		} else {
			err = fmt.Errorf("serve %q: %w", name, err)
		}
	}
	if e := f.close(); e != nil && err == ctx.Err() {
		err = fmt.Errorf("serve %q: %w", name, e)
	}
	return err
}

func callWorkers(o *ServeOptions) int {
	if o.Workers != 0 {
		return o.Workers
	}
	return min(runtime.GOMAXPROCS(0), maxCallWorkers)
}

// Unlink removes the exchange's name, if it has one: nobody can open it any more, who has
// it open keeps it.
func (e *Exchange) Unlink() error {
	if name := e.Name(); name != "" {
		return shmfile.Unlink(name)
	}
	return nil
}
