package semaphore

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// Whatever moves from count to count, no reader gets lost, and nobody's tag
// changes but when the seat changes hands.
func TestRWMutexWord(t *testing.T) {
	sum := func(w rwWord) rwWord { return w.active() + w.waiting() + w.granted() }
	for range 10000 {
		w := rwWord(rand.Uint64())
		if rand.IntN(2) == 0 {
			w &^= rwWaitings | rwGrants // few
			w |= rwWord(rand.IntN(3))*rwWaiting | rwWord(rand.IntN(3))*rwGranted
		}
		tag, phase := w&rwTags, w.phase()

		o := w.opened()
		require.Equal(t, []rwWord{tag, 0, 0, w.active()}, []rwWord{o & rwTags, o & rwClosed, o.waiting(), o.active()})
		require.Equal(t, (phase+rwPhase)&rwPhases, o.phase())
		require.Equal(t, min(w.waiting()+w.granted(), rwMost), o.granted())

		r := w.revoked()
		require.Equal(t, []rwWord{tag, phase, w & rwClosed, 0, w.active()}, []rwWord{r & rwTags, r.phase(), r & rwClosed, r.granted(), r.active()})
		require.Equal(t, min(w.waiting()+w.granted(), rwMost), r.waiting())
		require.NotZero(t, r&rwAbsent)

		if next, ok := w.registered(); ok {
			require.Equal(t, []rwWord{tag, phase, w.waiting() + 1, sum(w) + 1}, []rwWord{next & rwTags, next.phase(), next.waiting(), sum(next)})
			require.LessOrEqual(t, sum(next), rwMost)
		} else {
			require.True(t, w.waiting()+w.granted() >= rwRegistrable || sum(w) >= rwMost)
		}
		if next, err := w.claimed(); err == nil {
			require.Equal(t, []rwWord{tag, phase, w.active() + 1, sum(w)}, []rwWord{next & rwTags, next.phase(), next.active(), sum(next)})
		} else {
			require.ErrorIs(t, err, ErrCorrupt)
			require.Equal(t, w, next)
		}
		v := w.vacated()
		require.Equal(t, []rwWord{tag + rwTag, phase, 0, w & rwClosed}, []rwWord{v & rwTags, v.phase(), v & rwCounts, v & rwClosed})
	}
}
