package shmfile

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"github.com/shmkit/shmkit/internal/crashpoint"
)

// Who opens a named object read-locks the byte lockBase + its pid, which lies
// beyond the end of any file; Replace write-locks them all, and F_OFD_GETLK
// tells it by the byte who stands in its way. The locks belong to the open file
// description: a child that inherits the descriptor keeps the object in use, so
// does a mapping whose descriptor is closed, and a death lets go of it.
const lockBase = 1 << 60

func lock(fd uintptr, kind int16, start, length int64) error {
	l := unix.Flock_t{Type: kind, Whence: io.SeekStart, Start: start, Len: length}
	return unix.FcntlFlock(fd, unix.F_OFD_SETLK, &l)
}

// use marks the file as used by this process. It returns ErrBusy while somebody
// replaces the file.
func use(f *os.File) error {
	err := lock(f.Fd(), unix.F_RDLCK, lockBase+int64(os.Getpid()), 1)
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) {
		return fmt.Errorf("%w: it is being replaced", ErrBusy)
	}
	if err != nil {
		return fmt.Errorf("lock: %w", err)
	}
	return nil
}

// useAlone fails with ErrBusy if somebody else uses the file.
func useAlone(f *os.File) error {
	err := lock(f.Fd(), unix.F_WRLCK, lockBase, 0)
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) {
		l := unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart, Start: lockBase}
		if e := unix.FcntlFlock(f.Fd(), unix.F_OFD_GETLK, &l); e == nil && l.Type != unix.F_UNLCK {
			return fmt.Errorf("%w: opened by process %d", ErrBusy, l.Start-lockBase)
		}
		return ErrBusy
	}
	if err != nil {
		return fmt.Errorf("lock: %w", err)
	}
	return nil
}

// removeUnused removes a name whose object nobody uses. Between the removal and
// the publication of the successor the name leads nowhere: a rename would not
// have that gap, but needs a second name, which a death in between would leave
// behind.
//
// The lock keeps out everybody who opens through this package. Only a third
// process that removes the name and creates it anew between the last check and
// the removal would lose its object's name.
func removeUnused(name string) error {
	f, err := openFile(name, unix.O_RDWR)
	if errors.Is(err, ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if err := useAlone(f); err != nil {
		return err
	}
	var held, named unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &held); err != nil {
		return fmt.Errorf("stat: %w", err)
	}
	err = unix.Lstat(path(name), &named)
	if errors.Is(err, unix.ENOENT) || err == nil && (held.Ino != named.Ino || held.Dev != named.Dev) {
		return nil // somebody was faster; creating will tell
	}
	if err != nil {
		return err
	}
	if err := unix.Unlink(path(name)); err != nil && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("remove: %w", err)
	}
	crashpoint.Hit("shmfile/create-removed")
	return nil
}
