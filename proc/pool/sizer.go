package pool

import (
	"sync/atomic"
	"time"
)

// sizer decides how many tasks go into a message. A message costs some microseconds,
// whatever is in it; so there are as many as make it last for a hundred times that, and
// no more, so that workers end together and results do not come late.
type sizer struct {
	fixed int
	now   atomic.Int64
}

const (
	worthwhile = 300 * time.Microsecond
	mostAuto   = 8192
	steepest   = 8 // how much faster than before it may grow
)

func newSizer(fixed int) *sizer {
	s := &sizer{fixed: fixed}
	s.now.Store(1)
	return s
}

func (s *sizer) size() int {
	if s.fixed > 0 {
		return s.fixed
	}
	return int(s.now.Load())
}

// took says that a message with n tasks took so long.
func (s *sizer) took(n int, d time.Duration) {
	each := max(d/time.Duration(n), 1)
	want := min(int64(worthwhile/each), mostAuto, steepest*int64(n))
	// A slow one counts at once, a fast one by half.
	if old := s.now.Load(); want > old {
		want = (old + want + 1) / 2
	}
	s.now.Store(max(want, 1))
}
