package shmfile

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shmkit/shmkit/internal/crashpoint"
)

// looks is how often nobodyElse asks: who lists the directory, and who has just
// started a process, has the file open for an instant.
const looks = 5

// nobodyElse returns an ErrBusy if the file is open in another way than through f,
// in whatever process: also if it is only mapped, and without any lock.
//
// The kernel knows: it grants a write lease (fcntl(2), F_SETLEASE) on such files
// only. Nothing is done with the lease. It is given back at once, for as long as it
// is held others' open waits: ours, with O_NONBLOCK, not even that. Should this
// process be stopped just then, the kernel takes the lease away after
// /proc/sys/fs/lease-break-time (45 s). Its signal is SIGURG, which Go programs get
// all the time, and not SIGIO.
func nobodyElse(f *os.File) error {
	fd := f.Fd()
	if _, err := unix.FcntlInt(fd, unix.F_SETSIG, int(unix.SIGURG)); err != nil {
		return fmt.Errorf("ask who has it open: %w", err)
	}
	for n := 1; ; n++ {
		_, err := unix.FcntlInt(fd, unix.F_SETLEASE, unix.F_WRLCK)
		switch {
		case err == nil:
			crashpoint.Hit("shmfile/sweep-leased")
			if _, err := unix.FcntlInt(fd, unix.F_SETLEASE, unix.F_UNLCK); err != nil && !errors.Is(err, unix.EAGAIN) {
				return fmt.Errorf("give the lease back: %w", err) // EAGAIN: it was taken away
			}
			return nil
		case !errors.Is(err, unix.EAGAIN):
			return fmt.Errorf("ask who has it open: %w", err)
		case n == looks:
			return fmt.Errorf("%w: a process that takes no locks has it open", ErrBusy)
		}
		time.Sleep(pause)
	}
}
