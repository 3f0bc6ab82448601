//go:build !explore

package robust

import (
	"context"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/mem"
	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/stretchr/testify/require"
)

func itoa(n int) string { return strconv.Itoa(n) }

// twofold holds cell 0 of sealed memory and, in a file that somebody may
// truncate, first a cell of the first page and then one of the second: the
// kernel walks from the last to the first.
var _ = testproc.Helper("twofold", func(c *testproc.Child) {
	sealed := mapFile(c, c.Files[0], "near", mem.Options{})
	soft := mapFile(c, c.Files[1], "near", mem.Options{Truncatable: true})
	require.NoError(c, soft.cell(0).Take(0, 0))
	require.NoError(c, sealed.cell(0).Take(0, 0))
	require.NoError(c, soft.cell(os.Getpagesize()/64).Take(0, 0))
	require.NoError(c, sealed.cell(1).Take(0, 0))
	c.WriteLine("held")
	c.Park()
})

// A truncated file cuts the kernel's walk, but only that over cells in such
// files; what the walk misses, the look finds.
func TestTruncatedFileCutsTheList(t *testing.T) {
	page := os.Getpagesize()
	sealed, f := newArea(t, int64(page), "near")
	path := "/dev/shm/" + testproc.Name(t)
	named, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	require.NoError(t, err)
	defer named.Close()
	defer os.Remove(path)
	require.NoError(t, named.Truncate(int64(2*page)))
	soft := attach(t, named, "near")

	p := testproc.Start(t, "twofold", testproc.Files(f, named))
	p.Expect("held")
	require.NotEqual(t, sealed.cell(0).Word.Load(), soft.cell(0).Word.Load(), "one keeper for both")
	require.NoError(t, os.Truncate(path, int64(page)))
	w := soft.cell(0).Word.Load() | Waiters
	soft.cell(0).Word.Store(w)
	sleeping := start(func() error {
		for soft.cell(0).Word.Load() == w {
			if err := futex.Sleep(context.Background(), &soft.cell(0).Word, w, soft.cell(0).CheckOwner); err != nil {
				return err
			}
		}
		return nil
	})
	await(t, func() bool { return sleepers(&soft.cell(0).Word) == 1 })
	p.Kill()
	awaitMark(t, sealed.cell(0))
	awaitMark(t, sealed.cell(1))
	p.Wait()
	require.NoError(t, result(t, sleeping))
	require.EqualValues(t, Waiters|OwnerDied, soft.cell(0).Word.Load())
	require.Equal(t, p.PID, lastHolder(soft.cell(0)))
}

// A peer overwrites the word of a cell while it is held: the kernel finds its
// keeper there no more. A word whose owner does not exist is dead all the same.
func TestOverwrittenWord(t *testing.T) {
	eachGeometry(t, func(t *testing.T, geometry string) {
		a, f := newArea(t, 4096, "near")
		p := startHolder(t, f, geometry, 1)
		c := a.cell(0)
		const nobody = 0x3ffffff1
		c.Word.Store(Waiters | nobody)
		p.Kill()
		p.Wait()
		require.EqualValues(t, Waiters|nobody, c.Word.Load(), "the kernel has marked another's word")
		_, held := c.OwnerPID()
		require.True(t, held)
		require.NoError(t, result(t, start(func() error { return futex.Sleep(context.Background(), &c.Word, Waiters|nobody, c.CheckOwner) })))
		require.EqualValues(t, Waiters|OwnerDied, c.Word.Load())
	})
}

// The TID of a dead keeper belongs to a living thread by now: the record tells
// that the keeper's process is gone.
func TestTIDUsedAgain(t *testing.T) {
	a, f := newArea(t, 4096, "near")
	living := startHolder(t, f, "near", 2)
	tid := a.cell(1).Word.Load()
	st, err := readStat("/proc/" + itoa(living.PID) + "/stat")
	require.NoError(t, err)
	c := a.cell(2)
	for _, x := range []struct {
		name string
		id   ident
		dead bool
	}{
		{"C holder", 0, false},
		{"the living one", newIdent(uint32(living.PID), tid, st.start), false},
		{"an earlier process of the same pid", newIdent(uint32(living.PID), tid, st.start-1), true},
		{"a pid that is free", newIdent(0x3ffffe, tid, st.start), true},
		{"a record of another TID", newIdent(0x3ffffe, tid+1, st.start), false},
		{"garbage", ^ident(0), false},
	} {
		t.Run(x.name, func(t *testing.T) {
			c.Word.Store(tid | Waiters)
			c.Ident.Store(uint64(x.id))
			require.Equal(t, x.dead, c.CheckOwner())
			if x.dead {
				require.EqualValues(t, Waiters|OwnerDied, c.Word.Load())
			} else {
				require.EqualValues(t, tid|Waiters, c.Word.Load())
			}
		})
	}
	c.Word.Store(0)
}

// Garbage in a record ends in a wait as long as the context, or in none.
func TestGarbageRecord(t *testing.T) {
	a, _ := newArea(t, 4096, "near")
	c, p := a.cell(0), a.presence(1)
	for _, id := range []uint64{0, ^uint64(0), 1 << 63, uint64(newIdent(uint32(os.Getpid()), 1, 0)), rand.Uint64()} {
		c.Word.Store(OwnerDied)
		c.Ident.Store(id)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		if err := c.TakeOver(ctx, OwnerDied); err != nil {
			require.ErrorIs(t, err, context.DeadlineExceeded, "%#x", id)
		} else {
			require.True(t, c.Release())
		}
		cancel()
	}
	c.Word.Store(0)
	require.NoError(t, c.AwaitGone(t.Context(), nil), "nobody is dead")

	p.Word.Store(OwnerDied | 5)
	p.Ident.Store(^uint64(0))
	p.Arrivals.Store(^uint32(0))
	require.NoError(t, p.Join(t.Context()))
	p.Leave()
	p.Word.Store(0x3fffff77)
	require.NoError(t, p.Join(t.Context()), "its holder does not exist")
	p.Leave()
	require.Zero(t, p.Word.Load())
}

// Whatever stands in a cell, operations return, and this process's lists stay
// whole.
func FuzzCell(f *testing.F) {
	f.Add(uint32(0), uint32(0), uint64(0), uint64(0), uint64(0))
	f.Add(uint32(Waiters), uint32(OwnerInconsistent), uint64(1), uint64(2), uint64(3))
	f.Add(uint32(OwnerDied), uint32(0), ^uint64(0), ^uint64(0), ^uint64(0))
	f.Add(uint32(1), uint32(1), uint64(1), uint64(1), uint64(1))
	f.Add(^uint32(0), ^uint32(0), uint64(0), uint64(8), uint64(16))
	f.Fuzz(func(t *testing.T, word, owner uint32, prev, next, id uint64) {
		for _, geometry := range geometries {
			a, _ := newArea(t, 4096, geometry)
			c := a.cell(0)
			require.NoError(t, a.cell(1).Take(0, 0))
			c.Word.Store(word)
			c.Owner.Store(owner)
			c.prev.Store(prev)
			c.next.Store(next)
			c.Ident.Store(id)
			c.Gone()
			require.NoError(t, c.Take(c.Word.Load(), 0))
			a.cell(1).next.Store(next)
			c.next.Store(prev)
			c.Ident.Store(id)
			c.CheckOwner()
			c.OwnerPID()
			c.Mine()
			require.True(t, c.Release(), "taken a moment ago")
			require.True(t, a.cell(1).Release())
		}
	})
}
