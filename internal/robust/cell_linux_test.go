//go:build !explore

package robust

import (
	"context"
	"os"
	"sync"
	"syscall"
	"testing"

	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestTakeAndRelease(t *testing.T) {
	eachGeometry(t, func(t *testing.T, geometry string) {
		a, _ := newArea(t, 4096, geometry)
		c := a.cell(0)
		require.Equal(t, geometry == "near", c.near())
		require.False(t, c.Mine())
		require.False(t, c.Release(), "nobody holds it")
		for range 3 {
			require.NoError(t, c.Take(0, 0))
			require.True(t, c.Mine())
			pid, held := c.OwnerPID()
			require.True(t, held)
			require.Equal(t, os.Getpid(), pid)
			me, err := Self()
			require.NoError(t, err)
			last := ident(c.Ident.Load())
			require.Equal(t, me.PID, last.pid())
			require.True(t, sameStart(me.Start, last.start()))
			require.Equal(t, c.Word.Load(), last.tid())
			require.ErrorIs(t, c.Take(0, 0), ErrHeld)
			require.False(t, c.CheckOwner())
			require.True(t, c.Release())
			require.Zero(t, c.Word.Load())
			require.False(t, c.Release())
		}
		require.NoError(t, c.Take(0, Waiters))
		require.EqualValues(t, Waiters, c.Word.Load()&^TIDMask)
		require.True(t, c.Release())
		require.Zero(t, c.Word.Load())
		_, held := c.OwnerPID()
		require.False(t, held)

		c.Word.Store(Waiters | OwnerDied)
		require.ErrorIs(t, c.Take(0, 0), ErrHeld)
		require.True(t, c.CheckOwner())
		require.ErrorIs(t, c.TakeOver(t.Context(), OwnerDied), ErrHeld, "another dead one's word")
		require.NoError(t, c.TakeOver(t.Context(), Waiters|OwnerDied))
		require.True(t, c.Mine())
		require.NotZero(t, c.Word.Load()&Waiters)
		c.Abandon()
		require.EqualValues(t, Waiters|OwnerDied, c.Word.Load())
		require.NoError(t, c.AwaitGone(t.Context(), nil), "this process does not act for the cell any more")
		c.Abandon() // nothing
		require.NoError(t, c.TakeOver(context.Background(), Waiters|OwnerDied))
		require.True(t, c.Release())
	})
}

// One taken through one mapping is released through another one.
func TestTwoMappingsOfOneCell(t *testing.T) {
	a, f := newArea(t, 4096, "near")
	b := attach(t, f, "near")
	require.NoError(t, a.cell(0).Take(0, 0))
	require.True(t, b.cell(0).Mine())
	require.True(t, b.cell(0).Release())
	require.NoError(t, b.cell(0).Take(0, 0))
	require.ErrorIs(t, a.cell(0).Take(0, 0), ErrHeld)
	require.True(t, a.cell(0).Release())
	require.Zero(t, a.cell(0).Word.Load())
}

func TestTakingCostsNothing(t *testing.T) {
	a, _ := newArea(t, 4096, "near")
	c := a.cell(0)
	require.NoError(t, c.Take(0, 0))
	require.True(t, c.Release())
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		if c.Take(0, 0) != nil || c.Take(0, 0) == nil || !c.Release() {
			panic("cell is lost")
		}
	}))
}

// Whatever ends a process, the kernel marks what it holds, keeps Waiters and
// wakes who sleeps.
func TestDeath(t *testing.T) {
	cat := testproc.NeedTool(t, "cat")
	eachGeometry(t, func(t *testing.T, geometry string) {
		for _, end := range []string{"kill", "exit", "return", "panic", "segv", "exec"} {
			t.Run(end, func(t *testing.T) {
				a, f := newArea(t, 4096, "near")
				p := testproc.Start(t, "holder", testproc.Files(f), testproc.Args(geometry, "3", cat))
				p.Expect("held")
				for i := range 3 {
					require.Equal(t, Present, StateOf(a.cell(i).Word.Load()))
					require.EqualValues(t, p.PID, lastHolder(a.cell(i)))
				}
				asleep := a.cell(1).Word.Load() | Waiters
				a.cell(1).Word.Store(asleep)
				done := start(func() error { return futex.Sleep(context.Background(), &a.cell(1).Word, asleep, nil) })
				await(t, func() bool { return sleepers(&a.cell(1).Word) == 1 })
				if end == "kill" {
					p.Kill()
				} else {
					p.WriteLine("%s", end)
				}
				require.NoError(t, result(t, done))
				for i, want := range []uint32{OwnerDied, Waiters | OwnerDied, OwnerDied} {
					awaitMark(t, a.cell(i))
					require.Equal(t, want, a.cell(i).Word.Load())
					require.EqualValues(t, p.PID, lastHolder(a.cell(i)))
				}
				// Also after execve, though the process lives on.
				require.NoError(t, a.cell(0).AwaitGone(t.Context(), nil))
				await(t, a.cell(0).Gone) // while its last threads vanish, the answer may be no
				require.NoError(t, a.cell(1).TakeOver(t.Context(), Waiters|OwnerDied))
				require.True(t, a.cell(1).Release())
				if end == "exec" {
					require.NoError(t, unix.Kill(p.PID, 0))
				}
			})
		}
	})
}

