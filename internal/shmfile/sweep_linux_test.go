package shmfile_test

import (
	"context"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/shmkit/shmkit/internal/shmfile"
	"github.com/shmkit/shmkit/internal/testproc"
)

func TestSweep(t *testing.T) {
	dir := elsewhere(t)
	for _, name := range []string{"a", "b", "c", "sem.d"} {
		require.NoError(t, create(t, name, 32, shmfile.Options{Owner: shmfile.OwnerUsers}).Close())
	}
	used := open(t, "b")
	owned(t, "creator", shmfile.OwnerCreator)
	require.NoError(t, create(t, "none", 10, shmfile.Options{}).Close())
	require.NoError(t, os.WriteFile(dir+"foreign", nil, 0o600))
	require.NoError(t, os.WriteFile(dir+"executable", nil, 0o600))
	require.NoError(t, os.Chmod(dir+"executable", 0o777|fs.ModeSticky))
	require.NoError(t, unix.Mkfifo(dir+"fifo", 0o600))
	require.NoError(t, os.Chmod(dir+"fifo", 0o600|fs.ModeSticky))
	require.NoError(t, os.Symlink(dir+"none", dir+"link"))

	names := func(infos []shmfile.Info, err error) string {
		require.NoError(t, err)
		var names []string
		for _, i := range infos {
			require.NoError(t, i.Err)
			names = append(names, i.Name)
		}
		return strings.Join(names, " ")
	}
	require.Equal(t, "a c sem.d", names(shmfile.Sweep(&shmfile.SweepOptions{DryRun: true})))
	require.Equal(t, "c", names(shmfile.Sweep(&shmfile.SweepOptions{Match: func(i shmfile.Info) bool { return i.Name == "c" }})))
	require.Equal(t, "a sem.d", names(shmfile.Sweep(nil)))
	require.Empty(t, names(shmfile.Sweep(nil)))
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 7)
	require.NoError(t, used.Close())
	require.Equal(t, "b", names(shmfile.Sweep(nil)))
	shmfile.Dir = dir + "missing"
	_, err = shmfile.Sweep(nil)
	require.ErrorIs(t, err, shmfile.ErrNoDirectory)
}

var _ = testproc.Helper("mapper", func(c *testproc.Child) {
	f, err := os.OpenFile(shmDir+c.Args[0], os.O_RDWR, 0)
	require.NoError(c, err)
	if c.Args[1] == "map" { // and no descriptor
		_, err := syscall.Mmap(int(f.Fd()), 0, 10, syscall.PROT_READ, syscall.MAP_SHARED)
		require.NoError(c, err)
		require.NoError(c, f.Close())
	}
	c.WriteLine("ready")
	c.Park()
	f.Close()
})

// Who takes no locks, as programs in other languages, is seen all the same.
func TestSweepLeavesWhatIsMapped(t *testing.T) {
	for _, how := range []string{"map", "open"} {
		name := testproc.Name(t)
		orphan(t, name)
		p := testproc.Start(t, "mapper", testproc.Args(name, how))
		p.Expect("ready")
		for _, dry := range []bool{true, false} {
			swept := sweep(t, name, dry)
			require.Len(t, swept, 1)
			require.ErrorIs(t, swept[0].Err, shmfile.ErrBusy)
		}
		require.True(t, exists(name))
		f := open(t, name) // nothing of the sweep is left
		require.NoError(t, f.Close())
		p.Kill()
		p.Wait()
		swept := sweep(t, name, false)
		require.Len(t, swept, 1)
		require.NoError(t, swept[0].Err)
		require.False(t, exists(name))
	}
}

// An open that meets the instant of a sweeper's lease is refused, and does not wait.
func TestOpenMeetsALease(t *testing.T) {
	name := testproc.Name(t)
	orphan(t, name)
	f, err := os.OpenFile(shmDir+name, os.O_RDWR, 0)
	require.NoError(t, err)
	_, err = unix.FcntlInt(f.Fd(), unix.F_SETSIG, int(unix.SIGURG))
	require.NoError(t, err)
	_, err = unix.FcntlInt(f.Fd(), unix.F_SETLEASE, unix.F_WRLCK)
	require.NoError(t, err)
	_, err = shmfile.Open(t.Context(), name, shmfile.OpenOptions{})
	require.ErrorIs(t, err, shmfile.ErrBusy)
	i, ok := shmfile.Stat(name)
	require.True(t, ok)
	require.ErrorIs(t, i.Err, unix.EAGAIN)
	require.ErrorIs(t, shmfile.Unlink(name), shmfile.ErrBusy)
	require.NoError(t, f.Close())
	require.NoError(t, shmfile.Unlink(name))
}

var _ = testproc.Helper("stranger", func(c *testproc.Child) {
	require.NoError(c, syscall.Setgid(12345))
	require.NoError(c, syscall.Setuid(12345))
	name := c.Args[0]
	_, _, err := shmfile.Create(name+"theirs", 10, shmfile.Options{Owner: shmfile.OwnerUsers})
	require.NoError(c, err)
	_, err = shmfile.Sweep(&shmfile.SweepOptions{Match: func(i shmfile.Info) bool { return strings.Contains(i.Name, name) }})
	require.NoError(c, err)
	f, err := shmfile.Open(context.Background(), name, shmfile.OpenOptions{})
	require.NoError(c, err)
	require.NoError(c, shmfile.Close(f))
	_, _, err = shmfile.Create(name, 10, shmfile.Options{})
	require.ErrorIs(c, err, shmfile.ErrExist)
	c.WriteLine("done")
})

// Each user sweeps what is its own.
func TestSweepLeavesOtherUsers(t *testing.T) {
	testproc.Need(t, "root", os.Getuid() == 0)
	name := testproc.Name(t)
	orphan(t, name)
	require.NoError(t, os.Chmod(shmDir+name, 0o666|fs.ModeSticky))
	p := testproc.Start(t, "stranger", testproc.Args(name))
	p.Expect("done")
	p.Succeed()
	require.True(t, exists(name))
	swept := sweep(t, name, false)
	require.Len(t, swept, 1)
	require.Equal(t, name, swept[0].Name)
	require.True(t, list(t, name+"theirs")[0].Orphan)
	require.NoError(t, shmfile.Unlink(name+"theirs"))
}
