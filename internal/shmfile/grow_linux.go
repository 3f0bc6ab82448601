package shmfile

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shmkit/shmkit/internal/crashpoint"
)

// Growing a file that others have mapped, with any number of growers at once:
//
//	lock the byte growByte, on an open description of this call's own
//	size >= wanted: done
//	0. clear the rest of the last page, where maps reach behind the end
//	1. allocate what lies between size and wanted, behind the end of the file
//	2. size := wanted
//	unlock
//
// Nobody sees the new size before its memory is there, and step 2 is one store of
// the kernel's. Only a grower changes the size, and never makes it smaller: under
// the lock it knows that nobody else has made it larger. If memory ends in step 1,
// what it had taken is given back, again behind the end, where under the lock
// nobody else has anything.
//
// A grower that dies before step 2 leaves the size as it was, and perhaps memory
// behind the end. The next one gives back what it does not use of that itself. The
// lock goes with the death. A grower that is stopped holds up other growers and
// nobody else; they go on when their context ends.
//
// The lock is on a description of its own, by way of /proc/self/fd: handles that
// travelled share one, and locks of one description do not exclude each other.
// growByte lies behind the end of any file, before the bytes of lock_linux.go, so
// that growing and removing do not meet.
const growByte = 1 << 59

// Grow makes the file at least size bytes long, and allocates the memory for that
// first unless sparse. It never makes it shorter. After an error (ErrSize,
// ErrSealed, ErrNoSpace, ctx's, the system's) it is as long as it was.
func Grow(ctx context.Context, f *os.File, size int64, sparse bool) error {
	if size <= 0 {
		return fmt.Errorf("grow: %w: %d", ErrSize, size)
	}
	if err := grow(ctx, f, size, sparse); err != nil {
		return fmt.Errorf("grow to %d bytes: %w", size, err)
	}
	return nil
}

func grow(ctx context.Context, f *os.File, size int64, sparse bool) error {
	if seals, err := unix.FcntlInt(f.Fd(), unix.F_GET_SEALS, 0); err == nil && seals&unix.F_SEAL_GROW != 0 {
		return fmt.Errorf("%w: it was not made to grow", ErrSealed)
	}
	own, err := reopen(f)
	if err != nil {
		return err
	}
	defer unix.Close(own)
	if err := lockToGrow(ctx, own); err != nil {
		return err
	}
	crashpoint.Hit("shmfile/grow-locked")
	now, err := Size(f)
	if err != nil || now >= size {
		return err
	}
	if rest := -now & int64(unix.Getpagesize()-1); rest > 0 {
		// Not every file system can; there it is as whoever overran the end left it.
		_ = unix.Fallocate(own, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, now, rest)
	}
	if !sparse {
		if err := allocate(own, now, size-now, unix.FALLOC_FL_KEEP_SIZE); err != nil {
			_ = punchBehind(own, now)
			return err
		}
	}
	crashpoint.Hit("shmfile/grow-allocated")
	if err := unix.Ftruncate(own, size); err != nil {
		_ = punchBehind(own, now)
		if errors.Is(err, unix.EFBIG) || errors.Is(err, unix.EINVAL) {
			return fmt.Errorf("%w: %w", ErrSize, err)
		}
		return err
	}
	crashpoint.Hit("shmfile/grow-published")
	_ = punchBehind(own, size) // what it does not give back stays until the next time
	return nil
}

// reopen returns a descriptor of another open description of the same file.
func reopen(f *os.File) (int, error) {
	fd, err := unix.Open(fmt.Sprintf("/proc/self/fd/%d", f.Fd()), unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("open %s again: %w", f.Name(), err)
	}
	return fd, nil
}

// lockToGrow waits for other growers.
func lockToGrow(ctx context.Context, fd int) error {
	tick := time.NewTimer(0)
	defer tick.Stop()
	for {
		err := lock(uintptr(fd), unix.F_WRLCK, growByte, 1)
		if !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EACCES) {
			if err != nil {
				err = fmt.Errorf("lock: %w", err)
			}
			return err
		}
		tick.Reset(growLook)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// growLook is how often a grower looks whether another one has finished: fcntl's own
// wait would hold a thread and not end with a context.
const growLook = time.Millisecond

// punchBehind gives back all memory behind the end of the file, which is at size.
// Only a grower with the lock may.
func punchBehind(fd int, size int64) error {
	page := int64(unix.Getpagesize())
	end := (size + page - 1) &^ (page - 1)
	err := unix.Fallocate(fd, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, end, growByte-end)
	if errors.Is(err, unix.EFBIG) || errors.Is(err, unix.EOPNOTSUPP) {
		return unix.Ftruncate(fd, size) // a disk: to the same size trims what is behind
	}
	return err
}

// Allocated returns how much memory or disk the file takes, in bytes.
func Allocated(f *os.File) (int64, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return 0, fmt.Errorf("stat %s: %w", f.Name(), err)
	}
	return st.Blocks * 512, nil
}

// HugePage returns the size in bytes of the huge pages of which the file consists, 0
// if it is of ordinary ones.
func HugePage(f *os.File) int {
	var st unix.Stat_t
	if unix.Fstat(int(f.Fd()), &st) != nil || int(st.Blksize) <= unix.Getpagesize() {
		return 0
	}
	var fs unix.Statfs_t
	if unix.Fstatfs(int(f.Fd()), &fs) != nil || uint32(fs.Type) != unix.HUGETLBFS_MAGIC {
		return 0
	}
	return int(fs.Bsize)
}
