package ringbuf

import (
	"context"
	"fmt"
	"runtime"
	"sync"

	"github.com/shmkit/shmkit/internal/futex"
)

// Client calls the processes that serve a name. Any number of goroutines may use
// it; 16 calls of a Client are under way at a time, others wait until one ends.
type Client struct {
	name string
	file *callFile
	callClient

	mu     sync.Mutex // guards closing
	isOpen bool
}

// DialOptions of Dial. nil means the defaults.
type DialOptions struct {
	// Wait waits, under the context, until the object exists, that is until
	// somebody has served the name.
	Wait bool
	// OnPeerDeath says what a Call does that nobody serves, because all servers have
	// left or died: Fail returns ErrNoServer, Wait waits for the next one. Either
	// way a call that a server was busy with when it died fails with ErrPeerDied.
	OnPeerDeath PeerDeath
}

// Dial opens what Serve has made under that name. o may be nil.
//
// Errors: ErrName, ErrNotExist, ErrForeign, ErrVersion, ErrKind, ErrTruncated,
// ErrForeignNamespace, ErrCorrupt, ErrOption, ErrNoKeeper, ErrTooManyProcesses when
// there are as many clients as the servers allow, and the context's error while it
// waits.
func Dial(ctx context.Context, name string, o *DialOptions) (*Client, error) {
	c, err := dial(ctx, name, o)
	if err != nil {
		return nil, fmt.Errorf("dial %q: %w", name, err)
	}
	return c, nil
}

func dial(ctx context.Context, name string, o *DialOptions) (*Client, error) {
	if o == nil {
		o = new(DialOptions)
	}
	if o.OnPeerDeath > Wait {
		return nil, fmt.Errorf("%w: peer death %d", ErrOption, o.OnPeerDeath)
	}
	f, err := openCalls(ctx, name, o.Wait)
	if err != nil {
		return nil, err
	}
	return f.dial(ctx, o)
}

// Call sends the request to a server and returns what its handler returns. It waits
// as long as ctx allows. The request is copied before Call returns; the reply is the
// caller's.
//
// The handler runs at most once for a call, exactly once if Call succeeds or returns a
// *CallError. A Call whose context ends returns at once with the context's error, and
// the handler's context ends; the handler may have run, or run on for a while. If
// nobody has ever served the name, Call waits.
//
// Other errors: ErrTooLarge (the request, and then the handler has not run, or the reply),
// ErrNoServer and ErrPeerDied (see there), ErrNoSpace (no memory for a request or
// reply; for the reply, the handler has run), ErrClosed (the Client was closed, or nobody serves
// and the name was removed), ErrCorrupt, ErrTruncated. After any of them the
// Client can be used further, unless it is closed or truncated.
//
// Call synchronizes before the handler begins, and the handler's return before that
// of Call.
func (c *Client) Call(ctx context.Context, request []byte) ([]byte, error) {
	return c.CallAppend(ctx, nil, request)
}

// CallAppend is Call that appends the reply to buf and returns the extended slice:
// with room enough in buf it allocates nothing. After an error it returns nil. buf and request
// may overlap.
func (c *Client) CallAppend(ctx context.Context, buf, request []byte) ([]byte, error) {
	slot := -1
	var reply []byte
	err := guard(func() (err error) {
		reply, err = c.call(ctx, &slot, buf, request)
		return err
	})
	if err != nil {
		if slot >= 0 { // a fault has skipped the rest
			c.own.retired.Or(1 << slot)
		}
		return nil, err
	}
	return reply, nil
}

// Close ends the calls that are under way, which return ErrClosed, and gives up the
// client's place. It is idempotent.
func (c *Client) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.isOpen {
		return nil
	}
	c.own.free.Or(callShut)
	_ = guard(func() error { c.drain(); return nil }) // where the memory is gone nobody sleeps any more
	for !c.quiet() {
		runtime.Gosched()
	}
	_ = guard(func() error { c.leaveClient(); return nil })
	if err := c.file.close(); err != nil {
		return err
	}
	c.isOpen = false
	return nil
}

// drain wakes the calls that sleep until none is under way.
func (c *Client) drain() {
	for !c.quiet() {
		futex.WakeAll(&c.seat.room)
		for k := range c.slots {
			futex.WakeAll(&c.seat.slots[k].asleep)
		}
		runtime.Gosched()
	}
}

// quiet says whether no call is under way.
func (c *Client) quiet() bool {
	o := &c.own
	return o.queued.Load() == 0 && o.free.Load()&^callShut|o.withheld.Load()|o.retired.Load() == 1<<c.slots-1
}

// String describes the client.
func (c *Client) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.isOpen {
		return fmt.Sprintf("Client(%q, closed)", c.name)
	}
	var servers []int
	busy := 0
	err := guard(func() error {
		for i := range c.serverCount() {
			if pid := c.servers[i].PID(); pid != 0 {
				servers = append(servers, pid)
			}
		}
		for k := range c.slots {
			if p := callState(c.seat.slots[k].state.Load()).phase(); p == callAsked || p == callTaken {
				busy++
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Sprintf("Client(%q, truncated)", c.name)
	}
	return fmt.Sprintf("Client(%q, place %d, pid %d, %d calls under way, servers %v)", c.name, c.index, c.seat.PID(), busy, servers)
}
