package shm_test

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/shmkit/shmkit/shm"
)

func onDisk(t *testing.T, size int, o *shm.Options) (*shm.Segment, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a file:\n")
	return must[*shm.Segment](t)(shm.CreateFile(path, size, o)), path
}

var _ = testproc.Helper("sync", func(c *testproc.Child) {
	s, err := shm.OpenFile(context.Background(), c.Args[0], nil)
	require.NoError(c, err)
	copy(s.Bytes()[4096:], c.Args[1])
	require.NoError(c, s.Sync())
	// It ends without Close.
})

func TestFileOnDisk(t *testing.T) {
	s, path := onDisk(t, 10000, &shm.Options{Mode: 0o640})
	require.Equal(t, path, s.Name())
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o640), info.Mode())
	require.Equal(t, int64(10000), info.Size())

	testproc.Start(t, "sync", testproc.Args(path, "synced")).Succeed()
	require.Equal(t, "synced", string(s.Bytes()[4096:4102]))
	b, err := os.ReadFile(path) // read(2), not a map
	require.NoError(t, err)
	require.Equal(t, "synced", string(b[4096:4102]))

	_, err = shm.CreateFile(path, 100, nil)
	require.ErrorIs(t, err, shm.ErrExist)
	_, err = shm.CreateFile(path, 100, &shm.Options{Exist: shm.ExistReplace})
	require.ErrorIs(t, err, shm.ErrBusy)
	again := must[*shm.Segment](t)(shm.CreateFile(path, 100, &shm.Options{Exist: shm.ExistOpen}))
	require.Equal(t, 10000, again.Size())

	text, err := s.MarshalText()
	require.NoError(t, err)
	var back shm.Segment
	require.NoError(t, back.UnmarshalText(text))
	require.NoError(t, back.Close())
	require.NoError(t, again.Close())
	require.NoError(t, s.Close())
	require.FileExists(t, path, "it stays")

	s = must[*shm.Segment](t)(shm.OpenFile(t.Context(), path, nil))
	require.Equal(t, "synced", string(s.Bytes()[4096:4102]))
	require.NoError(t, s.File().Truncate(100))
	buf := make([]byte, 10)
	_, err = s.ReadAt(buf, 5000)
	require.ErrorIs(t, err, shm.ErrTruncated)
	_, err = s.WriteAt(buf, 5000)
	require.ErrorIs(t, err, shm.ErrTruncated)
	require.NoError(t, s.Unlink())
	require.ErrorIs(t, s.Unlink(), shm.ErrNotExist)
	_, err = shm.OpenFile(t.Context(), path, nil)
	require.ErrorIs(t, err, shm.ErrNotExist)
	_, err = shm.CreateFile(path+"/none/x", 100, nil)
	require.ErrorIs(t, err, shm.ErrNoDirectory)
	_, err = shm.CreateFile(path, 100, &shm.Options{Seal: true})
	require.ErrorIs(t, err, shm.ErrOptions)
	_, err = shm.CreateFile(path, 0, nil)
	require.ErrorIs(t, err, shm.ErrSize)
	require.NoFileExists(t, path)
	_, err = shm.OpenFile(t.Context(), filepath.Dir(path), nil)
	require.ErrorIs(t, err, shm.ErrForeign)
	_, err = shm.Open(t.Context(), path, nil)
	require.ErrorIs(t, err, shm.ErrName, "a path is no name")
}

// A file that lies on disk travels with its path.
func TestFileOnDiskTravels(t *testing.T) {
	s, path := onDisk(t, 100, nil)
	var r shm.Segment
	arriveNamed(t, s, r.UnmarshalBinary)
	require.Equal(t, path, r.Name())
	r.Bytes()[0] = 5
	require.Equal(t, byte(5), s.Bytes()[0])
	require.NoError(t, r.Close())
}

// Sync is msync, which the kernel answers when the disk has it.
func TestSyncReachesTheDisk(t *testing.T) {
	strace := testproc.NeedTool(t, "strace")
	s, path := onDisk(t, 10000, nil)
	log := filepath.Join(t.TempDir(), "log")
	self, err := os.Executable()
	require.NoError(t, err)
	testproc.Start(t, "sync", testproc.Binary(strace),
		testproc.Args("-f", "-qq", "-e", "trace=msync", "-o", log, self, path, "traced")).Succeed()
	calls, err := os.ReadFile(log)
	require.NoError(t, err)
	require.Equal(t, 1, strings.Count(string(calls), "msync("), "%s", calls)
	require.Contains(t, string(calls), ", 10000, MS_SYNC) = 0")
	require.Equal(t, "traced", string(s.Bytes()[4096:4102]))
}
