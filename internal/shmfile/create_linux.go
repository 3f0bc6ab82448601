package shmfile

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/shmkit/shmkit/internal/crashpoint"
)

// Create makes a file of size bytes, all of them allocated unless o.Allocate says
// otherwise, and lets o.Fill write to it. With an empty name it is a memfd whose size is sealed. With a
// name it is published only then, and created is false when o.Exist let an
// existing file, which may have another size, be opened instead.
//
// After an error nothing is left behind. The errors are ErrName, ErrSize,
// ErrNoSpace, ErrNoDirectory, ErrExist, ErrBusy, and what Fill returned.
func Create(name string, size int64, o Options) (f *os.File, created bool, err error) {
	if o.Owner < OwnerNone || o.Owner > OwnerUsers {
		return nil, false, fmt.Errorf("create: %w: %v", unix.EINVAL, o.Owner)
	}
	if size <= 0 {
		return nil, false, fmt.Errorf("create: %w: %d", ErrSize, size)
	}
	if name == "" {
		if f, err = createAnonymous(size, o); err != nil {
			return nil, false, fmt.Errorf("create anonymous memory: %w", err)
		}
		return f, true, nil
	}
	if err := CheckName(name); err != nil {
		return nil, false, fmt.Errorf("create: %w", err)
	}
	if f, created, err = createNamed(name, size, o); err != nil {
		return nil, false, fmt.Errorf("create %q: %w", name, err)
	}
	return f, created, nil
}

func createAnonymous(size int64, o Options) (*os.File, error) {
	f, err := memfd()
	if err != nil {
		return nil, err
	}
	if err := prepare(f, size, o); err != nil {
		f.Close()
		return nil, err
	}
	_, err = unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_SEAL)
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("seal: %w", err)
	}
	return f, nil
}

func memfd() (*os.File, error) {
	const flags = unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING
	fd, err := unix.MemfdCreate("shmkit", flags|unix.MFD_NOEXEC_SEAL)
	if errors.Is(err, unix.EINVAL) { // before Linux 6.3
		fd, err = unix.MemfdCreate("shmkit", flags)
	}
	if err != nil {
		return nil, fmt.Errorf("memfd_create: %w", err)
	}
	return os.NewFile(uintptr(fd), "memfd:shmkit"), nil
}

// createNamed loops only while others create and remove the same name.
func createNamed(name string, size int64, o Options) (f *os.File, created bool, err error) {
	var fresh *os.File
	defer func() {
		if fresh != nil && !created {
			fresh.Close() // it has no name: this is its end
		}
	}()
	for {
		switch o.Exist {
		case Fail:
			var st unix.Stat_t
			if err := unix.Lstat(path(name), &st); err == nil { // before memory is spent
				if removed, _ := removeOrphan(name); !removed {
					return nil, false, unix.EEXIST
				}
			}
		case OpenExisting:
			err := patiently(func() (err error) { f, err = open(name, false); return err })
			if !errors.Is(err, ErrNotExist) {
				return f, false, err
			}
		}
		if fresh == nil {
			if fresh, err = unnamed(path(name)); err != nil {
				return nil, false, err
			}
			crashpoint.Hit("shmfile/create-opened")
			if err := prepare(fresh, size, o); err != nil {
				return nil, false, err
			}
			// From its first instant the name leads to a file in use.
			if err := use(fresh); err != nil {
				return nil, false, err
			}
			if o.Owner != OwnerNone {
				if err := mark(fresh, o.Owner); err != nil {
					return nil, false, err
				}
				crashpoint.Hit("shmfile/create-marked")
			}
		}
		if o.Exist == Replace {
			if err := removeUnused(name); err != nil {
				return nil, false, err
			}
		}
		crashpoint.Hit("shmfile/create-ready")
		err := unix.Linkat(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", fresh.Fd()),
			unix.AT_FDCWD, path(name), unix.AT_SYMLINK_FOLLOW)
		switch {
		case err == nil:
			crashpoint.Hit("shmfile/create-published")
			hold(fresh, holding{name: name, owner: o.Owner, created: true})
			return fresh, true, nil
		case !errors.Is(err, unix.EEXIST):
			return nil, false, fmt.Errorf("publish: %w", err)
		}
	}
}

// unnamed opens a file in Dir that has no name yet, and will be called as.
func unnamed(as string) (*os.File, error) {
	fd, err := unix.Open(Dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	switch {
	case errors.Is(err, unix.ENOSPC):
		return nil, fmt.Errorf("%w: %w", ErrNoSpace, err)
	case err != nil && !errors.Is(err, unix.EMFILE) && !errors.Is(err, unix.ENFILE):
		return nil, fmt.Errorf("%w: open %s: %w", ErrNoDirectory, Dir, err)
	case err != nil:
		return nil, err
	}
	f := os.NewFile(uintptr(fd), as)
	if err := f.Chmod(0o600); err != nil { // whatever the umask left of it
		f.Close()
		return nil, err
	}
	return f, nil
}

// prepare allocates the file's memory and fills it.
func prepare(f *os.File, size int64, o Options) error {
	now := size
	if o.Allocate > 0 && o.Allocate < size {
		now = o.Allocate
		if err := unix.Ftruncate(int(f.Fd()), size); err != nil {
			return fmt.Errorf("%w: %d: %w", ErrSize, size, err)
		}
	}
	if err := allocate(int(f.Fd()), 0, now, 0); err != nil {
		return err
	}
	crashpoint.Hit("shmfile/create-sized")
	if o.Fill != nil {
		if err := o.Fill(f); err != nil {
			return err
		}
	}
	crashpoint.Hit("shmfile/create-filled")
	return nil
}
