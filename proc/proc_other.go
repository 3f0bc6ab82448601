//go:build !linux

package proc

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"

	"github.com/shmkit/shmkit/internal/handle"
)

func spawn(_ context.Context, _ bootstrap, hs []handle.Handle, _ *Options) (*Process, error) {
	for _, h := range hs {
		h.Failed()
	}
	return nil, fmt.Errorf("processes on %s: %w", runtime.GOOS, errors.ErrUnsupported)
}

func (*Cmd) launch(*Process, luggage) error {
	return fmt.Errorf("processes on %s: %w", runtime.GOOS, errors.ErrUnsupported)
}

func (wireFile) inherited() bool { return false }

// report would be a child's connection to its parent.
type report struct{}

func (report) fail(error) {}

// A bell does not ring where no process ends.
type bell struct{}

func (*bell) file() (*os.File, error) { return nil, errors.ErrUnsupported }
func (*bell) ring()                   {}

func rungBell() (*os.File, error) { return nil, errors.ErrUnsupported }

func inherit() (inherited, bool) { return inherited{}, false }

func awaitParent(int) {}

func kill(int, syscall.Signal) error { return errors.ErrUnsupported }
