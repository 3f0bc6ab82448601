package shmfile

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// Allocate gives n bytes of the file from off on memory, all of them now: with a
// hole, running out of memory later would be a SIGBUS at some store. What is
// there stays, and so does the size of the file: one that was truncated is not made
// whole. After an error, ErrNoSpace or ErrSize, some may be allocated.
func Allocate(f *os.File, off, n int64) error {
	return allocate(int(f.Fd()), off, n, unix.FALLOC_FL_KEEP_SIZE)
}

// Punch gives the memory of n bytes of the file from off on back to the system.
// They read as zeros. off and n must be multiples of the page size.
func Punch(f *os.File, off, n int64) error {
	for {
		err := unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, off, n)
		if err == nil {
			return nil
		}
		if !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("give %d bytes back: %w", n, err)
		}
	}
}

func allocate(fd int, off, size int64, mode uint32) error {
	if err := room(fd, size); err != nil {
		return err
	}
	// A signal makes tmpfs undo the whole call, so that one long call could
	// start over for ever under a profiler's timer.
	const step = 16 << 20
	for end := off + size; off < end; {
		n := min(step, end-off)
		err := unix.Fallocate(fd, mode, off, n)
		switch {
		case err == nil:
			off += n
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.ENOMEM):
			return fmt.Errorf("%w: allocate %d bytes: %w", ErrNoSpace, size, err)
		case errors.Is(err, unix.EFBIG):
			return fmt.Errorf("%w: %d: %w", ErrSize, size, err)
		default:
			return fmt.Errorf("allocate %d bytes: %w", size, err)
		}
	}
	return nil
}

// askFrom is the size from which room asks what the machine has left.
const askFrom = 16 << 20

// room refuses what cannot succeed, before trying takes the last memory away
// from everybody else: a memfd has no limit of its own, and allocating more
// than there is ends with the kernel killing processes.
func room(fd int, size int64) error {
	if size < askFrom {
		return nil
	}
	var st unix.Statfs_t
	if err := unix.Fstatfs(fd, &st); err != nil {
		return fmt.Errorf("statfs: %w", err)
	}
	if st.Blocks != 0 && uint64(size) > st.Bavail*uint64(st.Bsize) {
		return fmt.Errorf("%w: %d bytes wanted, %d left where it lies: %w", ErrNoSpace, size, st.Bavail*uint64(st.Bsize), unix.ENOSPC)
	}
	if st.Type != unix.TMPFS_MAGIC {
		return nil // a disk, or huge pages, which were taken from memory before
	}
	f, err := os.Open("/proc/meminfo")
	if err != nil {
		return nil // then fallocate decides alone
	}
	defer f.Close()
	if left, ok := memoryLeft(f); ok && size > left {
		return fmt.Errorf("%w: %d bytes wanted, %d of memory left: %w", ErrNoSpace, size, left, unix.ENOSPC)
	}
	return nil
}

// memoryLeft reads from /proc/meminfo how many bytes of memory and swap can
// still be had.
func memoryLeft(meminfo io.Reader) (bytes int64, ok bool) {
	for s := bufio.NewScanner(meminfo); s.Scan(); {
		field, rest, _ := strings.Cut(s.Text(), ":")
		if field != "MemAvailable" && field != "SwapFree" {
			continue
		}
		var kib int64
		if _, err := fmt.Sscanf(rest, "%d kB", &kib); err != nil {
			return 0, false
		}
		bytes += kib << 10
		ok = ok || field == "MemAvailable"
	}
	return bytes, ok
}
