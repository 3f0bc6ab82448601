package futex

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// manyProcessors lets Spinner think that it may spin, or not, until the test
// ends. Nobody sleeps meanwhile, so no look renews the number.
func processors(t *testing.T, n int32) {
	procs.Store(n)
	t.Cleanup(func() { refreshProcs() })
}

func TestSpinnerNeedsTwoProcessors(t *testing.T) {
	var s Spinner
	processors(t, 1)
	require.Zero(t, s.Rounds())
	processors(t, 2)
	require.NotZero(t, s.Rounds())
}

// A wait that usually ends in a long sleep stops spinning, one whose sleeps are
// short spins longer, and one that is won while it spins is kept.
func TestSpinnerAdapts(t *testing.T) {
	processors(t, 2)
	var s Spinner
	first := s.Rounds()
	require.EqualValues(t, firstSpin, first)
	for range 20 {
		before := s.Rounds()
		s.Slept(time.Second)
		require.LessOrEqual(t, s.Rounds(), before)
	}
	require.EqualValues(t, minSpin, s.Rounds())
	for s.Rounds() < maxSpin/2 {
		before := s.state.Load() & budgetMask
		s.Slept(time.Microsecond)
		require.Greater(t, s.state.Load()&budgetMask, before)
	}
	s.Slept(time.Second)
	require.Less(t, s.Rounds(), uint32(maxSpin/2))
	for range 1000 {
		before := s.state.Load() & budgetMask
		s.Won()
		require.GreaterOrEqual(t, s.state.Load()&budgetMask, before)
	}
	require.EqualValues(t, maxSpin, s.Rounds())
}

// Where the peer cannot run while this one spins, short sleeps do not mean that
// longer spinning would help.
func TestSpinnerSeesThatItIsFutile(t *testing.T) {
	processors(t, 2)
	var s Spinner
	for range 20 {
		s.Slept(time.Microsecond)
	}
	require.LessOrEqual(t, s.state.Load()&budgetMask, uint32(minSpin))
	require.LessOrEqual(t, s.Again(), uint32(againSpin))
}

// A small budget does not last for ever: now and then a wait probes whether
// spinning pays again.
func TestSpinnerProbes(t *testing.T) {
	processors(t, 2)
	var s Spinner
	for range 20 {
		s.Slept(time.Second)
	}
	probes := 0
	for range 3 * 64 {
		if s.Rounds() == maxSpin {
			probes++
			if probes < 3 {
				s.Slept(time.Second)
			} else {
				s.Won()
				break
			}
		}
	}
	require.Equal(t, 3, probes)
	require.EqualValues(t, firstSpin, s.Rounds())
}

func TestSpinnerIsAdviceForMany(t *testing.T) {
	processors(t, 2)
	var s Spinner
	done := make(chan struct{})
	for range 4 {
		go func() {
			for i := range 10_000 {
				s.Won()
				s.Slept(time.Duration(i) * time.Microsecond)
			}
			done <- struct{}{}
		}()
	}
	for range 4 {
		<-done
	}
	require.GreaterOrEqual(t, s.Rounds(), uint32(minSpin))
	require.LessOrEqual(t, s.Rounds(), uint32(2*maxSpin))
}
