//go:build !linux

package proc

import (
	"context"
	"errors"
	"fmt"
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

func inherit() (inherited, bool) { return inherited{}, false }

func awaitParent(int) {}

func kill(int, syscall.Signal) error { return errors.ErrUnsupported }
