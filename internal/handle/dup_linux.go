package handle

import (
	"os"

	"golang.org/x/sys/unix"
)

// Dup returns a second descriptor for the open file of f, close-on-exec.
func Dup(f *os.File) (*os.File, error) {
	fd, err := DupFD(f)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), f.Name()), nil
}

// DupFD is Dup without an os.File around the new descriptor. It does not go
// through f.Fd, which would clear O_NONBLOCK for everybody who shares that open
// file.
func DupFD(f *os.File) (int, error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return -1, err
	}
	fd, derr := -1, error(nil)
	err = raw.Control(func(old uintptr) {
		fd, derr = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0)
	})
	if err != nil {
		// Its own error is internal to the standard library.
		return -1, &os.PathError{Op: "dup", Path: f.Name(), Err: os.ErrClosed}
	}
	return fd, os.NewSyscallError("fcntl", derr)
}
