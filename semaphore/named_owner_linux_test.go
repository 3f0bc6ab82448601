//go:build !explore

package semaphore_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/shmkit/shmkit/semaphore"
	"github.com/shmkit/shmkit/shm"
)

var _ = testproc.Helper("named owner", func(c *testproc.Child) {
	_, err := semaphore.Open(c.Args[0], &semaphore.OpenOptions{Create: true, Value: 3, Owner: semaphore.OwnerCreator})
	require.NoError(c, err)
	c.WriteLine("ready")
	c.Park()
})

func TestNamedOwners(t *testing.T) {
	for _, owner := range []semaphore.Owner{semaphore.OwnerNone, semaphore.OwnerCreator, semaphore.OwnerUsers} {
		name := testproc.Name(t)
		t.Cleanup(func() { os.Remove("/dev/shm/sem." + name) })
		o := &semaphore.OpenOptions{Create: true, Exist: semaphore.ExistOpen, Value: 1, Owner: owner}
		made, err := semaphore.Open(name, o)
		require.NoError(t, err)
		user, err := semaphore.Open(name, o)
		require.NoError(t, err)
		require.NoError(t, made.Close())
		require.NoError(t, made.Close(), "again")
		_, err = os.Stat("/dev/shm/sem." + name)
		require.Equal(t, owner != semaphore.OwnerCreator, err == nil, owner)
		require.NoError(t, user.Release(1))
		require.NoError(t, user.Close())
		_, err = os.Stat("/dev/shm/sem." + name)
		require.Equal(t, owner == semaphore.OwnerNone, err == nil, owner)
	}
}

// R01, M15: a semaphore whose creator was killed is an orphan until somebody makes one
// of that name, or sweeps. X08: what fails to open it removes nothing.
func TestNamedCreatorIsKilled(t *testing.T) {
	name := testproc.Name(t)
	orphan := func() {
		p := testproc.Start(t, "named owner", testproc.Args(name))
		p.Expect("ready")
		p.Kill()
		p.Wait()
	}
	sweep := func() int {
		swept, err := shm.Sweep(&shm.SweepOptions{Match: func(i shm.Info) bool {
			return i.Name == "sem."+name && i.Kind == "semaphore"
		}})
		require.NoError(t, err)
		return len(swept)
	}
	orphan()
	require.Equal(t, 1, sweep())
	require.ErrorIs(t, semaphore.Unlink(name), semaphore.ErrNotExist)

	orphan()
	n, err := semaphore.Open(name, &semaphore.OpenOptions{Create: true, Value: 5, Owner: semaphore.OwnerUsers})
	require.NoError(t, err)
	require.Equal(t, 5, n.Value())
	require.Zero(t, sweep())
	require.NoError(t, n.Close())

	orphan()
	require.NoError(t, os.Truncate("/dev/shm/sem."+name, 7))
	_, err = semaphore.Open(name, nil)
	require.ErrorIs(t, err, semaphore.ErrForeign)
	require.NoError(t, os.Truncate("/dev/shm/sem."+name, 32))
	require.NoError(t, os.WriteFile("/dev/shm/sem."+name, make([]byte, 32), 0o600))
	_, err = semaphore.Open(name, nil)
	require.ErrorIs(t, err, semaphore.ErrForeign)
	require.Equal(t, 1, sweep())
}
