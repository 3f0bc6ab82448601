package shmfile

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shmkit/shmkit/internal/crashpoint"
)

// marked says whether a file has an owner rule. What somebody made executable,
// such as with chmod 1777, is none of ours.
func marked(mode uint32) bool {
	return mode&unix.S_IFMT == unix.S_IFREG && mode&unix.S_ISVTX != 0 && mode&0o111 == 0
}

// mark gives a file that has no name yet an owner rule.
func mark(f *os.File, o Owner) error {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return fmt.Errorf("stat: %w", err)
	}
	if st.Mode&0o111 != 0 || st.Mode&0o600 != 0o600 { // a write lock needs a descriptor for writing
		return fmt.Errorf("%w: mode %#o: an object with an owner rule is readable and writable to its user, and not executable", unix.EINVAL, st.Mode&0o777)
	}
	if err := unix.Fchmod(int(f.Fd()), st.Mode&0o666|unix.S_ISVTX); err != nil {
		return fmt.Errorf("mark for its owner: %w", err)
	}
	if o == OwnerCreator {
		return share(f, creatorsBase)
	}
	return nil
}

// notOurs says that the name leads nowhere, or to what this package has not made or
// may not open, and so nobody else claims.
func notOurs(err error) bool {
	return errors.Is(err, ErrNotExist) || errors.Is(err, ErrForeign) || errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM)
}

// lockOrphan opens and locks what the name leads to, if it is an orphan of this
// user's. If somebody uses it the error is a *usedError or another ErrBusy; if it is
// none of ours f is nil, without an error.
func lockOrphan(name string) (f *os.File, err error) {
	f, err = openFile(name, unix.O_RDWR)
	if notOurs(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var st unix.Stat_t
	if err = unix.Fstat(int(f.Fd()), &st); err != nil {
		err = fmt.Errorf("stat: %w", err)
	} else if marked(st.Mode) && int(st.Uid) == os.Geteuid() {
		crashpoint.Hit("shmfile/orphan-opened")
		if err = useAlone(f); err == nil {
			crashpoint.Hit("shmfile/orphan-locked")
			return f, nil
		}
	}
	f.Close()
	return nil, err
}

// removeOrphan removes a name if it leads to an orphan; see lockOrphan.
func removeOrphan(name string) (removed bool, err error) {
	f, err := lockOrphan(name)
	if f == nil {
		return false, err
	}
	defer f.Close()
	return removeClaimed(f, name)
}

// removeOwn removes a name if it leads to f, which others may be using.
func removeOwn(f *os.File, name string) error {
	g, err := openFile(name, unix.O_RDWR)
	if notOurs(err) {
		return nil
	}
	if err != nil {
		return err
	}
	defer g.Close()
	var own, named unix.Stat_t
	if err := errors.Join(unix.Fstat(int(f.Fd()), &own), unix.Fstat(int(g.Fd()), &named)); err != nil {
		return fmt.Errorf("stat: %w", err)
	}
	if own.Ino != named.Ino || own.Dev != named.Dev {
		return nil
	}
	// The claim has to be one of a description that goes at once. Who has it
	// already removes the name.
	if err := claim(g); err != nil {
		return nil
	}
	crashpoint.Hit("shmfile/own-claimed")
	_, err = removeClaimed(g, name)
	return err
}

// patience is for what takes others microseconds, unless they are stopped. It begins
// with pauses of the length pause, each twice as long as the one before.
const (
	patience = 50 * time.Millisecond
	pause    = 100 * time.Microsecond
)

// patiently tries again for a short time while the error is ErrBusy.
func patiently(do func() error) error {
	for wait := pause; ; wait *= 2 {
		err := do()
		if !errors.Is(err, ErrBusy) || wait > patience {
			return err
		}
		time.Sleep(wait)
	}
}

// Unlink removes a name. Who has the object open keeps it. It removes whatever
// file has that name, also one that another program made. It returns ErrBusy while
// somebody who is stopped is about to remove the name.
func Unlink(name string) error {
	if err := CheckName(name); err != nil {
		return fmt.Errorf("unlink: %w", err)
	}
	if err := patiently(func() error { return unlink(name) }); err != nil {
		return fmt.Errorf("unlink %q: %w", name, err)
	}
	return nil
}

func unlink(name string) error {
	for {
		f, err := openFile(name, unix.O_RDWR)
		if notOurs(err) {
			return unix.Unlink(path(name))
		}
		if err != nil {
			return err
		}
		removed := false
		if err = claim(f); err == nil {
			crashpoint.Hit("shmfile/unlink-claimed")
			removed, err = removeClaimed(f, name)
		}
		f.Close()
		if removed || err != nil {
			return err
		}
		// It leads elsewhere by now, or nowhere: look again.
	}
}
