package shmfile_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/shmkit/shmkit/internal/shmfile"
	"github.com/shmkit/shmkit/internal/testproc"
)

// inDirectory lets named objects live elsewhere for one test.
func inDirectory(t *testing.T, dir string) {
	t.Helper()
	old := shmfile.Dir
	shmfile.Dir = dir
	t.Cleanup(func() { shmfile.Dir = old })
}

func TestMissingDirectory(t *testing.T) {
	inDirectory(t, filepath.Join(t.TempDir(), "none"))
	_, _, err := shmfile.Create("n", 100, shmfile.Options{})
	require.ErrorIs(t, err, shmfile.ErrNoDirectory)
	_, _, err = shmfile.Create("n", 100, shmfile.Options{Exist: shmfile.OpenExisting})
	require.ErrorIs(t, err, shmfile.ErrNoDirectory)
	_, err = shmfile.Open(t.Context(), "n", shmfile.OpenOptions{Wait: true})
	require.ErrorIs(t, err, shmfile.ErrNoDirectory, "waiting would be in vain")
	create(t, "", 100, shmfile.Options{})
}

func TestFullDirectory(t *testing.T) {
	dir := t.TempDir()
	testproc.Need(t, "the right to mount a tmpfs", unix.Mount("shmkit-test", dir, "tmpfs", 0, "size=1m") == nil)
	t.Cleanup(func() { require.NoError(t, unix.Unmount(dir, 0)) })
	inDirectory(t, dir)

	_, _, err := shmfile.Create("big", 2<<20, shmfile.Options{}) // below what is asked about in advance
	require.ErrorIs(t, err, shmfile.ErrNoSpace)
	require.ErrorIs(t, err, unix.ENOSPC) // X10
	_, _, err = shmfile.Create("huge", 64<<20, shmfile.Options{})
	require.ErrorIs(t, err, unix.ENOSPC)
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)
	f, _, err := shmfile.Create("all", 1<<20, shmfile.Options{})
	require.NoError(t, err, "and no memory is lost")
	require.NoError(t, f.Close())
	g, _, err := shmfile.Create("", 2<<20, shmfile.Options{})
	require.NoError(t, err, "anonymous objects still work")
	require.NoError(t, g.Close())
}
