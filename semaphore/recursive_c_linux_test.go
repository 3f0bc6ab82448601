//go:build !explore

package semaphore

import (
	"context"
	"errors"
	"testing"

	"github.com/shmkit/shmkit/internal/robust"
	"github.com/stretchr/testify/require"
)

// Both sides recurse on what either has initialised, and see one another's levels
// as one lock.
func TestRecursiveC(t *testing.T) {
	eachPlace(t, func(t *testing.T, place string) {
		m, mem, f := newRecursive(t, place)
		h, c := m.Holder(), startC(t, f)
		for _, init := range []func(){m.Init, func() { tell(c, "init recursive", "OK") }} {
			*bytesOf(&mem.mu[0]) = [48]byte{}
			init()
			require.EqualValues(t, robust.KindRobustRecursive, m.mutex.cell.Kind.Load())
			for range 3 {
				tell(c, "lock", "OK")
			}
			require.Contains(t, m.String(), "3 times")
			waits := start(h.Lock)
			awaitSleepers(t, &m.mutex, 1)
			for range 3 {
				require.Empty(t, waits)
				require.ErrorIs(t, m.Holder().TryLock(), ErrLocked)
				tell(c, "unlock", "OK")
			}
			require.NoError(t, result(t, waits))
			require.NoError(t, h.Lock())
			tell(c, "trylock", "EBUSY")
			c.WriteLine("lock")
			awaitSleepers(t, &m.mutex, 1)
			h.Unlock()
			h.Unlock()
			c.Expect("OK")
			tell(c, "lock", "OK")
			tell(c, "unlock", "OK")
			require.ErrorIs(t, h.TryLock(), ErrLocked)
			tell(c, "unlock", "OK")
			tell(c, "unlock", "Operation not permitted")
			require.NoError(t, h.TryLock())
			h.Unlock()
		}
	})
}

func TestRecursiveCContention(t *testing.T) {
	_, m, f := newRecursive(t, "near")
	const n = 3000
	c, g := startC(t, f), recursivePeer(t, f, "near")
	c.WriteLine("count %d", n)
	g.WriteLine("count %d", n)
	c.Expect("OK")
	g.Expect("OK")
	require.EqualValues(t, 2*n, m.counter)
}

// C dies two levels deep: Go repairs and has it once.
func TestRecursiveCDies(t *testing.T) {
	m, _, f := newRecursive(t, "near")
	h, c, heir := m.Holder(), startC(t, f), startC(t, f)
	tell(c, "lock", "OK")
	tell(c, "lock", "OK")
	waits := start(h.Lock)
	awaitSleepers(t, &m.mutex, 1)
	c.Kill()
	require.ErrorIs(t, result(t, waits), ErrOwnerDied)
	require.NoError(t, h.LockRepair(context.Background(), func() error { return nil }))
	require.Equal(t, 1, h.Depth())
	tell(heir, "trylock", "EBUSY")
	h.Unlock()
	tell(heir, "lock", "OK")
	tell(heir, "lock", "OK")
	tell(heir, "unlock", "OK")
	require.ErrorIs(t, h.TryLock(), ErrLocked)
	tell(heir, "unlock", "OK")
}

// Go dies two levels deep: C makes it consistent and has it once.
func TestRecursiveGoDies(t *testing.T) {
	eachPlace(t, func(t *testing.T, place string) {
		m, _, f := newRecursive(t, "near")
		g, c := recursivePeer(t, f, place), startC(t, f)
		tell(g, "lock", "OK")
		tell(g, "lock", "OK")
		g.Kill()
		c.WriteLine("lock")
		c.Expect("EOWNERDEAD")
		tell(c, "consistent", "OK")
		tell(c, "lock", "OK")
		tell(c, "unlock", "OK")
		require.ErrorIs(t, m.Holder().TryLock(), ErrLocked)
		tell(c, "unlock", "OK")
		h := m.Holder()
		require.NoError(t, h.Lock())
		h.Unlock()
	})
}

// C gives up a repair: that is final for all.
func TestRecursiveCGivesUp(t *testing.T) {
	m, _, f := recursiveDie(t)
	c, h := startC(t, f), m.Holder()
	tell(c, "lock", "EOWNERDEAD")
	tell(c, "unlock", "OK")
	for _, lock := range []func() error{h.Lock, h.TryLock, func() error {
		return h.LockRepair(t.Context(), func() error { return errors.New("repair of what cannot be") })
	}} {
		require.ErrorIs(t, lock(), ErrNotRecoverable)
		require.Zero(t, h.Depth())
	}
	require.Equal(t, "RecursiveMutex(not recoverable)", m.String())
}
