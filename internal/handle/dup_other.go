//go:build !linux

package handle

import (
	"errors"
	"os"
)

// Dup returns an error that wraps errors.ErrUnsupported.
func Dup(f *os.File) (*os.File, error) {
	_, err := DupFD(f)
	return nil, err
}

// DupFD returns an error that wraps errors.ErrUnsupported.
func DupFD(f *os.File) (int, error) {
	return -1, &os.PathError{Op: "dup", Path: f.Name(), Err: errors.ErrUnsupported}
}
