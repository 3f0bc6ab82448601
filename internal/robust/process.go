package robust

import (
	"context"
	"time"
)

// Process identifies a process beyond the reuse of its pid.
type Process struct {
	PID   uint32
	Start uint64 // clock ticks after boot
}

// The fence asks again after fenceFirst, then after twice that, up to
// fenceLast. Threads of a killed process end within microseconds, unless they
// are deep in a system call.
const (
	fenceFirst = 50 * time.Microsecond
	fenceLast  = 5 * time.Millisecond
)

// awaitGone is the take-over fence: it returns nil when the process whose
// keeper the kernel has reported dead cannot store to shared memory any more.
// It returns ErrHeld when stop, asked each time if it is not nil, says that the
// answer does not matter any more; and the context's error.
func awaitGone(ctx context.Context, dead ident, stop func() bool) error {
	for d := fenceFirst; !dead.gone(); d = min(2*d, fenceLast) {
		t := time.NewTimer(d)
		select {
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		case <-t.C:
		}
		if stop != nil && stop() {
			return ErrHeld
		}
	}
	return nil
}
