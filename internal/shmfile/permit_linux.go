package shmfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// permit gives a new file, which nobody else knows yet, its group and its mode.
// The mode comes last, so that a group never has rights that the old one was
// meant to have.
func permit(f *os.File, o Options) error {
	if o.Mode&^fs.ModePerm != 0 {
		return fmt.Errorf("%w: mode %v is more than permissions", ErrOptions, o.Mode)
	}
	if o.Group != 0 {
		if err := f.Chown(-1, o.Group); err != nil {
			return fmt.Errorf("give it to group %d: %w", o.Group, err)
		}
	}
	mode := o.Mode
	if mode == 0 {
		mode = 0o600
	}
	if err := f.Chmod(mode); err != nil { // whatever the umask left of it
		return fmt.Errorf("give it mode %v: %w", mode, err)
	}
	return nil
}

// seal ends what anybody, its creator included, may do to a memfd: shrink it, which
// would make others fault; grow it, unless that was asked for; seal it further.
// With o.Seal nobody can write to it any more, or map it to write, but through the
// maps that there are.
func seal(f *os.File, o Options) error {
	seals := unix.F_SEAL_SHRINK | unix.F_SEAL_SEAL
	if !o.Growable {
		seals |= unix.F_SEAL_GROW
	}
	if o.Seal {
		seals |= unix.F_SEAL_FUTURE_WRITE
	}
	_, err := unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, seals)
	if o.Seal && errors.Is(err, unix.EINVAL) { // before Linux 5.1
		return fmt.Errorf("seal against writing: %w: %w", errors.ErrUnsupported, err)
	}
	if err != nil {
		return fmt.Errorf("seal: %w", err)
	}
	return nil
}

// WriteSealed says whether nobody can write to the file, or map it to write, any
// more.
func WriteSealed(f *os.File) bool {
	seals, err := unix.FcntlInt(f.Fd(), unix.F_GET_SEALS, 0)
	return err == nil && seals&(unix.F_SEAL_FUTURE_WRITE|unix.F_SEAL_WRITE) != 0
}
