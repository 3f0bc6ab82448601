//go:build !linux

package ringbuf

import (
	"errors"
	"os"
)

// newEvent is not available on this system.
func newEvent() (int, error) { return -1, errors.ErrUnsupported }

// dupEvent is not available on this system.
func dupEvent(fd int) (*os.File, error) { return nil, errors.ErrUnsupported }

// raiseEvent has nothing to raise here.
func raiseEvent(fd int) {}

// drainEvent has nothing to drain here.
func drainEvent(fd int) {}

// closeEvent has nothing to close here.
func closeEvent(fd int) {}
