package ringbuf

import (
	"os"

	"golang.org/x/sys/unix"
)

// newEvent makes an eventfd that is not readable.
func newEvent() (int, error) { return unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK) }

// dupEvent returns another descriptor of the same event.
func dupEvent(fd int) (*os.File, error) {
	n, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(n), "ringbuf.PollFile"), nil
}

// raiseEvent makes it readable. It cannot fail: the counter does not come near its end.
func raiseEvent(fd int) { _, _ = unix.Write(fd, []byte{0: 1, 7: 0}) }

// drainEvent makes it not readable.
func drainEvent(fd int) {
	var b [8]byte
	_, _ = unix.Read(fd, b[:])
}

func closeEvent(fd int) { _ = unix.Close(fd) }
