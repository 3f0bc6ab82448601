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

// awaitGone is the take-over fence: it returns nil when the process whose
// keeper the kernel has reported dead cannot store to shared memory any more.
// dead names it, and is asked again each time, because the record may by then
// name a living process that has taken over: false says that somebody has, and
// so has passed the fence.
func awaitGone(ctx context.Context, dead func() (p Process, still bool)) error {
	for d := fenceFirst; ; d = min(2*d, fenceLast) {
		if p, still := dead(); !still || p.Gone() {
			return nil
		}
		t := time.NewTimer(d)
		select {
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		case <-t.C:
		}
	}
}
