package proc

import (
	"encoding/binary"
	"os"

	"golang.org/x/sys/unix"
)

// A bell is an eventfd that is rung once and never read: all its duplicates
// become readable then. The zero bell has no descriptor yet.
type bell struct {
	fd   int
	made bool
}

// file returns a duplicate.
func (b *bell) file() (*os.File, error) {
	if !b.made {
		fd, err := newEventFD(0)
		if err != nil {
			return nil, err
		}
		b.fd, b.made = fd, true
	}
	fd, err := unix.FcntlInt(uintptr(b.fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("fcntl", err)
	}
	return os.NewFile(uintptr(fd), "ending"), nil
}

// ring is called once. The duplicates stay readable for ever.
func (b *bell) ring() {
	if b.made {
		unix.Write(b.fd, binary.NativeEndian.AppendUint64(nil, 1))
		unix.Close(b.fd)
	}
}

// rungBell returns the file of a bell that was rung already.
func rungBell() (*os.File, error) {
	fd, err := newEventFD(1)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), "ending"), nil
}

func newEventFD(value uint) (int, error) {
	fd, err := unix.Eventfd(value, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	return fd, os.NewSyscallError("eventfd", err)
}
