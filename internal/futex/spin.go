package futex

import (
	"runtime"
	"sync/atomic"
	"time"
)

// Spinner decides how long one waiter spins before it sleeps. The zero
// value is ready; goroutines may share one, and then its advice is a mixture.
//
// The budget follows what spinning brought: a wait that ended while it span,
// or whose sleep was so short that spinning would have seen its end, raises
// it; a long sleep halves it, so that a wait which usually ends in sleep stops
// spinning. This is the competitive rule of Karlin, Li, Manasse and Owicki
// (SOSP 1991): never spin for much longer than a sleep costs.
type Spinner struct{ budget atomic.Uint32 }

const (
	minSpin   = 8
	firstSpin = 512
	maxSpin   = 4096 // about 40 µs, the price of a sleep and a wake between cores

	// worthSpinning is a sleep after which it would have been better to spin.
	worthSpinning = 40 * time.Microsecond
)

// Rounds returns how many rounds to spin now: read the condition, mem.Pause(1),
// again. It is 0 where no other processor could change the condition
// meanwhile.
func (s *Spinner) Rounds() uint32 {
	if !canSpin() {
		return 0
	}
	if n := s.budget.Load(); n != 0 {
		return n
	}
	return firstSpin
}

// Won notes that the condition came true while it span.
func (s *Spinner) Won() {
	if n := s.budget.Load(); n != 0 && n < maxSpin {
		s.budget.Store(n + n/8 + 1)
	}
}

// Slept notes that spinning was in vain, and the sleep took so long.
func (s *Spinner) Slept(d time.Duration) {
	n := s.budget.Load()
	if n == 0 {
		n = firstSpin
	}
	if d < worthSpinning {
		s.budget.Store(min(2*n, maxSpin))
	} else {
		s.budget.Store(max(n/2, minSpin))
	}
}

var procs atomic.Int32

func canSpin() bool {
	n := procs.Load()
	if n == 0 {
		n = refreshProcs()
	}
	return n > 1
}

// refreshProcs reads on how many processors this process may run at once. It
// takes the scheduler's lock, so the result is kept; the look renews it.
func refreshProcs() int32 {
	n := int32(min(runtime.GOMAXPROCS(0), runtime.NumCPU()))
	procs.Store(n)
	return n
}
