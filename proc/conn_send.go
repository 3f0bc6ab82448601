package proc

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/handle"
	"github.com/shmkit/shmkit/ringbuf"
)

// Send sends v, waiting for room as long as ctx allows. v is copied: exported
// fields travel, by the rules of encoding/json, as do shared objects and roles at
// any depth, as in an argument of Func.Start. On an error nothing was sent, and
// roles and Conns in v stay here: ErrArgument if v cannot travel, ErrOneWay,
// ErrClosed, ringbuf.ErrNoConsumer, ringbuf.ErrTooLarge, ringbuf.ErrNoSpace, the
// context's error, and those of sending descriptors.
func (c *Conn) Send(ctx context.Context, v any) error {
	data, hs, err := encodeCarried(v)
	if err != nil {
		return fmt.Errorf("send %T: %w: %w", v, ErrArgument, err)
	}
	if len(hs) == 0 {
		return c.sendPlain(ctx, kindValue, data)
	}
	table, files := handle.NewTable(hs)
	if err := c.sendHandles(ctx, data, hs, table, files); err != nil {
		for _, h := range hs {
			h.Failed()
		}
		return err
	}
	return nil
}

// SendBytes sends a copy of b, which may be empty, as it is. Else it is like Send.
// It allocates nothing.
func (c *Conn) SendBytes(ctx context.Context, b []byte) error {
	return c.sendPlain(ctx, kindBytes, b)
}

// SendFile sends an open file: the other end gets a descriptor of its own, and f
// may be closed then. Else it is like Send. It waits while as many descriptors as
// the system buffers, some hundreds, were not received.
func (c *Conn) SendFile(ctx context.Context, f *os.File) error {
	if err := c.sends(ctx); err != nil {
		return err
	}
	defer c.sending.unlock()
	return c.sendBeside(ctx, kindFile, []byte(f.Name()), besides{}, []*os.File{f})
}

// sendPlain sends a message that is all in the ring.
func (c *Conn) sendPlain(ctx context.Context, kind messageKind, body []byte) error {
	if err := c.sends(ctx); err != nil {
		return err
	}
	defer c.sending.unlock()
	room, err := c.tx.Reserve(ctx, frameSize(body, nil))
	if err != nil {
		return err
	}
	putFrame(room, kind, body, nil)
	return c.tx.Commit(len(room))
}

// sendHandles sends a value and its handles. The hooks of hs are told of success
// only.
func (c *Conn) sendHandles(ctx context.Context, data []byte, hs []handle.Handle, table handle.Table, files []*os.File) error {
	if err := c.sends(ctx); err != nil {
		return err
	}
	defer c.sending.unlock()
	life, err := newLifeline(hs)
	if err != nil {
		return err
	}
	if life != nil {
		files = append(files, life)
	}
	if err := c.sendBeside(ctx, kindValue, data, besides{Handles: table}, files); err != nil {
		cutLifeline(life)
		return err
	}
	pid := c.tx.Ring().Stats().ConsumerPID
	for _, h := range hs {
		h.Sent(pid)
	}
	if life != nil {
		life.Close()
	}
	return nil
}

// sendBeside sends a message with descriptors: they go when there is room for the
// message and before it is published.
func (c *Conn) sendBeside(ctx context.Context, kind messageKind, body []byte, b besides, files []*os.File) error {
	c.number++
	b.Number, b.Files = c.number, len(files)
	list, err := b.encode()
	if err != nil {
		return err
	}
	room, err := c.tx.Reserve(ctx, frameSize(body, list))
	if err != nil {
		return err
	}
	putFrame(room, kind, body, list)
	crashpoint.Hit("conn.written")
	c.giving.Lock()
	defer c.giving.Unlock()
	if c.state.Load() != connOpen {
		c.tx.Abort()
		return ErrClosed
	}
	if err := c.sock.send(ctx, b.Number, files); err != nil {
		c.tx.Abort()
		if errors.Is(err, errSocketGone) {
			return c.noReader(ctx)
		}
		return err
	}
	crashpoint.Hit("conn.described")
	return c.tx.Commit(len(room))
}

// noReader says why the other end does not read its socket any more.
func (c *Conn) noReader(ctx context.Context) error {
	if _, err := c.tx.Reserve(ctx, 0); err != nil {
		return err
	}
	c.tx.Abort()
	return ringbuf.ErrNoConsumer
}
