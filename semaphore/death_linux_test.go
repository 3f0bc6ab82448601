//go:build !explore

package semaphore

import (
	"context"
	"errors"
	"os"
	"syscall"
	"testing"

	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// die leaves mu[0] as a dead process's.
func die(t *testing.T) (*memory, func() *testproc.Proc) {
	m, f := newMemory(t, "near")
	p := startPeer(t, f, "near")
	tell(p, "lock", "OK")
	p.Kill()
	await(t, func() bool { return errors.Is(m.mu[0].TryLock(), ErrOwnerDied) })
	return m, func() *testproc.Proc { return startPeer(t, f, "near") }
}

// X01: the owner is killed, and whoever comes next hears of it.
func TestX01OwnerDied(t *testing.T) {
	m, peer := die(t)
	mu, other := &m.mu[0], peer()
	for range 3 { // it stays
		require.ErrorIs(t, mu.Lock(), ErrOwnerDied)
		require.ErrorIs(t, mu.TryLock(), ErrOwnerDied)
		require.ErrorIs(t, mu.LockContext(t.Context()), ErrOwnerDied)
		tell(other, "lock", "EOWNERDEAD")
		tell(other, "trylock", "EOWNERDEAD")
		require.PanicsWithValue(t, notHeld, mu.Unlock)
	}
	repaired := false
	require.NoError(t, mu.LockRepair(t.Context(), func() error {
		repaired = true
		tell(other, "trylock", "EBUSY")
		pid, held := mu.Owner()
		require.True(t, held)
		require.Positive(t, pid)
		return nil
	}))
	require.True(t, repaired)
	require.ErrorIs(t, mu.TryLock(), ErrLocked)
	mu.Unlock()
	tell(other, "lock", "OK")
	tell(other, "unlock", "OK")
	require.NoError(t, mu.LockRepair(context.Background(), func() error { panic("nothing is to be repaired") }))
	mu.Unlock()
}

// X01, for those who sleep: every waiter in every process hears of it.
func TestX01AllWaitersLearn(t *testing.T) {
	eachPlace(t, func(t *testing.T, place string) {
		m, f := newMemory(t, place)
		owner := startPeer(t, f, place)
		tell(owner, "lock", "OK")
		var ps []*testproc.Proc
		for i := range 4 {
			p := startPeer(t, f, places[i%2])
			p.WriteLine("lock")
			ps = append(ps, p)
		}
		var done []<-chan error
		for range 5 {
			done = append(done, start(m.mu[0].Lock))
		}
		awaitSleepers(t, &m.mu[0], 5)
		owner.Kill()
		for _, p := range ps {
			p.Expect("EOWNERDEAD")
		}
		for _, d := range done {
			require.ErrorIs(t, result(t, d), ErrOwnerDied)
		}
	})
}

// The owner and the one whom the kernel wakes are killed at once.
func TestTwoVictimsAtOnce(t *testing.T) {
	for range 10 {
		m, f := newMemory(t, "near")
		owner, waiter, third := startPeer(t, f, "near"), startPeer(t, f, "near"), startPeer(t, f, "near")
		tell(owner, "lock", "OK")
		waiter.WriteLine("lock")
		awaitSleepers(t, &m.mu[0], 1)
		third.WriteLine("lock")
		awaitSleepers(t, &m.mu[0], 2)
		owner.Kill()
		waiter.Kill()
		third.Expect("EOWNERDEAD")
	}
}

func TestFailingRepair(t *testing.T) {
	m, peer := die(t)
	mu, other := &m.mu[0], peer()
	other.WriteLine("repair")
	other.Expect("OK")
	tell(other, "unlock", "OK")
	tell(other, "lock", "OK")
	other.Kill()
	await(t, func() bool { return errors.Is(mu.TryLock(), ErrOwnerDied) })

	cannot := errors.New("cannot")
	for range 3 {
		require.ErrorIs(t, mu.LockRepair(t.Context(), func() error { return cannot }), cannot)
		require.ErrorIs(t, mu.Lock(), ErrOwnerDied)
		require.PanicsWithValue(t, notHeld, mu.Unlock)
		require.PanicsWithValue(t, "broken", func() {
			_ = mu.LockRepair(t.Context(), func() error { panic("broken") })
		})
		require.ErrorIs(t, mu.TryLock(), ErrOwnerDied)
	}
	require.NoError(t, mu.LockRepair(t.Context(), func() error { return nil }))
	mu.Unlock()
}

// Those who wait while somebody repairs in vain hear of it, and one of those who
// wait to repair gets its turn.
func TestWaitersOfAFailingRepair(t *testing.T) {
	m, peer := die(t)
	locks, repairs := peer(), peer()
	cannot := errors.New("cannot")
	require.ErrorIs(t, m.mu[0].LockRepair(context.Background(), func() error {
		locks.WriteLine("lock")
		repairs.WriteLine("repair")
		awaitSleepers(t, &m.mu[0], 2)
		return cannot
	}), cannot)
	repairs.Expect("OK")
	tell(repairs, "unlock", "OK")
	// The one that repairs may get there first: then the other one finds a mutex in order.
	switch line := locks.ReadLine(); line {
	case "EOWNERDEAD":
	case "OK":
		tell(locks, "unlock", "OK")
	default:
		t.Fatal(line)
	}
}

func TestRepairingProcessIsKilled(t *testing.T) {
	m, peer := die(t)
	for range 3 {
		p := peer()
		tell(p, "repairing", "repairs")
		waits := start(m.mu[0].Lock)
		awaitSleepers(t, &m.mu[0], 1)
		p.Kill()
		require.ErrorIs(t, result(t, waits), ErrOwnerDied)
	}
	require.NoError(t, m.mu[0].LockRepair(t.Context(), func() error { return nil }))
	m.mu[0].Unlock()
}

// Only one of many repairs; the others find it done.
func TestOneRepairs(t *testing.T) {
	m, _ := die(t)
	repairs := 0
	var done []<-chan error
	for range 20 {
		done = append(done, start(func() error {
			err := m.mu[0].LockRepair(context.Background(), func() error { repairs++; return nil })
			if err == nil {
				m.mu[0].Unlock()
			}
			return err
		}))
	}
	for _, d := range done {
		require.NoError(t, result(t, d))
	}
	require.Equal(t, 1, repairs)
}

// The kernel's mark got lost: whoever only tries finds the death as well.
func TestTryLockFindsALostMark(t *testing.T) {
	m, _ := newMemory(t, "near")
	m.mu[0].cell.Word.Store(0x3ffffff1) // nobody's TID
	await(t, func() bool {
		err := m.mu[0].TryLock()
		require.Error(t, err)
		return errors.Is(err, ErrOwnerDied)
	})
	require.NoError(t, m.mu[0].LockRepair(context.Background(), func() error { return nil }))
	m.mu[0].Unlock()
}

// longreader holds mu[0] and is inside a long read(2) into shared memory.
var _ = testproc.Helper("longreader", func(c *testproc.Child) {
	m, _, _ := mapMemory(c, c.Files[0], "near")
	st, err := c.Files[1].Stat()
	require.NoError(c, err)
	into, err := unix.Mmap(int(c.Files[1].Fd()), 0, int(st.Size()), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	require.NoError(c, err)
	require.NoError(c, m.mu[0].Lock())
	c.WriteLine("locked")
	c.ReadLine()
	_, err = unix.Read(int(c.Files[2].Fd()), into)
	require.NoError(c, err)
})

// The dead owner was in the middle of a system call that stores: the repair runs
// after its last store.
func TestRepairPassesTheFence(t *testing.T) {
	stored := func(f *os.File) int64 {
		st, err := f.Stat()
		require.NoError(t, err)
		return st.Sys().(*syscall.Stat_t).Blocks
	}
	for range 3 {
		m, f := newMemory(t, "near")
		into, source := newFile(t, 128<<20), newFile(t, 128<<20)
		p := testproc.Start(t, "longreader", testproc.Files(f, into, source))
		p.Expect("locked")
		p.WriteLine("go")
		await(t, func() bool { return stored(into) > 0 })
		p.Kill()
		await(t, func() bool { return errors.Is(m.mu[0].TryLock(), ErrOwnerDied) })
		require.NoError(t, m.mu[0].LockRepair(context.Background(), func() error {
			before := stored(into)
			p.Wait()
			require.Equal(t, before, stored(into), "a store during the repair")
			return nil
		}))
		m.mu[0].Unlock()
		require.NoError(t, into.Truncate(0))
	}
}
