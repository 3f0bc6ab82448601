package robust

import "errors"

var (
	// ErrBusy says that a living process holds what was asked for.
	ErrBusy = errors.New("in use")

	// ErrHeld is returned by Take when the cell did not hold the value.
	ErrHeld = errors.New("cell has changed")

	// ErrNoKeeper says that the process has no robust list: the kernel or a
	// seccomp profile refused set_robust_list.
	ErrNoKeeper = errors.New("robust lists are not available")
)
