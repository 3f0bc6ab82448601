package shmfile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// Open opens the named file, which must be a regular file that is not empty,
// and marks it as used by this process. It never creates, changes or removes
// anything. The caller looks into the file next, with Identify if it has a
// header.
//
// With o.Wait it waits until there is such a file, or ctx ends; without, it does
// not look at ctx. The errors are ErrName, ErrNotExist, ErrNoDirectory,
// ErrForeign, ErrTruncated (the file is empty), ErrBusy, and ctx's.
func Open(ctx context.Context, name string, o OpenOptions) (*os.File, error) {
	if err := CheckName(name); err != nil {
		return nil, fmt.Errorf("open: %w", err)
	}
	var f *os.File
	err := patiently(func() (err error) { f, err = open(name, o.ReadOnly); return err })
	if err != nil && o.Wait && mayCome(err) {
		f, err = await(ctx, name, o.ReadOnly)
	}
	if err != nil {
		return nil, fmt.Errorf("open %q: %w", name, err)
	}
	return f, nil
}

// mayCome says whether waiting can help: the object does not exist, or somebody
// is replacing it, or a foreign creator has not given it a size yet.
func mayCome(err error) bool {
	if errors.Is(err, ErrNoDirectory) {
		return false
	}
	return errors.Is(err, ErrNotExist) || errors.Is(err, ErrBusy) || errors.Is(err, ErrTruncated)
}

func await(ctx context.Context, name string, readOnly bool) (*os.File, error) {
	w := watch()
	defer w.close()
	for {
		f, err := open(name, readOnly) // after the watch began: no arrival is missed
		if err == nil || !mayCome(err) {
			return f, err
		}
		if e := w.wait(ctx); e != nil {
			return nil, fmt.Errorf("%w while waiting: %w", e, err)
		}
	}
}

func open(name string, readOnly bool) (*os.File, error) {
	flags := unix.O_RDWR
	if readOnly {
		flags = unix.O_RDONLY
	}
	for {
		f, err := openFile(name, flags)
		if err != nil {
			return nil, err
		}
		st, err := admit(f)
		if err == nil && st.Nlink > 0 {
			hold(f, holding{name: name, owner: users(st.Mode)})
			return f, nil
		}
		f.Close()
		if err != nil {
			return nil, err
		}
		// It was removed or replaced between open and lock: look again.
	}
}

// admit marks a file as used and looks at it.
func admit(f *os.File) (st unix.Stat_t, err error) {
	if err := use(f); err != nil {
		return st, err
	}
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return st, fmt.Errorf("stat: %w", err)
	}
	if st.Size == 0 {
		return st, fmt.Errorf("%w: empty", ErrTruncated)
	}
	return st, nil
}

// openFile opens a regular file and nothing else. O_NONBLOCK is for what is no
// regular file: opening a FIFO would wait for its other end.
func openFile(name string, flags int) (*os.File, error) {
	fd, err := unix.Open(path(name), flags|unix.O_NOFOLLOW|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	switch {
	case errors.Is(err, unix.ENOENT):
		if unix.Access(Dir, unix.F_OK) != nil {
			return nil, fmt.Errorf("%w: %s: %w", ErrNoDirectory, Dir, err)
		}
		return nil, err
	case errors.Is(err, unix.EAGAIN): // see nobodyElse
		return nil, fmt.Errorf("%w: somebody is about to remove it", ErrBusy)
	case errors.Is(err, unix.ELOOP), errors.Is(err, unix.EISDIR), errors.Is(err, unix.ENXIO):
		return nil, fmt.Errorf("%w: %w", ErrForeign, err)
	case err != nil:
		return nil, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("stat: %w", err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		unix.Close(fd)
		return nil, fmt.Errorf("%w: not a regular file", ErrForeign)
	}
	if err := unix.SetNonblock(fd, false); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), path(name)), nil
}

// Identify reads the header of a file, however it was come by, and checks it
// against want: kind and fingerprint. The file may be the work of a hostile
// peer.
func Identify(f *os.File, want Spec) (Spec, error) {
	size, err := Size(f)
	if err != nil {
		return Spec{}, err
	}
	if want.Namespace, err = Namespace(); err != nil {
		return Spec{}, err
	}
	want.Size = size
	b := make([]byte, HeaderSize)
	n, err := f.ReadAt(b, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return Spec{}, fmt.Errorf("read header of %s: %w", f.Name(), err)
	}
	s, err := Check(b[:n], want)
	if err != nil {
		return Spec{}, fmt.Errorf("%s: %w", f.Name(), err)
	}
	return s, nil
}

// Size returns the size of a file, which must be a regular one, in bytes.
func Size(f *os.File) (int64, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return 0, fmt.Errorf("stat %s: %w", f.Name(), err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return 0, fmt.Errorf("%s: %w: not a regular file", f.Name(), ErrForeign)
	}
	return st.Size, nil
}

// Truncatable says whether another process can shrink the file while it is
// mapped: always, unless it is a memfd that was sealed against it.
func Truncatable(f *os.File) bool {
	seals, err := unix.FcntlInt(f.Fd(), unix.F_GET_SEALS, 0)
	return err != nil || seals&unix.F_SEAL_SHRINK == 0
}

// ReadOnly says whether the file was opened without the right to write.
func ReadOnly(f *os.File) bool {
	flags, err := unix.FcntlInt(f.Fd(), unix.F_GETFL, 0)
	return err != nil || flags&unix.O_ACCMODE == unix.O_RDONLY
}
