package proc

import (
	"context"
	"errors"
	"os"

	"github.com/shmkit/shmkit/ringbuf"
)

var _ pollable = (*Conn)(nil)

// Poll waits until there is a message to receive, as long as ctx allows, and
// reports whether there is. It receives nothing: Poll is true until somebody
// receives the message, whatever its length. With a ctx that is done already it
// does not wait. It reports false when ctx is done, which is no error.
//
// Errors: io.EOF and ringbuf.ErrPeerDied when nothing further will come (for which
// Python's poll returns True), ErrOneWay, ErrClosed, ringbuf.ErrCorrupt.
func (c *Conn) Poll(ctx context.Context) (bool, error) {
	err := c.receives(ctx)
	if err == nil {
		_, err = c.look(ctx)
		c.receiving.unlock()
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return false, nil
	}
	return err == nil, err
}

// PollFile returns a descriptor for programs that wait in epoll, poll or select, or
// in Go's network poller: it is readable when Poll would not wait. It stays so until
// a Poll with a context that is done finds nothing; so a program receives until Poll
// is false, and waits for the descriptor then. It may be readable for nothing, and up
// to 50 ms late while another goroutine waits in Recv or Poll.
//
// The file belongs to the caller. After Close, or when the Conn is given away, it is
// readable. Errors: ErrOneWay, ErrClosed, and those of eventfd(2).
func (c *Conn) PollFile() (*os.File, error) {
	if c.rx == nil && c.tx != nil {
		return nil, ErrOneWay
	}
	if c.state.Load() != connOpen {
		return nil, ErrClosed
	}
	c.polled.Store(true)
	return c.rx.PollFile()
}

// pending is for Wait. While another goroutine receives there is nothing for this
// one, and the descriptor waits.
func (c *Conn) pending() bool {
	if c.rx == nil || c.state.Load() != connOpen {
		return true
	}
	if !c.receiving.tryLock() {
		return false
	}
	defer c.receiving.unlock()
	if c.found {
		return true
	}
	b, err := c.rx.TryNext()
	if err == nil {
		c.next, c.found = b, true
	}
	return err != ringbuf.ErrEmpty
}

// pollFile is for Wait. The descriptor outlives Close, which makes it readable:
// whoever waits for it finds out.
func (c *Conn) pollFile() (*os.File, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.poll != nil {
		return c.poll, nil
	}
	f, err := c.PollFile()
	c.poll = f
	return f, err
}
