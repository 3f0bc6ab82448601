//go:build !explore

package semaphore

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/stretchr/testify/require"
)

var cPeer struct {
	sync.Mutex
	code []byte
}

// startC starts testdata/mutex.c, which is a helper as much as "peer" is.
func startC(t *testing.T, f *os.File) *testproc.Proc {
	t.Helper()
	path := filepath.Join(t.TempDir(), "mutex")
	cPeer.Lock()
	defer cPeer.Unlock()
	if cPeer.code == nil {
		cc := testproc.NeedTool(t, "cc")
		out, err := exec.Command(cc, "-O2", "-Wall", "-o", path, "testdata/mutex.c", "-pthread").CombinedOutput()
		require.NoError(t, err, "%s", out)
		cPeer.code, err = os.ReadFile(path)
		require.NoError(t, err)
	} else {
		require.NoError(t, os.WriteFile(path, cPeer.code, 0o700))
	}
	return testproc.Start(t, "peer", testproc.Binary(path), testproc.Files(f))
}

func TestCContention(t *testing.T) {
	m, f := newMemory(t, "near")
	const n = 5000
	ps := []*testproc.Proc{startC(t, f), startC(t, f), startPeer(t, f, "near"), startPeer(t, f, "foreign")}
	for _, p := range ps {
		p.WriteLine("count %d", n)
	}
	for _, p := range ps {
		p.Expect("OK")
	}
	require.EqualValues(t, len(ps)*n, m.counter)
}

// Each side initialises, locks, waits for and unlocks what the other one has.
func TestCHandOver(t *testing.T) {
	m, f := newMemory(t, "near")
	mu, c := &m.mu[0], startC(t, f)
	for _, init := range []func(){mu.Init, func() { tell(c, "init", "OK") }} {
		init()
		tell(c, "trylock", "OK")
		require.ErrorIs(t, mu.TryLock(), ErrLocked)
		pid, held := mu.Owner()
		require.True(t, held)
		require.Equal(t, c.PID, pid)
		waits := start(mu.Lock)
		awaitSleepers(t, mu, 1)
		tell(c, "unlock", "OK")
		require.NoError(t, result(t, waits))
		tell(c, "trylock", "EBUSY")
		require.PanicsWithValue(t, notHeld, func() { mu.Unlock(); mu.Unlock() })
		require.NoError(t, mu.Lock())
		c.WriteLine("lock")
		awaitSleepers(t, mu, 1)
		mu.Unlock()
		c.Expect("OK")
		require.PanicsWithValue(t, notHeld, mu.Unlock)
		tell(c, "unlock", "OK")
	}
}

func TestGoDiesAndCLearns(t *testing.T) {
	eachPlace(t, func(t *testing.T, place string) {
		for _, cmd := range []string{"lock", "trylock"} {
			t.Run(cmd, func(t *testing.T) {
				m, f := newMemory(t, "near")
				g, c := startPeer(t, f, place), startC(t, f)
				tell(g, "lock", "OK")
				if cmd == "lock" { // it waits when Go dies
					c.WriteLine("lock")
					awaitSleepers(t, &m.mu[0], 1)
					g.Kill()
				} else {
					g.Kill()
					await(t, func() bool { return m.mu[0].String() == "Mutex(owner died)" })
					c.WriteLine("trylock")
				}
				c.Expect("EOWNERDEAD")
				require.ErrorIs(t, m.mu[0].TryLock(), ErrLocked)
				tell(c, "consistent", "OK")
				tell(c, "unlock", "OK")
				require.NoError(t, m.mu[0].Lock())
				m.mu[0].Unlock()
			})
		}
	})
}

