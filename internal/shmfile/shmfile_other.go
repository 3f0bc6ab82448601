//go:build !linux

package shmfile

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
)

func unsupported(verb string) error {
	return fmt.Errorf("%s shared memory: %w on %s", verb, errors.ErrUnsupported, runtime.GOOS)
}

// Create is not available on this system.
func Create(name string, size int64, o Options) (f *os.File, created bool, err error) {
	return nil, false, unsupported("create")
}

// Open is not available on this system.
func Open(ctx context.Context, name string, o OpenOptions) (*os.File, error) {
	return nil, unsupported("open")
}

// Unlink is not available on this system.
func Unlink(name string) error { return unsupported("unlink") }

// Identify is not available on this system.
func Identify(f *os.File, want Spec) (Spec, error) { return Spec{}, unsupported("identify") }

// Allocate is not available on this system.
func Allocate(f *os.File, off, n int64) error { return unsupported("allocate") }

// Punch is not available on this system.
func Punch(f *os.File, off, n int64) error { return unsupported("punch") }

// Size is not available on this system.
func Size(f *os.File) (int64, error) { return 0, unsupported("stat") }

// Truncatable is always true on this system.
func Truncatable(f *os.File) bool { return true }

// ReadOnly is always true on this system.
func ReadOnly(f *os.File) bool { return true }

// Namespace is not available on this system.
func Namespace() (uint64, error) { return 0, unsupported("find the pid namespace of") }
