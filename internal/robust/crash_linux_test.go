//go:build !explore

package robust

import (
	"context"
	"testing"

	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/stretchr/testify/require"
)

// The scene of the crash walk: cell 0 guards two numbers that are equal when
// nobody holds it; place 2 is a presence.
func change(a area) {
	n := a.number(1, 0).Load()
	a.number(1, 0).Store(n + 1)
	a.number(1, 1).Store(n + 1)
}

// pass locks, repairs if need be, changes and releases.
func pass(t require.TestingT, a area) {
	died, err := lock(a.cell(0))
	require.NoError(t, err)
	if died {
		a.number(1, 1).Store(a.number(1, 0).Load())
	}
	require.Equal(t, a.number(1, 0).Load(), a.number(1, 1).Load())
	change(a)
	require.True(t, a.cell(0).Release())
}

// walker passes every point of the package.
var _ = testproc.Helper("walker", func(c *testproc.Child) {
	a := mapFile(c, c.Files[0], c.Args[0], memOptions)
	for range 20 {
		pass(c, a)
	}
	// With a waiter announced, a release is a system call.
	died, err := lock(a.cell(0))
	require.NoError(c, err)
	if died {
		a.number(1, 1).Store(a.number(1, 0).Load())
	}
	for w := a.cell(0).Word.Load(); !a.cell(0).Word.CompareAndSwap(w, w|Waiters); {
		w = a.cell(0).Word.Load()
	}
	require.True(c, a.cell(0).Release())
	died, err = lock(a.cell(0))
	require.NoError(c, err)
	if died {
		a.number(1, 1).Store(a.number(1, 0).Load())
	}
	a.cell(0).Abandon()
	pass(c, a) // takes over

	p := a.presence(2)
	join(c, p)
	p.Leave()
	join(c, p)
	trust, err := p.Entrust()
	require.NoError(c, err)
	p.Disown(trust)
	join(c, p) // from the dead
	p.Leave()
})

// join joins as soon as nobody living takes part.
func join(t require.TestingT, p *Presence) {
	for {
		word := p.Word.Load()
		err := p.Join(context.Background())
		if err == nil {
			return
		}
		require.ErrorIs(t, err, ErrBusy)
		if StateOf(word) == Vacant {
			continue // somebody has come since, and may have left again: nobody would wake us
		}
		require.NoError(t, futex.Sleep(context.Background(), &p.Word, word, p.CheckOwner))
	}
}

// survivor passes while others die.
var _ = testproc.Helper("survivor", func(c *testproc.Child) {
	a := mapFile(c, c.Files[0], c.Args[0], memOptions)
	c.WriteLine("ready")
	for range 300 {
		pass(c, a)
	}
	join(c, a.presence(2))
	a.presence(2).Leave()
})

func startSurvivors(t *testing.T, v *testproc.Victim, opts ...testproc.Option) []*testproc.Proc {
	var ps []*testproc.Proc
	for _, geometry := range geometries {
		ps = append(ps, testproc.Start(t, "survivor", append(opts, testproc.Args(geometry))...))
	}
	for _, p := range ps {
		p.Expect("ready")
	}
	return ps
}

// At whatever point a process dies, or two, the others go on.
func TestCrashWalk(t *testing.T) {
	var scenarios []func(*testing.T, *testproc.Victim)
	for _, geometry := range geometries {
		// Nobody looks on: what is marked, the kernel has marked.
		scenarios = append(scenarios, func(t *testing.T, v *testproc.Victim) {
			a, f := newArea(t, 4096, "near")
			v.Start("walker", testproc.Files(f), testproc.Args(geometry)).Wait()
			for _, i := range []int{0, 2} {
				require.NotEqual(t, Present, StateOf(a.cell(i).Word.Load()), "place %d", i)
			}
		})
		for _, victims := range []int{1, 2} {
			scenarios = append(scenarios, func(t *testing.T, v *testproc.Victim) {
				a, f := newArea(t, 4096, "near")
				survivors := startSurvivors(t, v, testproc.Files(f))
				var ps []*testproc.Proc
				for range victims {
					ps = append(ps, v.Start("walker", testproc.Files(f), testproc.Args(geometry)))
				}
				for _, p := range append(ps, survivors...) {
					if !killed(p) {
						p.Succeed()
					}
				}
				for _, p := range survivors {
					p.Succeed()
				}
				pass(t, a)
				join(t, a.presence(2))
				a.presence(2).Leave()
			})
		}
	}
	testproc.CrashWalk(t, nil, scenarios...)
}

// At whatever point a process stops, it keeps what it holds, and blocks nobody
// else.
func TestStopWalk(t *testing.T) {
	var scenarios []func(*testing.T, *testproc.Victim)
	for _, geometry := range geometries {
		scenarios = append(scenarios, func(t *testing.T, v *testproc.Victim) {
			a, f := newArea(t, 4096, "near")
			survivors := startSurvivors(t, v, testproc.Files(f))
			p := v.Start("walker", testproc.Files(f), testproc.Args(geometry))
			if p.WaitStopped() {
				ended := 0
				holds := func(c *Cell) bool {
					pid, held := c.OwnerPID()
					return held && pid == p.PID
				}
				await(t, func() bool {
					ended = 0
					for _, s := range survivors {
						select {
						case <-s.Exited():
							ended++
						default:
						}
					}
					return ended == len(survivors) || holds(a.cell(0)) || holds(a.cell(2))
				})
				if ended < len(survivors) {
					for _, i := range []int{0, 2} {
						if c := a.cell(i); holds(c) {
							require.False(t, c.CheckOwner())
							require.True(t, holds(c))
						}
					}
				}
				p.Cont()
			}
			p.Succeed()
			for _, s := range survivors {
				s.Succeed()
			}
		})
	}
	testproc.CrashWalk(t, &testproc.WalkOptions{Stop: true}, scenarios...)
}
