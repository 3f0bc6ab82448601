//go:build explore

package explore

import (
	"fmt"
	"testing"

	"github.com/shmkit/shmkit/internal/mem"
	"github.com/stretchr/testify/require"
)

// counter is two processes that each make n increments, atomic or not.
func counter(n int, atomic bool, ends map[uint64]int) Model {
	return Model{Memory: 8, Setup: func(w *World) {
		c := At[mem.Uint64](w, 0)
		for range 2 {
			w.Go(func(p *Proc) {
				for range n {
					if atomic {
						c.Add(1)
					} else {
						c.Store(c.Load() + 1)
					}
				}
			})
		}
		w.Final = func() error {
			ends[c.Load()]++
			if v := c.Load(); atomic && v != uint64(2*n) {
				return fmt.Errorf("%d increments gave %d", 2*n, v)
			}
			return nil
		}
	}}
}

func TestCounter(t *testing.T) {
	ends := make(map[uint64]int)
	require.Nil(t, Run(counter(3, true, ends)).Violation)
	require.Len(t, ends, 1)

	// Every end that is possible is found: 2 to 6 for three load-store pairs
	// each (the classic puzzle; 1 is not possible).
	ends = make(map[uint64]int)
	require.Nil(t, Run(counter(3, false, ends)).Violation)
	require.Len(t, ends, 5)
	for v := uint64(2); v <= 6; v++ {
		require.Contains(t, ends, v)
	}
}

// Without merging, n independent steps each of two processes have (2n over n)
// interleavings.
func TestCountsAreExact(t *testing.T) {
	independent := func(noMerge bool, deaths int) Report {
		return Run(Model{Memory: 16, NoMerge: noMerge, Deaths: deaths, Setup: func(w *World) {
			for i := range 2 {
				word := At[mem.Uint64](w, 8*i)
				w.Go(func(p *Proc) {
					for n := range 3 {
						word.Store(uint64(n + 1))
					}
				})
			}
		}})
	}
	all := independent(true, 0)
	require.Equal(t, 20, all.Schedules)
	// A state is how far each has come, but for the end.
	require.Equal(t, 15, all.States)
	merged := independent(false, 0)
	require.Equal(t, 15, merged.States)
	require.Less(t, merged.Schedules, 20)
	// With one death: the 15; and for either victim, where it died (3 places)
	// and how far the survivor has come (3 places before its end), and the
	// survivor killed after the other has ended, which is the end.
	require.Equal(t, 15+2*9, independent(false, 1).States)
}

// Merging loses nothing: the ends of all schedules are the same set.
func TestMergingIsSound(t *testing.T) {
	for n := 1; n <= 3; n++ {
		merged, all := make(map[uint64]int), make(map[uint64]int)
		m := counter(n, false, merged)
		a := counter(n, false, all)
		m.Deaths, a.Deaths = 1, 1
		a.NoMerge = true
		rm, ra := Run(m), Run(a)
		require.Nil(t, rm.Violation)
		require.Nil(t, ra.Violation)
		require.Less(t, rm.Schedules, ra.Schedules)
		require.Equal(t, rm.States, ra.States)
		for v := range all {
			require.Contains(t, merged, v)
		}
		require.Len(t, merged, len(all))
	}
}

func TestContextEnds(t *testing.T) {
	ended := 0
	rep := Run(Model{Memory: 8, Setup: func(w *World) {
		word := At[mem.Uint32](w, 0)
		sleeper := w.Go(func(p *Proc) { sleepOn(p, word) })
		w.Go(func(p *Proc) { sleeper.Cancel() })
		w.Final = func() error {
			ended++
			return nil
		}
	}})
	require.Nil(t, rep.Violation)
	require.Positive(t, ended)
	require.Zero(t, rep.Looks)
}
