//go:build explore

package explore

import (
	"context"
	"errors"
	"testing"

	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/mem"
	"github.com/stretchr/testify/require"
)

// race is a model of two processes that each add one to a counter, not as one step.
func race(switches int, add func(p *Proc, n *mem.Uint32)) Report {
	return Run(Model{Memory: 8, Switches: switches, Setup: func(w *World) {
		n := At[mem.Uint32](w, 0)
		for range 2 {
			w.Go(func(p *Proc) { add(p, n) })
		}
		w.Final = func() error {
			if n.Load() != 2 {
				return errors.New("an addition was lost")
			}
			return nil
		}
	}})
}

func addInSteps(_ *Proc, n *mem.Uint32) { n.Store(n.Load() + 1) }

// TestSwitches bounds how often a process is interrupted.
func TestSwitches(t *testing.T) {
	require.Nil(t, race(-1, addInSteps).Violation)
	require.NotNil(t, race(1, addInSteps).Violation)
	require.NotNil(t, race(0, addInSteps).Violation)
}

func TestAtomically(t *testing.T) {
	rep := race(0, func(p *Proc, n *mem.Uint32) {
		p.Step()
		p.Atomically(func() { addInSteps(p, n) })
	})
	require.Nil(t, rep.Violation)
	require.Equal(t, 2, rep.Steps)
}

// TestQuiet finds out that a word is not as quiet as the model says.
func TestQuiet(t *testing.T) {
	for _, store := range []bool{false, true} {
		rep := Run(Model{Memory: 8, Setup: func(w *World) {
			n := At[mem.Uint32](w, 0)
			w.Quiet(n)
			for range 2 {
				w.Go(func(p *Proc) {
					p.Step()
					if n.Load(); store {
						n.Store(1)
					}
				})
			}
		}})
		require.Equal(t, store, rep.Violation != nil)
	}
}

// TestTally lets schedules meet that differ only in what was counted.
func TestTally(t *testing.T) {
	explored := func(tally bool) Report {
		rep := Run(Model{Memory: 16, Setup: func(w *World) {
			n, count := At[mem.Uint32](w, 0), At[mem.Uint64](w, 8)
			if tally {
				w.Tally(count)
			}
			for range 2 {
				w.Go(func(p *Proc) {
					for range 3 {
						if n.Add(1)%2 == 0 {
							count.Store(count.Load() + 1)
						}
					}
				})
			}
		}})
		require.Nil(t, rep.Violation)
		return rep
	}
	require.Less(t, explored(true).States, explored(false).States/2)
	require.Equal(t, 6, explored(true).Steps)
}

// TestRest shows a lost wake that a process's end would hide: the kernel marks its
// words and wakes.
func TestRest(t *testing.T) {
	for _, rests := range []bool{true, false} {
		rep := Run(Model{Memory: 8, Setup: func(w *World) {
			held := At[mem.Uint32](w, 0)
			w.Robust(held)
			var holder *Proc
			holder = w.Go(func(p *Proc) {
				held.Store(p.tid() | 1<<31)
				if rests {
					p.Rest()
				}
			})
			w.Go(func(p *Proc) {
				p.Until(func() bool { return held.Load() != 0 })
				_ = futex.Sleep(context.Background(), held, holder.tid()|1<<31, nil)
			})
		}})
		require.Equal(t, rests, rep.Violation != nil)
	}
}

// TestForgetting lets schedules meet that differ only in what does not matter.
func TestForgetting(t *testing.T) {
	states := func(forgets bool) int {
		rep := Run(Model{Memory: 8, Setup: func(w *World) {
			n := At[mem.Uint32](w, 0)
			w.Go(func(p *Proc) {
				for i := range uint32(4) {
					n.Store(i)
				}
			})
			w.Go(func(p *Proc) {
				ctx := p.Forgetting(func() []uint64 { return []uint64{} })
				p.Pure(func() bool { return n.Load() < 9 })
				n.Load()
				if forgets {
					_ = ctx.Err()
				}
				n.Load()
				p.Step()
			})
		}})
		require.Nil(t, rep.Violation)
		return rep.States
	}
	require.Less(t, states(true), states(false))
}
