package proc

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/handle"
)

// socket carries the descriptors of messages beside a ring. Each datagram has the
// number of the message and up to 253 descriptors (SCM_MAX_FD). A message's
// descriptors are sent before it is published, so whoever has the message finds
// them; those of a message that was never published are discarded when the next
// ones are received.
type socket struct {
	file *os.File
	raw  syscall.RawConn
}

const (
	mostPerDatagram = 253
	// mostDiscarded bounds what a receiver throws away before it gives up: more
	// than any socket's buffer holds.
	mostDiscarded = 1 << 16
)

// errSocketGone means that nobody will receive any more.
var errSocketGone = errors.New("socket for descriptors has no reader")

func newSockets() (a, b *socket, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	if a, err = newSocket(os.NewFile(uintptr(fds[0]), "pipe")); err != nil {
		unix.Close(fds[1])
		return nil, nil, err
	}
	if b, err = newSocket(os.NewFile(uintptr(fds[1]), "pipe")); err != nil {
		a.close()
		return nil, nil, err
	}
	return a, b, nil
}

// newSocket owns f, also after an error.
func newSocket(f *os.File) (*socket, error) {
	raw, err := f.SyscallConn()
	if err != nil {
		f.Close()
		return nil, err
	}
	return &socket{f, raw}, nil
}

func (s *socket) close() { s.file.Close() }

// hold makes send return at once instead of waiting, until resume.
func (s *socket) hold() { s.file.SetWriteDeadline(time.Unix(1, 0)) }

func (s *socket) resume() { s.file.SetWriteDeadline(time.Time{}) }

// send sends the descriptors of files as those of the message of that number, one
// goroutine at a time. After an error some of them may have been sent, which does
// not matter. Errors: errSocketGone, ErrClosed (also after hold), the context's, the
// system's.
func (s *socket) send(ctx context.Context, number uint64, files []*os.File) error {
	fds := make([]int, 0, len(files))
	defer func() { closeAll(fds) }()
	for _, f := range files {
		fd, err := handle.DupFD(f) // so that nobody closes it now
		if err != nil {
			return err
		}
		fds = append(fds, fd)
	}
	tag := binary.LittleEndian.AppendUint64(nil, number)
	for rest := fds; len(rest) > 0; {
		n := min(len(rest), mostPerDatagram)
		if err := s.sendDatagram(ctx, tag, unix.UnixRights(rest[:n]...)); err != nil {
			return err
		}
		rest = rest[n:]
		crashpoint.Hit("conn.partly")
	}
	return nil
}

func (s *socket) sendDatagram(ctx context.Context, b, rights []byte) error {
	var err error
	try := func(fd uintptr) bool {
		err = sendmsg(int(fd), b, rights)
		return err != unix.EAGAIN
	}
	full := false
	if s.raw.Control(func(fd uintptr) { full = !try(fd) }) != nil {
		return ErrClosed
	}
	if full {
		if werr := s.await(ctx, try); werr != nil {
			return werr
		}
	}
	switch {
	case errors.Is(err, unix.EPIPE), errors.Is(err, unix.ECONNRESET), errors.Is(err, unix.ENOTCONN):
		return errSocketGone
	case err != nil:
		return fmt.Errorf("send descriptors: %w", os.NewSyscallError("sendmsg", err))
	}
	return nil
}

// sendmsg returns EAGAIN instead of waiting.
func sendmsg(fd int, b, rights []byte) error {
	for {
		err := unix.Sendmsg(fd, b, rights, nil, unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT)
		if err != unix.EINTR {
			return err
		}
	}
}

// await calls try whenever the socket has room, parked in Go's poller, until it
// returns true. A reader that goes makes it try as well.
func (s *socket) await(ctx context.Context, try func(uintptr) bool) error {
	woken := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		s.hold()
		close(woken)
	})
	err := s.raw.Write(try)
	if !stop() {
		<-woken
		s.resume() // a later call has a context of its own
	}
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil && errors.Is(err, os.ErrDeadlineExceeded):
		return ctx.Err()
	}
	return ErrClosed
}

// receive returns the n descriptors of the message of that number, which have been
// sent, one goroutine at a time. Errors: ErrDescriptors if they are not there, or not
// all, ErrClosed.
func (s *socket) receive(number uint64, n int) (fds []int, err error) {
	if n == 0 {
		return nil, nil
	}
	if s.raw.Control(func(fd uintptr) { fds, err = receiveRights(int(fd), number, n) }) != nil {
		return nil, ErrClosed
	}
	return fds, err
}

func receiveRights(fd int, number uint64, n int) (fds []int, err error) {
	defer func() {
		if err != nil {
			closeAll(fds)
			fds = nil
		}
	}()
	var tag [9]byte // one more than a number has
	rights := make([]byte, unix.CmsgSpace(4*mostPerDatagram))
	for range mostDiscarded {
		size, oobn, flags, _, err := unix.Recvmsg(fd, tag[:], rights, unix.MSG_CMSG_CLOEXEC|unix.MSG_DONTWAIT)
		switch {
		case err == unix.EINTR, err == unix.ECONNRESET:
			// The other end was closed with something unread, which the kernel
			// says once before it hands out what is here.
			continue
		case err == unix.EAGAIN, err == nil && size == 0 && oobn == 0:
			return fds, fmt.Errorf("%w: %d of %d arrived", ErrDescriptors, len(fds), n)
		case err != nil:
			return fds, fmt.Errorf("%w: %w", ErrDescriptors, os.NewSyscallError("recvmsg", err))
		}
		got := parseRights(rights[:oobn])
		if size != 8 || binary.LittleEndian.Uint64(tag[:]) != number {
			closeAll(got) // of a message that was never published
			continue
		}
		fds = append(fds, got...)
		switch {
		case flags&unix.MSG_CTRUNC != 0:
			return fds, fmt.Errorf("%w: %w", ErrDescriptors, unix.EMFILE)
		case len(got) == 0 || len(fds) > n:
			return fds, fmt.Errorf("%w: %d of %d arrived", ErrDescriptors, len(fds), n)
		case len(fds) == n:
			return fds, nil
		}
	}
	return fds, fmt.Errorf("%w: only those of others", ErrDescriptors)
}

func parseRights(b []byte) (fds []int) {
	messages, _ := unix.ParseSocketControlMessage(b)
	for i := range messages {
		got, _ := unix.ParseUnixRights(&messages[i])
		fds = append(fds, got...)
	}
	return fds
}

func closeAll(fds []int) {
	for _, fd := range fds {
		unix.Close(fd)
	}
}
