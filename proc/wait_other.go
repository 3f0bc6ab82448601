//go:build !linux

package proc

import (
	"context"
	"errors"
	"fmt"
	"runtime"
)

func (w *waiting) watch(context.Context, bool) error {
	return fmt.Errorf("wait on %s: %w", runtime.GOOS, errors.ErrUnsupported)
}
