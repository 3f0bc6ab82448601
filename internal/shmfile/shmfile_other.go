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

// CreatePath is not available on this system.
func CreatePath(path string, size int64, o Options) (f *os.File, created bool, err error) {
	return nil, false, unsupported("create")
}

// OpenPath is not available on this system.
func OpenPath(ctx context.Context, path string, o OpenOptions) (*os.File, error) {
	return nil, unsupported("open")
}

// UnlinkPath is not available on this system.
func UnlinkPath(path string) error { return unsupported("unlink") }

// Grow is not available on this system.
func Grow(ctx context.Context, f *os.File, size int64, sparse bool) error {
	return unsupported("grow")
}

// Close closes f.
func Close(f *os.File) error { return f.Close() }

// Abandon closes f.
func Abandon(f *os.File) { f.Close() }

// Ruled is always false on this system.
func Ruled(f *os.File) bool { return false }

// Withdraw does nothing on this system.
func Withdraw(f *os.File) error { return nil }

// Release does nothing on this system.
func Release() {}

// Adopt returns f.
func Adopt(f *os.File, name string) *os.File { return f }

// List is not available on this system.
func List() ([]Info, error) { return nil, unsupported("list") }

// Stat is not available on this system.
func Stat(name string) (i Info, ok bool) { return Info{}, false }

// Sweep is not available on this system.
func Sweep(o *SweepOptions) ([]Info, error) { return nil, unsupported("sweep") }

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

// WriteSealed is never true on this system.
func WriteSealed(f *os.File) bool { return false }

// HugePage is always 0 on this system.
func HugePage(f *os.File) int { return 0 }

// Allocated is not available on this system.
func Allocated(f *os.File) (int64, error) { return 0, unsupported("stat") }

// ReadOnly is always true on this system.
func ReadOnly(f *os.File) bool { return true }

// Namespace is not available on this system.
func Namespace() (uint64, error) { return 0, unsupported("find the pid namespace of") }
