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
		// Others may have what is free now, and link it as they like.
		free := map[int]bool{}
		for _, i := range release {
			free[int(i[0]-'0')] = true
			a.cell(int(i[0] - '0')).next.Store(rand.Uint64())
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
