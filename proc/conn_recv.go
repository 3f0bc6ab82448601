package proc

import (
	"context"
	"fmt"
	"os"

	"github.com/shmkit/shmkit/internal/handle"
	"github.com/shmkit/shmkit/internal/mem"
	"github.com/shmkit/shmkit/ringbuf"
)

// mostScratch is how much memory a Conn keeps for decoding its next message.
const mostScratch = 64 << 10

// Recv receives the next message, which Send sent, into the value that ptr points
// to, waiting as long as ctx allows. What SendBytes sent is received into a
// *[]byte; into anything else it is decoded as CBOR (RFC 8949).
//
// Errors: io.EOF and ringbuf.ErrPeerDied when nothing further will come, ErrOneWay,
// ErrClosed, ErrMessageKind for a file, ringbuf.ErrCorrupt and the context's error,
// all of which leave what there is to receive. When the message cannot be decoded,
// or lacks its descriptors (ErrDescriptors), it is gone, and so are roles in it.
func (c *Conn) Recv(ctx context.Context, ptr any) error {
	if err := c.receives(ctx); err != nil {
		return err
	}
	defer c.receiving.unlock()
	f, err := c.look(ctx)
	if err != nil {
		return err
	}
	if f.kind == kindFile {
		return fmt.Errorf("%w: a file, for RecvFile", ErrMessageKind)
	}
	if p, ok := ptr.(*[]byte); ok && f.kind == kindBytes {
		b, err := c.take(nil, f.body)
		if err == nil {
			*p = b
		}
		return err
	}
	body, list, err := c.takeAll(f)
	if err != nil {
		return err
	}
	hs, files, err := c.beside(list)
	if err != nil {
		return err
	}
	err = decodeCarried(ctx, body, hs, ptr)
	for _, f := range files {
		f.Close() // the lifeline too: what was not adopted by now never is
	}
	if err != nil {
		return fmt.Errorf("receive %T: %w", ptr, err)
	}
	return nil
}

// RecvBytes receives the next message as bytes: what SendBytes sent, or what Send
// made of a value. max is the longest message that it returns, 0 for any; a longer
// one is ErrTooLong and stays. One with shared objects is ErrMessageKind and stays,
// for Recv. Other errors are those of Recv.
func (c *Conn) RecvBytes(ctx context.Context, max int) ([]byte, error) {
	if err := c.receives(ctx); err != nil {
		return nil, err
	}
	defer c.receiving.unlock()
	b, err := c.lookBytes(ctx)
	if err != nil {
		return nil, err
	}
	if max > 0 && len(b) > max {
		return nil, fmt.Errorf("%w: %d bytes, limit %d", ErrTooLong, len(b), max)
	}
	return c.take(nil, b)
}

// RecvInto is RecvBytes into buf, and returns the length of the message. It allocates
// nothing. A message that is longer than buf is received all the same, as part of a
// *ShortBufferError; buf is then as it was.
func (c *Conn) RecvInto(ctx context.Context, buf []byte) (int, error) {
	if err := c.receives(ctx); err != nil {
		return 0, err
	}
	defer c.receiving.unlock()
	b, err := c.lookBytes(ctx)
	if err != nil {
		return 0, err
	}
	if len(b) <= len(buf) {
		b, err = c.take(buf, b)
		return len(b), err
	}
	whole, err := c.take(nil, b)
	if err != nil {
		return 0, err
	}
	return 0, &ShortBufferError{Message: whole}
}

// RecvFile receives the next message, which SendFile sent. The file is the caller's
// to close; it has the name that it had at the other end. ErrMessageKind: the message
// is no file, and stays. Other errors are those of Recv.
func (c *Conn) RecvFile(ctx context.Context) (*os.File, error) {
	if err := c.receives(ctx); err != nil {
		return nil, err
	}
	defer c.receiving.unlock()
	f, err := c.look(ctx)
	if err != nil {
		return nil, err
	}
	if f.kind != kindFile {
		return nil, fmt.Errorf("%w: no file", ErrMessageKind)
	}
	name, list, err := c.takeAll(f)
	if err != nil {
		return nil, err
	}
	var b besides
	if err := b.decode(list); err != nil {
		return nil, err
	}
	fds, err := c.sock.receive(b.Number, 1)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fds[0]), string(name)), nil
}

// look finds the next message, and leaves it.
func (c *Conn) look(ctx context.Context) (frame, error) {
	if !c.found {
		b, err := []byte(nil), ringbuf.ErrEmpty
		if c.polled.Load() {
			b, err = c.rx.TryNext() // which makes the descriptors wait
		}
		if err == ringbuf.ErrEmpty {
			b, err = c.rx.Next(ctx)
		}
		if err != nil {
			return frame{}, err
		}
		c.next, c.found = b, true
	}
	f, err := parseFrame(c.next)
	if err != nil && c.state.Load() != connOpen {
		err = ErrClosed // the ring is not mapped any more
	}
	return f, err
}

// lookBytes is look for a message that is nothing but bytes.
func (c *Conn) lookBytes(ctx context.Context) ([]byte, error) {
	f, err := c.look(ctx)
	switch {
	case err != nil:
		return nil, err
	case f.kind == kindFile:
		return nil, fmt.Errorf("%w: a file, for RecvFile", ErrMessageKind)
	case len(f.list) > 0:
		return nil, fmt.Errorf("%w: with shared objects, for Recv", ErrMessageKind)
	}
	return f.body, nil
}

// take copies b, which is in the ring, into buf, or into new memory if buf is nil,
// and releases the message.
func (c *Conn) take(buf, b []byte) ([]byte, error) {
	if buf == nil {
		buf = make([]byte, len(b))
	}
	buf = buf[:mem.Copy(buf, b)]
	c.taking.Lock()
	defer c.taking.Unlock()
	if c.over {
		return nil, ErrClosed // what was copied is another's, or nothing
	}
	c.next, c.found = nil, false
	c.rx.Release()
	return buf, nil
}

// takeAll is take for the body and the list. They are valid until the next call. All
// that is decoded is a copy, because the other end may change what lies in the ring.
func (c *Conn) takeAll(f frame) (body, list []byte, err error) {
	n := len(f.body) + len(f.list)
	buf := c.scratch[:cap(c.scratch)]
	if len(buf) < n {
		buf = make([]byte, n)
		if n <= mostScratch {
			c.scratch = buf
		}
	}
	all, err := c.take(buf[:n], c.next[frameHeader:])
	if err != nil {
		return nil, nil, err
	}
	return all[:len(f.body)], all[len(f.body):], nil
}

// beside receives what a message's list names: the handles for decoding, and all
// files that arrived, which the caller closes afterwards.
func (c *Conn) beside(list []byte) ([]handle.Handle, []*os.File, error) {
	if len(list) == 0 {
		return nil, nil, nil
	}
	var b besides
	if err := b.decode(list); err != nil {
		return nil, nil, err
	}
	fds, err := c.sock.receive(b.Number, b.Files)
	if err != nil {
		return nil, nil, err
	}
	files := make([]*os.File, len(fds))
	for i, fd := range fds {
		files[i] = os.NewFile(uintptr(fd), "received")
	}
	hs, err := b.Handles.Handles(files)
	if err != nil {
		for _, f := range files {
			f.Close()
		}
		return nil, nil, err
	}
	return hs, files, nil
}
