//go:build !explore

package robust

import (
	"math/rand/v2"
	"testing"

	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/stretchr/testify/require"
)

// scattered holds 8 foreign cells, releases those that it is told, and parks.
var _ = testproc.Helper("scattered", func(c *testproc.Child) {
	a := mapFile(c, c.Files[0], "foreign", memOptions)
	for i := range 8 {
		require.NoError(c, a.cell(i).Take(0, 0))
	}
	c.WriteLine("held")
	c.ReadLine()
	for _, i := range c.Args {
		require.True(c, a.cell(int(i[0]-'0')).Release())
	}
	c.WriteLine("released")
	c.Park()
})

// Foreign cells are released in any order, and the others stay in the list.
func TestForeignListOrder(t *testing.T) {
	for _, release := range [][]string{{"0"}, {"7"}, {"3"}, {"0", "1", "2"}, {"7", "6", "5"}, {"2", "4", "6", "0"}, {"7", "0", "3", "1", "5", "6"}} {
		a, f := newArea(t, 4096, "near")
		p := testproc.Start(t, "scattered", testproc.Files(f), testproc.Args(release...))
		p.Expect("held")
		p.WriteLine("go")
		p.Expect("released")
		free := map[int]bool{}
		for _, i := range release {
			free[int(i[0]-'0')] = true
		}
		p.Kill()
		for i := range 8 {
			if !free[i] {
				awaitMark(t, a.cell(i))
			}
		}
		for i := range free {
			require.Zero(t, a.cell(i).Word.Load(), "cell %d was not held", i)
		}
	}
}

// The nodes of foreign cells lie in shared memory. What a peer writes there is
// never followed by the process, and what the kernel misses because of it is
// found by the look.
func TestHostileNextPointers(t *testing.T) {
	for _, release := range [][]string{{"4"}, {"7", "0"}, {"1", "2", "3"}} {
		a, f := newArea(t, 4096, "near")
		p := testproc.Start(t, "scattered", testproc.Files(f), testproc.Args(release...))
		p.Expect("held")
		for i := range 8 {
			a.cell(i).prev.Store(rand.Uint64())
			a.cell(i).next.Store(rand.Uint64() &^ 7)
		}
		p.WriteLine("go")
		p.Expect("released")
		p.Kill()
		p.Wait()
		for i := range 8 {
			if c := a.cell(i); c.Word.Load() != 0 {
				require.True(t, c.CheckOwner(), "cell %d", i)
				require.NotZero(t, c.Word.Load()&OwnerDied)
			}
		}
	}
}

func TestForget(t *testing.T) {
	eachGeometry(t, func(t *testing.T, geometry string) {
		f := newFile(t, 2*4096)
		a := mapFile(t, f, geometry, memOptions)
		require.NoError(t, Forget(nil))
		require.NoError(t, Forget(a.b), "nothing was used yet")
		for i := range 3 {
			require.NoError(t, a.cell(i).Take(0, 0))
		}
		require.True(t, a.cell(0).Release())
		require.ErrorIs(t, Forget(a.b), ErrBusy)
		require.ErrorIs(t, Forget(a.b[64:65]), ErrBusy)
		require.NoError(t, Forget(a.b[4096:]), "the held ones lie elsewhere")
		require.NoError(t, Forget(a.b[:64]))
		for i := 1; i < 3; i++ {
			require.True(t, a.cell(i).Mine(), "Forget has changed something")
			require.True(t, a.cell(i).Release())
		}
		require.NoError(t, Forget(a.b))
		require.Zero(t, a.cell(1).TID())
		require.NoError(t, a.cell(1).Take(0, 0), "they may be used again")
		require.True(t, a.cell(1).Release())
		require.NoError(t, Forget(a.b))
		require.NoError(t, a.close())
	})
}

// forgetful forgets and unmaps between others, and is killed.
var _ = testproc.Helper("forgetful", func(c *testproc.Child) {
	geometry := c.Args[0]
	keep := mapFile(c, c.Files[0], geometry, memOptions)
	for i := range 4 {
		gone := mapFile(c, c.Files[1], geometry, memOptions)
		require.NoError(c, keep.cell(i).Take(0, 0))
		require.NoError(c, gone.cell(i).Take(0, 0))
		require.True(c, gone.cell(i).Release())
		require.NoError(c, keep.cell(4+i).Take(0, 0))
		require.NoError(c, gone.cell(5).Take(0, 0))
		require.ErrorIs(c, Forget(gone.b), ErrBusy)
		require.True(c, gone.cell(5).Release())
		require.NoError(c, Forget(gone.b))
		require.NoError(c, gone.close())
	}
	// Used, forgotten and used again.
	require.True(c, keep.cell(7).Release())
	require.NoError(c, Forget(keep.b[7*64:8*64]))
	require.NoError(c, keep.cell(7).Take(0, 0))
	c.WriteLine("held")
	c.Park()
})

func TestListsAreWholeAfterForget(t *testing.T) {
	eachGeometry(t, func(t *testing.T, geometry string) {
		a, f := newArea(t, 4096, "near")
		_, g := newArea(t, 4096, "near")
		p := testproc.Start(t, "forgetful", testproc.Files(f, g), testproc.Args(geometry))
		p.Expect("held")
		p.Kill()
		for i := range 8 {
			awaitMark(t, a.cell(i))
		}
	})
}
