package shm

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// prefault fills in the page table of mapped memory.
func prefault(b []byte, readOnly bool) error {
	advice := unix.MADV_POPULATE_WRITE
	if readOnly {
		advice = unix.MADV_POPULATE_READ
	}
	err := unix.Madvise(b, advice)
	switch {
	case errors.Is(err, unix.EFAULT):
		return ErrTruncated
	case errors.Is(err, unix.EINVAL): // before Linux 5.14
		return unix.Madvise(b, unix.MADV_WILLNEED)
	}
	return err
}

// memlockError says what the limit is where mlock has met it.
func memlockError(err error) error {
	var limit unix.Rlimit
	if !errors.Is(err, unix.ENOMEM) && !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.EAGAIN) ||
		unix.Getrlimit(unix.RLIMIT_MEMLOCK, &limit) != nil {
		return err
	}
	return fmt.Errorf("%w (RLIMIT_MEMLOCK lets this process lock %d bytes)", err, limit.Cur)
}
