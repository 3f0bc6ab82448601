package proc

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// control is the parent's end of the connection over which it introduces
// itself to a new child.
type control struct{ file *os.File }

// newControl returns the parent's end and the child's descriptor.
func newControl() (c control, theirs int, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return c, -1, os.NewSyscallError("socketpair", err)
	}
	return control{os.NewFile(uintptr(fds[0]), "control")}, fds[1], nil
}

func (c control) close() { c.file.Close() }

// wake ends what introduce waits for.
func (c control) wake() { c.file.SetDeadline(time.Unix(1, 0)) }

// introduce sends m and waits for the child's answer, until ctx is done or the
// child has ended.
func (c control) introduce(ctx context.Context, p *Process, m bootstrap) error {
	defer context.AfterFunc(ctx, c.wake)()
	if m.send(c.file) == nil {
		if ack := c.readAck(); len(ack) > 0 {
			return decodeAck(ack)
		}
	}
	// The connection has ended, or somebody woke us.
	if p.end.over() {
		return noAck(p)
	}
	select {
	case <-p.end.done:
		return noAck(p)
	case <-ctx.Done():
		return fmt.Errorf("%w: %w before the child came to Main", ErrNoMain, ctx.Err())
	}
}

// noAck explains the end of a child that has not answered.
func noAck(p *Process) error {
	err := p.status()
	var exit *ExitError
	if errors.As(err, &exit) && (exit.Signal != 0 || exit.Cause != nil) {
		return err // killed, or Main has run, and has panicked
	}
	if err == nil {
		return fmt.Errorf("%w: the child exited with code 0", ErrNoMain)
	}
	return fmt.Errorf("%w: %w", ErrNoMain, err)
}

// readAck reads the answer, nothing if there is none. After a wake it still
// finds one that has arrived.
func (c control) readAck() []byte {
	buf := make([]byte, maxAck)
	n, err := c.file.Read(buf)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		if raw, err := c.file.SyscallConn(); err == nil {
			raw.Control(func(fd uintptr) { n, _ = unix.Read(int(fd), buf) })
		}
	}
	return buf[:max(n, 0)]
}