func TestCDiesAndGoLearns(t *testing.T) {
	eachPlace(t, func(t *testing.T, place string) {
		for _, cmd := range []string{"lock", "trylock"} {
			t.Run(cmd, func(t *testing.T) {
				m, f := newMemory(t, place)
				mu, c, heir := &m.mu[0], startC(t, f), startC(t, f)
				tell(c, "lock", "OK")
				if cmd == "lock" {
					waits := start(mu.Lock)
					awaitSleepers(t, mu, 1)
					c.Kill()
					require.ErrorIs(t, result(t, waits), ErrOwnerDied)
				} else {
					c.Kill()
					await(t, func() bool { return mu.String() == "Mutex(owner died)" })
					require.ErrorIs(t, mu.TryLock(), ErrOwnerDied)
				}
				repaired := false
				require.NoError(t, mu.LockRepair(context.Background(), func() error { repaired = true; return nil }))
				require.True(t, repaired)
				tell(heir, "trylock", "EBUSY")
				mu.Unlock()
				tell(heir, "lock", "OK")
				tell(heir, "unlock", "OK")
			})
		}
	})
}

// C takes over from a dead owner and dies before it has repaired: Go repairs.
func TestCDiesInconsistent(t *testing.T) {
	m, f := newMemory(t, "near")
	g, c, heir := startPeer(t, f, "near"), startC(t, f), startC(t, f)
	tell(g, "lock", "OK")
	g.Kill()
	tell(c, "lock", "EOWNERDEAD")
	c.Kill()
	await(t, func() bool { return m.mu[0].String() == "Mutex(owner died)" })
	require.ErrorIs(t, m.mu[0].Lock(), ErrOwnerDied)
	require.NoError(t, m.mu[0].LockRepair(t.Context(), func() error { return nil }))
	m.mu[0].Unlock()
	tell(heir, "lock", "OK")
	tell(heir, "unlock", "OK")
}

// Go's repair failed: C learns that the owner died, as after any death.
func TestGoGivesUpARepair(t *testing.T) {
	m, f := newMemory(t, "near")
	g, c := startPeer(t, f, "near"), startC(t, f)
	tell(g, "lock", "OK")
	g.Kill()
	require.ErrorIs(t, m.mu[0].LockRepair(t.Context(), func() error { return os.ErrInvalid }), os.ErrInvalid)
	tell(c, "lock", "EOWNERDEAD")
	tell(c, "consistent", "OK")
	tell(c, "unlock", "OK")
	require.NoError(t, m.mu[0].Lock())
	m.mu[0].Unlock()
}

// C gives up: it unlocks what it has not made consistent. That is final for all.
func TestCGivesUp(t *testing.T) {
	eachPlace(t, func(t *testing.T, place string) {
		m, f := newMemory(t, place)
		mu, g, c := &m.mu[0], startPeer(t, f, place), startC(t, f)
		tell(g, "lock", "OK")
		g.Kill()
		tell(c, "lock", "EOWNERDEAD")
		waits := start(mu.Lock)
		other := startPeer(t, f, place)
		other.WriteLine("lock")
		awaitSleepers(t, mu, 2)
		tell(c, "unlock", "OK")
		require.ErrorIs(t, result(t, waits), ErrNotRecoverable)
		other.Expect("ENOTRECOVERABLE")
		for range 2 {
			require.ErrorIs(t, mu.Lock(), ErrNotRecoverable)
			require.ErrorIs(t, mu.TryLock(), ErrNotRecoverable)
			require.ErrorIs(t, mu.LockContext(t.Context()), ErrNotRecoverable)
			require.ErrorIs(t, mu.LockRepair(t.Context(), func() error { panic("repair of what cannot be") }), ErrNotRecoverable)
			tell(c, "lock", "ENOTRECOVERABLE")
			tell(other, "trylock", "ENOTRECOVERABLE")
		}
		require.PanicsWithValue(t, notHeld, mu.Unlock)
		require.Equal(t, "Mutex(not recoverable)", mu.String())
		mu.Init()
		require.NoError(t, mu.Lock())
		mu.Unlock()
		tell(c, "lock", "OK")
		tell(c, "unlock", "OK")
	})
}
