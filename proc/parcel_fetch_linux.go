package proc

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A receipt is the receiver's end of the connection over which a parcel was fetched.
// The sender keeps the parcel as long as it is open, at least.
type receipt struct {
	conn *os.File
	raw  syscall.RawConn
}

// done tells the sender that nobody will need the parcel again.
func (r *receipt) done() {
	if r != nil {
		// Not by Write: the context of fetch may end only now, and its deadline come.
		r.raw.Control(func(fd uintptr) { unix.Send(int(fd), []byte{1}, unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT) })
		r.conn.Close()
	}
}

// leave ends the connection without that.
func (r *receipt) leave() {
	if r != nil {
		r.conn.Close()
	}
}

// fetch gets a parcel's descriptors from whoever put the message. The error says why
// that is not possible; it wraps ctx's if that has ended.
func (w waybill) fetch(ctx context.Context) (files []*os.File, r *receipt, err error) {
	conn, err := knock(ctx, w.Door)
	if err != nil {
		return nil, nil, err
	}
	defer func() {
		if err != nil {
			conn.Close()
			for _, f := range files {
				f.Close()
			}
			files = nil
		}
	}()
	defer context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })()
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, nil, err
	}
	if !sameUser(raw) {
		return nil, nil, errors.New("another user's process answers")
	}
	if _, err := conn.WriteString(w.Token); err != nil {
		return nil, nil, because(ctx, err)
	}
	for first := true; first || len(files) < w.Files; first = false {
		some, err := receiveFiles(raw)
		files = append(files, some...)
		if err == nil && len(some) == 0 && w.Files > 0 {
			err = unix.EMFILE // the kernel leaves out what this process has no room for
		}
		if err != nil {
			return files, nil, because(ctx, err)
		}
	}
	if len(files) != w.Files {
		return files, nil, fmt.Errorf("%w: %d of %d arrived", ErrDescriptors, len(files), w.Files)
	}
	return files, &receipt{conn, raw}, nil
}

// because prefers ctx's error to that of the deadline by which it ended a call.
func because(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, os.ErrDeadlineExceeded) {
		return ctx.Err()
	}
	return err
}

// knock connects to a door. If more callers stand there than the kernel queues, because
// its process is stopped, it tries again until ctx ends.
func knock(ctx context.Context, address string) (*os.File, error) {
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		fd, err := parcelSocket()
		if err != nil {
			return nil, err
		}
		err = unix.Connect(fd, &unix.SockaddrUnix{Name: address})
		if err == nil {
			return os.NewFile(uintptr(fd), "parcel"), nil
		}
		unix.Close(fd)
		if err != unix.EAGAIN && err != unix.EINTR {
			return nil, os.NewSyscallError("connect", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// receiveFiles receives the descriptors of one datagram.
func receiveFiles(raw syscall.RawConn) (files []*os.File, err error) {
	var n, oobn, flags int
	var data [1]byte
	oob := make([]byte, unix.CmsgSpace(4*mostPerDatagram))
	closed := raw.Read(func(fd uintptr) bool {
		for {
			n, oobn, flags, _, err = unix.Recvmsg(int(fd), data[:], oob, unix.MSG_CMSG_CLOEXEC)
			if err != unix.EINTR {
				return err != unix.EAGAIN
			}
		}
	})
	if err := errors.Join(closed, err); err != nil {
		return nil, err
	}
	for _, fd := range parseRights(oob[:oobn]) {
		files = append(files, os.NewFile(uintptr(fd), "received"))
	}
	switch {
	case n == 0:
		return files, errors.New("the sender has closed the connection")
	case flags&unix.MSG_CTRUNC != 0:
		return files, fmt.Errorf("receive descriptors: %w", unix.EMFILE)
	}
	return files, nil
}
