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

// Gone says whether no thread of p can store anything any more.
func (p Process) Gone() bool { return processGone(p.PID, p.Start) }

// The fence asks again after fenceFirst, then after twice that, up to
// fenceLast. Threads of a killed process end within microseconds, unless they
// are deep in a system call.
const (
	fenceFirst = 50 * time.Microsecond
	fenceLast  = 5 * time.Millisecond
)

// AwaitGone is the take-over fence: it returns nil when p, whose keeper the
// kernel has reported dead, cannot store to shared memory any more. Only the
// ending of p or ctx ends the wait.
func AwaitGone(ctx context.Context, p Process) error {
	for d := fenceFirst; !p.Gone(); d = min(2*d, fenceLast) {
		t := time.NewTimer(d)
		select {
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		case <-t.C:
		}
	}
	return nil
}
