package proc

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"

	"github.com/shmkit/shmkit/ringbuf"
)

// Conn is one end of a pipe: it sends and receives whole messages, which are
// values (Send, Recv), bytes (SendBytes, RecvBytes, RecvInto) or open files
// (SendFile, RecvFile), in the order in which they were sent.
//
// Concurrency. All methods may be called from many goroutines. One goroutine may
// send while another one receives. Several that send through one Conn take turns,
// and so do several that receive or Poll; their contexts also bound the wait for
// the turn, and whose turn it is next is not defined.
//
// The end of a pipe. When the other end has been closed, and also when its
// process has ended in order (see Exit), receivers get io.EOF after everything
// that was sent, and senders get ringbuf.ErrNoConsumer. When the process died,
// receivers get ringbuf.ErrPeerDied, again after everything that it sent, and
// senders an error that is both. (A program whose own main returns has died, for
// the other end, if it did not close its ends before.) A message is received whole
// or not at all, wherever its sender was killed.
//
// Travelling. A Conn is given to another process in an argument of Func.Start or
// in a message, as a *Conn. From then on it is closed here (calls return
// ErrClosed), what was not received yet is the new owner's to receive, and the
// other end notices nothing. If the process cannot be started, or the message
// cannot be sent, it stays open. If the new owner ends without having taken it, or
// never receives the message, the pipe is at its end, as if that process had
// died. A Conn can be in a message only once.
//
// Trust. Both ends can write the memory of the pipe. What is received is copied
// before it is checked and used; bytes that no Conn writes give ringbuf.ErrCorrupt.
type Conn struct {
	tx   *ringbuf.Producer // nil if this end only receives
	rx   *ringbuf.Consumer // nil if it only sends
	sock *socket

	state atomic.Int32 // a connState

	sending gate
	number  uint64     // of the last message with descriptors; they begin anywhere
	giving  sync.Mutex // held from the first descriptor of a message until it is published

	receiving gate
	found     bool   // the next message was found, and waits to be received
	next      []byte // it, in the ring
	scratch   []byte

	taking sync.Mutex // held while a message is released; guards over
	over   bool       // none is released any more

	mu     sync.Mutex // guards changes of state, and what follows
	wires  []*wire
	left   bool // the wires were left
	closed bool // Close was called while the Conn was lent
	poll   *os.File
	polled atomic.Bool // there are descriptors that poll
}

type connState = int32

const (
	connNone  connState = iota // no Conn yet: the zero value
	connOpen                   // can be used
	connLent                   // in a message or argument that was not sent yet
	connMoved                  // another process's
	connDone                   // closed
)

func (c *Conn) init() {
	c.sending.init()
	c.receiving.init()
	c.number = rand.Uint64()
}

// open lets calls begin.
func (c *Conn) open() {
	c.state.Store(connOpen)
	openConns.add(c)
}

// shut ends the taking of messages: one that was not taken yet stays in the ring, and
// whoever takes one has done so. The memory of the ring may be given up then.
func (c *Conn) shut() {
	c.taking.Lock()
	c.over = true
	c.taking.Unlock()
}

// reopen undoes shut.
func (c *Conn) reopen() {
	c.taking.Lock()
	c.over = false
	c.taking.Unlock()
}

// sends takes the turn to send, which the caller gives back.
func (c *Conn) sends(ctx context.Context) error {
	if c.tx == nil && c.rx != nil {
		return ErrOneWay
	}
	if c.state.Load() != connOpen {
		return ErrClosed
	}
	if err := c.sending.lock(ctx); err != nil {
		return err
	}
	if c.state.Load() != connOpen {
		c.sending.unlock()
		return ErrClosed
	}
	return nil
}

// receives takes the turn to receive, which the caller gives back.
func (c *Conn) receives(ctx context.Context) error {
	if c.rx == nil && c.tx != nil {
		return ErrOneWay
	}
	if c.state.Load() != connOpen {
		return ErrClosed
	}
	if err := c.receiving.lock(ctx); err != nil {
		return err
	}
	if c.state.Load() != connOpen {
		c.receiving.unlock()
		return ErrClosed
	}
	return nil
}

// Readable reports whether this end receives.
func (c *Conn) Readable() bool { return c.rx != nil }

// Writable reports whether this end sends.
func (c *Conn) Writable() bool { return c.tx != nil }

// Closed reports whether Close was called or the Conn was given to another
// process.
func (c *Conn) Closed() bool { return c.state.Load() != connOpen }

// Close gives this end up; the other one finds io.EOF after what was sent, and
// what was not received is lost. Calls that wait return ErrClosed. Closing it
// again, or after it was given away, does nothing.
func (c *Conn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch c.state.Load() {
	case connOpen:
		c.state.Store(connDone)
		c.shut()
		return c.shed()
	case connLent:
		c.closed = true
	case connMoved:
		c.shed()
	}
	return nil
}

// shed gives up what the Conn holds. It may be called again, as it has to be when
// a role that was given away had not arrived.
func (c *Conn) shed() (err error) {
	openConns.remove(c)
	// Whoever has found the end of what this end sent finds that it does not receive,
	// and whoever finds the socket closed asks about the roles.
	if c.rx != nil {
		err = c.rx.Close()
	}
	if c.tx != nil {
		if terr := c.tx.Close(); err == nil {
			err = terr
		}
	}
	if c.sock != nil {
		c.sock.close()
	}
	for _, w := range c.wires {
		if c.left {
			w.settle()
		} else {
			w.leave()
		}
	}
	c.left = true
	return err
}

// String describes the Conn.
func (c *Conn) String() string {
	way := "duplex"
	switch {
	case c.tx == nil && c.rx == nil:
		return "Conn(none)"
	case c.tx == nil:
		way = "receives"
	case c.rx == nil:
		way = "sends"
	}
	switch c.state.Load() {
	case connLent, connMoved:
		way += ", given away"
	case connDone:
		way += ", closed"
	}
	return fmt.Sprintf("Conn(%s)", way)
}