// A stopped process keeps what it holds, for as long as it is stopped.
func TestStoppedIsNotDead(t *testing.T) {
	eachGeometry(t, func(t *testing.T, geometry string) {
		a, f := newArea(t, 4096, "near")
		p := startHolder(t, f, geometry, 2)
		require.True(t, p.Stop())
		asked := make(chan struct{}, 8)
		locked := start(func() error {
			for {
				w := a.cell(0).Word.Load()
				if w == 0 {
					return a.cell(0).Take(0, 0)
				}
				err := futex.Sleep(context.Background(), &a.cell(0).Word, w, func() bool {
					select {
					case asked <- struct{}{}:
					default:
					}
					return a.cell(0).CheckOwner()
				})
				if err != nil {
					return err
				}
			}
		})
		for range 4 { // looks
			<-asked
		}
		require.Empty(t, locked)
		require.False(t, a.cell(0).CheckOwner())
		require.ErrorIs(t, a.cell(1).Take(0, 0), ErrHeld)
		p.Cont()
		p.WriteLine("release")
		p.Expect("released")
		require.NoError(t, result(t, locked))
		require.True(t, a.cell(0).Release())
	})
}

// The kernel wakes one sleeper, which is stopped or killed with the wake in its
// hands: the third learns of the death by its look.
func TestTwoVictimsAtOnce(t *testing.T) {
	for _, second := range []string{"killed", "stopped"} {
		t.Run(second, func(t *testing.T) {
			for range 5 {
				a, f := newArea(t, 4096, "near")
				first := startHolder(t, f, "near", 1)
				w := a.cell(0).Word.Load() | Waiters
				a.cell(0).Word.Store(w)
				watcher := testproc.Start(t, "watcher", testproc.Files(f))
				await(t, func() bool { return sleepers(&a.cell(0).Word) == 1 })
				done := start(func() error { return futex.Sleep(context.Background(), &a.cell(0).Word, w, a.cell(0).CheckOwner) })
				await(t, func() bool { return sleepers(&a.cell(0).Word) == 2 })
				require.True(t, watcher.Stop())
				first.Kill()
				if second == "killed" {
					watcher.Kill()
				}
				require.NoError(t, result(t, done))
				require.NotZero(t, a.cell(0).Word.Load()&OwnerDied)
			}
		})
	}
}

// watcher sleeps on cell 0.
var _ = testproc.Helper("watcher", func(c *testproc.Child) {
	a := mapFile(c, c.Files[0], "foreign", memOptions)
	w := a.cell(0).Word.Load()
	require.NoError(c, futex.Sleep(context.Background(), &a.cell(0).Word, w, nil))
})

// Mutual exclusion by the smallest lock, among goroutines of processes with
// different geometries.
var _ = testproc.Helper("adder", func(c *testproc.Child) {
	a := mapFile(c, c.Files[0], c.Args[0], memOptions)
	var all sync.WaitGroup
	for range adderGoroutines {
		all.Go(func() {
			for range adderRounds {
				_, err := lock(a.cell(0))
				require.NoError(c, err)
				n := a.number(1, 0).Load()
				a.number(1, 0).Store(n + 1)
				require.True(c, a.cell(0).Release())
			}
		})
	}
	all.Wait()
})

const adderGoroutines, adderRounds = 3, 500

func TestMutualExclusion(t *testing.T) {
	a, f := newArea(t, 4096, "near")
	var ps []*testproc.Proc
	for _, geometry := range []string{"near", "near", "foreign", "foreign"} {
		ps = append(ps, testproc.Start(t, "adder", testproc.Files(f), testproc.Args(geometry)))
	}
	for _, p := range ps {
		p.Succeed()
	}
	require.EqualValues(t, len(ps)*adderGoroutines*adderRounds, a.number(1, 0).Load())
	require.Zero(t, a.cell(0).Word.Load())
}

// A process holds more cells than the kernel walks in one list.
func TestMoreCellsThanOneListTakes(t *testing.T) {
	const n = 5000
	eachGeometry(t, func(t *testing.T, geometry string) {
		a, f := newArea(t, n*64, "near")
		p := startHolder(t, f, geometry, n)
		keepers := make(map[uint32]int)
		for i := range n {
			keepers[a.cell(i).Word.Load()]++
		}
		require.Len(t, keepers, (n+maxLinked-1)/maxLinked)
		for tid, cells := range keepers {
			require.LessOrEqual(t, cells, 2000)
			require.NotEqualValues(t, p.PID, tid, "a keeper on the first thread")
		}
		p.Kill()
		for i := range n {
			awaitMark(t, a.cell(i))
		}
		p.Wait()
	})
}

// After many cells were released and forgotten, their keepers take others.
func TestKeepersAreUsedAgain(t *testing.T) {
	eachGeometry(t, func(t *testing.T, geometry string) {
		const n = 2500
		tids := make(map[uint32]bool)
		for range 4 {
			f := newFile(t, n*64)
			a := mapFile(t, f, geometry, memOptions)
			for i := range n {
				require.NoError(t, a.cell(i).Take(0, 0))
				tids[a.cell(i).Word.Load()] = true
			}
			for i := range n {
				require.True(t, a.cell(i).Release())
			}
			require.NoError(t, Forget(a.b))
			require.NoError(t, a.close())
		}
		require.LessOrEqual(t, len(tids), 3)
	})
}

func waitStatus(p *testproc.Proc) syscall.WaitStatus { return p.Wait().Sys().(syscall.WaitStatus) }

func killed(p *testproc.Proc) bool {
	s := waitStatus(p)
	return s.Signaled() && s.Signal() == unix.SIGKILL
}
