package shmfile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/shmkit/shmkit/internal/crashpoint"
)

// Create makes a file of size bytes, all of them allocated unless o.Allocate says
// otherwise, and lets o.Fill write to it. With an empty name it is a memfd whose size is sealed. With a
// name it is published only then, and created is false when o.Exist let an
// existing file, which may have another size, be opened instead.
//
// After an error nothing is left behind. The errors are ErrName, ErrSize,
// ErrOptions, ErrNoSpace, ErrNoDirectory, ErrExist, ErrBusy, and what Fill returned.
func Create(name string, size int64, o Options) (f *os.File, created bool, err error) {
	if err := o.check(size); err != nil {
		return nil, false, fmt.Errorf("create: %w", err)
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
	return createAt(name, size, o)
}

func (o Options) check(size int64) error {
	switch {
	case o.Owner < OwnerNone || o.Owner > OwnerUsers:
		return fmt.Errorf("%w: %v", unix.EINVAL, o.Owner)
	case size <= 0:
		return fmt.Errorf("%w: %d", ErrSize, size)
	}
	return nil
}

// createAt is Create for a name that is sound, or a path.
func createAt(name string, size int64, o Options) (f *os.File, created bool, err error) {
	if o.Seal || o.Huge || o.Growable {
		return nil, false, fmt.Errorf("create %q: %w: a file with a name has no seals and no huge pages of its own", name, ErrOptions)
	}
	if f, created, err = createNamed(name, size, o); err != nil {
		return nil, false, fmt.Errorf("create %q: %w", name, err)
	}
	return f, created, nil
}

func createAnonymous(size int64, o Options) (*os.File, error) {
	f, err := memfd(o.Huge)
	if err != nil {
		return nil, err
	}
	if o.Mode != 0 || o.Group != 0 {
		if err := permit(f, o); err != nil {
			f.Close()
			return nil, err
		}
	}
	if err := prepare(f, size, o); err != nil {
		f.Close()
		return nil, err
	}
	if err := seal(f, o); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func memfd(huge bool) (*os.File, error) {
	flags := unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING
	if huge {
		flags |= unix.MFD_HUGETLB
	}
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
			if err := permit(fresh, o); err != nil {
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

// unnamed opens a file that has no name yet, in the directory in which it will be
// called as.
func unnamed(as string) (*os.File, error) {
	dir := filepath.Dir(as)
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	switch {
	case errors.Is(err, unix.ENOSPC):
		return nil, fmt.Errorf("%w: %w", ErrNoSpace, err)
	case err != nil && !errors.Is(err, unix.EMFILE) && !errors.Is(err, unix.ENFILE):
		return nil, fmt.Errorf("%w: open %s: %w", ErrNoDirectory, dir, err)
	case err != nil:
		return nil, err
	}
	return os.NewFile(uintptr(fd), as), nil
}

// prepare allocates the file's memory and fills it.
func prepare(f *os.File, size int64, o Options) error {
	now := size
	if o.Allocate != 0 && o.Allocate < size {
		now = max(o.Allocate, 0)
	}
	if now < size || o.Prepare != nil {
		if err := room(int(f.Fd()), now); err != nil {
			return err
		}
		if err := unix.Ftruncate(int(f.Fd()), size); err != nil {
			return fmt.Errorf("%w: %d: %w", ErrSize, size, err)
		}
	}
	if o.Prepare != nil {
		o.Prepare(f)
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
