package shm

import (
	"errors"

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
