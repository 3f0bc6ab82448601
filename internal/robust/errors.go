package robust

import (
	"errors"
	"os"
)

var (
	// ErrBusy says that a living process holds what was asked for.
	ErrBusy = errors.New("in use")

	// ErrHeld is returned by Take when the cell did not hold the value.
	ErrHeld = errors.New("cell has changed")

	// ErrClosed says that the memory has been closed.
	ErrClosed = os.ErrClosed

	// ErrNoKeeper says that the process has no robust list: the kernel or a
	// seccomp profile refused set_robust_list.
	ErrNoKeeper = errors.New("robust lists are not available")
)
