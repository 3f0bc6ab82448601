package proc

import (
	"context"
	"errors"
	"fmt"

	"github.com/shmkit/shmkit/internal/codec"
	"github.com/shmkit/shmkit/internal/handle"
	"github.com/shmkit/shmkit/ringbuf"
)

const kindConn = "proc.Conn"

// parts are what a Conn is made of on its way: references to handles, nil for a
// role that it does not have.
type parts struct{ Tx, Rx, Sock []byte }

// MarshalBinary gives the Conn away as part of an argument or a message; it is closed
// here from then on, unless that is never sent. ErrClosed: it is closed, was given
// away before, or is in this message already.
func (c *Conn) MarshalBinary() ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state.Load() != connOpen {
		return nil, fmt.Errorf("give %v away: %w", c, ErrClosed)
	}
	c.shut() // first: once it is closed for everybody, nothing is taken any more
	c.state.Store(connLent)
	c.sock.hold()
	// Descriptors that were sent for a message which is never published would stay in
	// the socket. So whoever sends some publishes it first, or has sent none.
	c.giving.Lock()
	//lint:ignore SA2001 the wait is all
	c.giving.Unlock()
	b, err := c.lend()
	if err != nil {
		c.sock.resume()
		c.reopen()
		c.state.Store(connOpen)
		return nil, err // and the roles come back, because the message fails with it
	}
	c.quiesce()
	return b, nil
}

func (c *Conn) lend() (b []byte, err error) {
	var p parts
	if c.tx != nil {
		if p.Tx, err = c.tx.MarshalBinary(); err != nil {
			return nil, err
		}
	}
	if c.rx != nil {
		if p.Rx, err = c.rx.MarshalBinary(); err != nil {
			return nil, err
		}
	}
	p.Sock, err = handle.Put(handle.Handle{Kind: kindConn, File: c.sock.file},
		handle.Options{Sent: c.sent, Failed: c.failed, Exited: c.settle})
	if err != nil {
		return nil, err
	}
	return codec.Marshal(p)
}

// quiesce returns when no call is under way. Those that wait have returned already, or
// are about to.
func (c *Conn) quiesce() {
	for _, g := range []*gate{&c.sending, &c.receiving} {
		_ = g.lock(context.Background()) // which cannot fail
		g.unlock()
	}
}

// sent, failed and settle are the hooks of the socket's handle, which comes behind
// those of the roles.
func (c *Conn) sent(int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state.Store(connMoved)
	_ = c.shed() // what is not there yet is settled later
}

func (c *Conn) failed() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		c.state.Store(connDone)
		_ = c.shed()
		return
	}
	c.sock.resume()
	c.reopen()
	c.state.Store(connOpen)
}

func (c *Conn) settle() {
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = c.shed()
}

// UnmarshalBinary takes over a Conn that has travelled. One that its sender did not
// keep until now arrives closed.
func (c *Conn) UnmarshalBinary(ref []byte) error {
	if c.state.Load() != connNone {
		return fmt.Errorf("receive into %v: %w", c, ringbuf.ErrBusy)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.init()
	err := c.arrive(ref)
	if err == nil {
		c.open()
		return nil
	}
	c.state.Store(connDone)
	_ = c.shed()
	if errors.Is(err, handle.ErrGone) {
		return nil
	}
	return fmt.Errorf("receive pipe: %w", err)
}

func (c *Conn) arrive(ref []byte) error {
	var p parts
	if err := codec.Unmarshal(ref, &p); err != nil {
		return fmt.Errorf("%w: %w", handle.ErrReference, err)
	}
	if p.Tx == nil && p.Rx == nil {
		return fmt.Errorf("%w: pipe without a direction", handle.ErrReference)
	}
	h, err := handle.Get(p.Sock)
	if err != nil {
		return err
	}
	if h.File == nil {
		return fmt.Errorf("%w: %s arrived as %s", handle.ErrReference, h.Kind, kindConn)
	}
	if c.sock, err = newSocket(h.File); err != nil {
		return err
	}
	if h.Kind != kindConn {
		return fmt.Errorf("%w: %s arrived as %s", handle.ErrReference, h.Kind, kindConn)
	}
	if p.Tx != nil {
		tx := new(ringbuf.Producer)
		if err := tx.UnmarshalBinary(p.Tx); err != nil {
			return err
		}
		c.tx = tx
	}
	if p.Rx != nil {
		rx := new(ringbuf.Consumer)
		if err := rx.UnmarshalBinary(p.Rx); err != nil {
			return err
		}
		c.rx = rx
	}
	return nil
}
