package pool

import (
	"math"
	"sync"
	"time"
)

// A fuse ends a worker whose task goes on after its time of grace. When stop has returned it
// never will, and while it does, stop does not return: so no task that comes later is the
// one that ran when the process ended.
type fuse struct {
	timer *time.Timer
	mu    sync.Mutex
	out   bool
}

// lightFuse has burn called after a time, unless it is stopped.
func lightFuse(after time.Duration, burn func()) *fuse {
	f := new(fuse)
	f.timer = time.AfterFunc(after, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		if !f.out {
			burn()
		}
	})
	return f
}

func (f *fuse) stop() {
	f.timer.Stop()
	f.mu.Lock()
	f.out = true
	f.mu.Unlock()
}

// together returns a + b, neither of which is negative, or as much as there is.
func together(a, b time.Duration) time.Duration {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}
