package shmfile

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"github.com/shmkit/shmkit/internal/crashpoint"
)

// The bytes that are locked; see Owner. No process has the pid 0, so the claim is
// nobody's byte.
const (
	claimByte    = 1 << 60
	usersBase    = claimByte
	creatorsBase = 1 << 61
	maxPID       = 1 << 22 // the kernel's limit, PID_MAX_LIMIT
)

func lock(fd uintptr, kind int16, start, length int64) error {
	l := unix.Flock_t{Type: kind, Whence: io.SeekStart, Start: start, Len: length}
	return unix.FcntlFlock(fd, unix.F_OFD_SETLK, &l)
}

func isLocked(err error) bool { return errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) }

// use marks the file as used by this process. It returns ErrBusy while somebody
// replaces or removes the file.
func use(f *os.File) error { return share(f, usersBase) }

func share(f *os.File, base int64) error {
	err := lock(f.Fd(), unix.F_RDLCK, base+int64(os.Getpid()), 1)
	if isLocked(err) {
		return fmt.Errorf("%w: it is being replaced or removed", ErrBusy)
	}
	if err != nil {
		return fmt.Errorf("lock: %w", err)
	}
	return nil
}

// useAlone fails with ErrBusy if somebody else uses the file. It claims the name.
func useAlone(f *os.File) error {
	err := lock(f.Fd(), unix.F_WRLCK, claimByte, 0)
	if isLocked(err) {
		return busyWith(f)
	}
	if err != nil {
		return fmt.Errorf("lock: %w", err)
	}
	return nil
}

// busyWith returns an ErrBusy that says who is in the way.
func busyWith(f *os.File) error {
	kind, start, _ := firstLock(f.Fd(), claimByte, 0)
	switch {
	case kind == unix.F_RDLCK && start > usersBase && start <= usersBase+maxPID:
		return &usedError{int(start - usersBase)}
	case kind == unix.F_WRLCK:
		return fmt.Errorf("%w: it is being replaced or removed", ErrBusy)
	}
	return ErrBusy
}

// usedError is the ErrBusy of a file that is in use.
type usedError struct{ pid int }

func (e *usedError) Error() string { return fmt.Sprintf("%v: opened by process %d", ErrBusy, e.pid) }
func (e *usedError) Unwrap() error { return ErrBusy }

// claim gets the right to remove the file's name, whoever uses the file. It
// returns ErrBusy if another has it. That needs a descriptor for writing; a read lock
// on the byte is nobody's of ours, and who may only read is in nobody's way.
func claim(f *os.File) error {
	err := lock(f.Fd(), unix.F_WRLCK, claimByte, 1)
	if isLocked(err) {
		if kind, _, _ := firstLock(f.Fd(), claimByte, 1); kind == unix.F_RDLCK {
			return nil
		}
		return fmt.Errorf("%w: it is being replaced or removed", ErrBusy)
	}
	if err != nil {
		return fmt.Errorf("lock: %w", err)
	}
	return nil
}

// firstLock returns one of the locks on length bytes from start, 0 for all that
// follow; not always the first. It takes none.
func firstLock(fd uintptr, start, length int64) (kind int16, from, n int64) {
	l := unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart, Start: start, Len: length}
	if err := unix.FcntlFlock(fd, unix.F_OFD_GETLK, &l); err != nil {
		return unix.F_UNLCK, 0, 0
	}
	return l.Type, l.Start, l.Len
}

// removeClaimed removes a name if it leads to f, on which the caller holds the
// claim.
func removeClaimed(f *os.File, name string) (removed bool, err error) {
	var held, named unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &held); err != nil {
		return false, fmt.Errorf("stat: %w", err)
	}
	err = unix.Lstat(path(name), &named)
	if errors.Is(err, unix.ENOENT) || err == nil && (held.Ino != named.Ino || held.Dev != named.Dev) {
		return false, nil // somebody was faster
	}
	if err != nil {
		return false, err
	}
	crashpoint.Hit("shmfile/remove-looked")
	err = unix.Unlink(path(name))
	if errors.Is(err, unix.ENOENT) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("remove: %w", err)
	}
	crashpoint.Hit("shmfile/removed")
	return true, nil
}

// removeUnused removes a name whose object nobody uses. Between the removal and
// the publication of the successor the name leads nowhere: a rename would not
// have that gap, but needs a second name, which a death in between would leave
// behind.
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
	_, err = removeClaimed(f, name)
	return err
}
