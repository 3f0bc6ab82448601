package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTurnsInARow(t *testing.T) {
	for _, c := range []struct {
		sides []uint32
		want  int64
	}{
		{[]uint32{1}, 1},
		{[]uint32{1, 2, 1, 2}, 1},
		{[]uint32{1, 1, 2, 2, 2, 1}, 3},
		{[]uint32{2, 1, 1}, 2},
	} {
		var row turns
		for _, side := range c.sides {
			row.count(side)
		}
		require.Equal(t, c.want, row.longestRow, c.sides)
	}
}

// Two and four processes contend, and what they did adds up.
func TestHandOverOfOurs(t *testing.T) {
	r, err := newRig(t.Context())
	require.NoError(t, err)
	defer r.close()
	at, _ := r.place(unpinned)
	for _, p := range []*pair{mutex, permits} {
		for _, job := range []string{jobHandOver, jobHandOverFour} {
			t.Run(p.name+" "+job, func(t *testing.T) {
				o, err := p.run(t.Context(), r, trial{job, 0, at, tiny.timing})
				require.NoError(t, err)
				checkHandOver(t, o, sides(job))
				require.Empty(t, children(t))
			})
		}
	}
}

func checkHandOver(t *testing.T, o *outcome, sides int) {
	require.Positive(t, o.ops)
	require.Positive(t, o.extra[longestWait])
	require.Less(t, o.extra[longestWait], float64(watchdog))
	require.InDelta(t, (1+1/float64(sides))/2, o.extra[jainIndex], (1-1/float64(sides))/2+1e-4)
	require.InDelta(t, 0.5, o.extra[leastToMost], 0.5)
	require.GreaterOrEqual(t, o.extra[longestRow], 1.0)
	require.LessOrEqual(t, o.extra[longestRow], float64(o.ops))
}

// Operations that were not counted under the lock are found.
func TestMiscountIsAnError(t *testing.T) {
	m := &meeting{counter: 4}
	m.parts[0].ops, m.parts[1].ops = 2, 3
	m.parts[0].ended.Store(1)
	m.parts[1].ended.Store(1)
	o := &order{Job: jobContended}
	_, err := m.sum(o, time.Second, false)
	require.ErrorIs(t, err, errMiscounted)
	out, err := m.sum(o, time.Second, true)
	require.NoError(t, err)
	require.Equal(t, int64(5), out.ops)
	require.Equal(t, 0.4, out.extra[lessShare])
}
