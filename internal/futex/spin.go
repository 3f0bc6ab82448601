package futex

import (
	"runtime"
	"sync/atomic"
	"time"
)

// Spinner decides how long one waiter spins before it sleeps. The zero value
// is ready; goroutines may share one, and then its advice is a mixture.
//
// The budget follows what spinning brought: a wait that ended while it span,
// or whose sleep was so short that spinning would have seen its end, raises
// it; a long sleep halves it, so that a wait which usually ends in sleep stops
// spinning. This is the competitive rule of Karlin, Li, Manasse and Owicki
// (SOSP 1991): never spin for much longer than a sleep costs.
//
// Two cases would deceive it. Where the peer shares this processor, spinning
// keeps it from running, and the sleep that follows is short: so a whole
// maxSpin in vain before a short sleep marks spinning as futile. And with a
// small budget nothing would show that spinning pays again: so every so many
// waits one probes with maxSpin.
type Spinner struct{ state atomic.Uint32 }

// A Spinner's state: the budget, how many waits have passed since the last
// probe, whether the wait under way is one, and whether spinning is futile.
const (
	budgetMask = 1<<16 - 1
	oneWait    = 1 << 16
	waitsMask  = 63 << 16
	probing    = 1 << 30
	futile     = 1 << 31
)

const (
	minSpin   = 8
	againSpin = 64
	firstSpin = 512
	maxSpin   = 4096 // about 40 µs, the price of a sleep and a wake between cores

	// worthSpinning is a sleep after which it would have been better to spin.
	worthSpinning = 40 * time.Microsecond
)

// Rounds returns how many rounds to spin in a wait that begins: read the
// condition, mem.Pause(1), again. It is 0 where no other processor could change
// the condition meanwhile.
func (s *Spinner) Rounds() uint32 {
	if !canSpin() {
		return 0
	}
	v := s.state.Load()
	n := v & budgetMask
	if n == 0 {
		return firstSpin
	}
	if n >= firstSpin {
		return n
	}
	waits := (v + oneWait) & waitsMask
	v = v&^(waitsMask|probing) | waits
	if waits == 0 {
		n, v = maxSpin, v|probing
	}
	s.state.Store(v)
	return n
}

// Again returns how many rounds to spin in a wait that goes on after a sleep.
func (s *Spinner) Again() uint32 {
	if !canSpin() {
		return 0
	}
	return min(s.state.Load()&budgetMask, againSpin)
}

// Won notes that the condition came true while it span.
func (s *Spinner) Won() {
	v := s.state.Load()
	n := v & budgetMask
	switch {
	case v&probing != 0:
		s.state.Store(firstSpin)
	case n != 0 && n < maxSpin:
		s.state.Store(v&^budgetMask | min(n+n/8+1, maxSpin))
	}
}

// Slept notes that spinning was in vain, and the sleep took so long.
func (s *Spinner) Slept(d time.Duration) {
	v := s.state.Load() &^ probing
	n := v & budgetMask
	if n == 0 {
		n = firstSpin
	}
	v &^= budgetMask
	switch {
	case d >= worthSpinning || v&futile != 0:
		v |= max(n/2, minSpin)
	case n >= maxSpin:
		v |= futile | minSpin
	default:
		v |= min(2*n, maxSpin)
	}
	s.state.Store(v)
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

// makeWay lets other goroutines run before this one's thread sleeps, where
// they have no other processor to run on. Elsewhere it would wake an idle
// thread for nothing.
func makeWay() {
	if !canSpin() {
		runtime.Gosched()
	}
}
