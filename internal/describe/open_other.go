//go:build !linux

package describe

import (
	"errors"
	"fmt"
	"os"
	"runtime"
)

func unsupported() error { return fmt.Errorf("open: %w on %s", errors.ErrUnsupported, runtime.GOOS) }

// OpenName is not available on this system.
func OpenName(name string) (*os.File, error) { return nil, unsupported() }

// OpenDescriptor is not available on this system.
func OpenDescriptor(pid, fd int) (*os.File, error) { return nil, unsupported() }

// NextData is off on this system.
func NextData(f *os.File, off, size int64) int64 { return off }
