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
	for range 20 {
		before := s.Rounds()
		s.Slept(time.Microsecond)
		require.GreaterOrEqual(t, s.Rounds(), before)
	}
	require.EqualValues(t, maxSpin, s.Rounds())
	s.Slept(time.Second)
	require.EqualValues(t, maxSpin/2, s.Rounds())
	for range 1000 {
		before := s.Rounds()
		s.Won()
		require.GreaterOrEqual(t, s.Rounds(), before)
	}
	require.GreaterOrEqual(t, s.Rounds(), uint32(maxSpin))
	require.LessOrEqual(t, s.Rounds(), uint32(2*maxSpin))
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
