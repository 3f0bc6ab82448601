package shmfile_test

import (
	"context"
	"math"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/shmkit/shmkit/internal/shmfile"
	"github.com/shmkit/shmkit/internal/testproc"
)

func allocated(t *testing.T, f interface{ Fd() uintptr }) int64 {
	t.Helper()
	var st unix.Stat_t
	require.NoError(t, unix.Fstat(int(f.Fd()), &st))
	return st.Blocks * 512
}

func TestGrow(t *testing.T) {
	f := create(t, testproc.Name(t), 100, shmfile.Options{Fill: write("old")})
	require.NoError(t, shmfile.Grow(t.Context(), f, 1<<20, false))
	require.Equal(t, int64(1<<20), size(t, f))
	require.Equal(t, int64(1<<20), allocated(t, f), "X10: before anybody sees the size")
	require.NoError(t, shmfile.Grow(t.Context(), f, 5, false), "it never shrinks")
	require.Equal(t, int64(1<<20), size(t, f))
	require.NoError(t, shmfile.Grow(t.Context(), f, 1<<30, true))
	require.Equal(t, int64(1<<30), size(t, f))
	require.Equal(t, int64(1<<20), allocated(t, f))
	require.Equal(t, "old", read(t, f, 3))
	for _, n := range []int64{0, -1, math.MinInt64} {
		require.ErrorIs(t, shmfile.Grow(t.Context(), f, n, false), shmfile.ErrSize)
	}
	require.ErrorIs(t, shmfile.Grow(t.Context(), f, 1<<50, false), shmfile.ErrNoSpace)
	require.Equal(t, int64(1<<30), size(t, f))
	require.Equal(t, int64(1<<20), allocated(t, f))
}

func TestGrowOfMemfd(t *testing.T) {
	f := create(t, "", 100, shmfile.Options{})
	require.ErrorIs(t, shmfile.Grow(t.Context(), f, 200, false), shmfile.ErrSealed)
	f = create(t, "", 100, shmfile.Options{Growable: true})
	require.NoError(t, shmfile.Grow(t.Context(), f, 1<<20, false))
	require.Equal(t, int64(1<<20), size(t, f))
	require.False(t, shmfile.Truncatable(f))
	require.ErrorIs(t, f.Truncate(100), unix.EPERM, "it grows and does not shrink")
}

// X10: what a grower had taken when memory ended is given back.
func TestGrowWithoutSpace(t *testing.T) {
	dir := t.TempDir()
	testproc.Need(t, "the right to mount a tmpfs", unix.Mount("shmkit-test", dir, "tmpfs", 0, "size=40m") == nil)
	t.Cleanup(func() { require.NoError(t, unix.Unmount(dir, 0)) })
	inDirectory(t, dir)
	f, _, err := shmfile.Create("n", 100, shmfile.Options{Fill: write("old")})
	require.NoError(t, err)
	defer f.Close()
	// Refused in advance, and by the allocation.
	require.ErrorIs(t, shmfile.Grow(t.Context(), f, 15<<20+40<<20, false), shmfile.ErrNoSpace)
	filler, _, err := shmfile.Create("filler", 36<<20, shmfile.Options{})
	require.NoError(t, err)
	defer filler.Close()
	require.ErrorIs(t, shmfile.Grow(t.Context(), f, 15<<20, false), shmfile.ErrNoSpace)
	require.Equal(t, int64(100), size(t, f))
	require.Equal(t, int64(4096), allocated(t, f))
	require.NoError(t, shmfile.Grow(t.Context(), f, 3<<20, false))
}

var _ = testproc.Helper("growers", func(c *testproc.Child) {
	for i := int64(1); i <= 200; i++ {
		require.NoError(c, shmfile.Grow(context.Background(), c.Files[0], i*10000, i%3 == 0))
		n, err := shmfile.Size(c.Files[0])
		require.NoError(c, err)
		require.GreaterOrEqual(c, n, i*10000, "nobody makes it smaller")
	}
})

func TestGrowersTogether(t *testing.T) {
	for _, name := range []string{"", testproc.Name(t)} {
		f := create(t, name, 100, shmfile.Options{Growable: name == ""})
		var all []*testproc.Proc
		for range 3 {
			all = append(all, testproc.Start(t, "growers", testproc.Files(f)))
		}
		for _, p := range all {
			p.Succeed()
		}
		require.Equal(t, int64(2000000), size(t, f))
	}
}

func TestModeAndGroup(t *testing.T) {
	old := unix.Umask(0o777)
	defer unix.Umask(old)
	group := unix.Getegid()
	if unix.Geteuid() == 0 {
		group = 12345
	}
	for _, name := range []string{"", testproc.Name(t)} {
		f := create(t, name, 100, shmfile.Options{Mode: 0o664, Group: group})
		var st unix.Stat_t
		require.NoError(t, unix.Fstat(int(f.Fd()), &st))
		require.Equal(t, uint32(unix.S_IFREG|0o664), st.Mode)
		require.Equal(t, strconv.Itoa(group), strconv.Itoa(int(st.Gid)))
		_, _, err := shmfile.Create(name+"x", 100, shmfile.Options{Mode: 0o4755})
		require.ErrorIs(t, err, shmfile.ErrOptions)
	}
}

func TestPaths(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	f, created, err := shmfile.CreatePath(path, 100, shmfile.Options{Fill: write("disk")})
	require.NoError(t, err)
	require.True(t, created)
	defer f.Close()
	_, _, err = shmfile.CreatePath(path, 100, shmfile.Options{})
	require.ErrorIs(t, err, shmfile.ErrExist)
	_, _, err = shmfile.CreatePath(path, 100, shmfile.Options{Exist: shmfile.Replace})
	require.ErrorIs(t, err, shmfile.ErrBusy)
	g, err := shmfile.OpenPath(t.Context(), path, shmfile.OpenOptions{})
	require.NoError(t, err)
	defer g.Close()
	require.Equal(t, "disk", read(t, g, 4))
	require.NoError(t, shmfile.UnlinkPath(path))
	require.ErrorIs(t, shmfile.UnlinkPath(path), shmfile.ErrNotExist)
	for _, bad := range []string{"", "relative", dir + "/", dir + "/../x", "/", "/nul\x00"} {
		_, _, err := shmfile.CreatePath(bad, 100, shmfile.Options{})
		require.ErrorIs(t, err, shmfile.ErrName, "%q", bad)
		_, err = shmfile.OpenPath(t.Context(), bad, shmfile.OpenOptions{})
		require.ErrorIs(t, err, shmfile.ErrName, "%q", bad)
		require.ErrorIs(t, shmfile.UnlinkPath(bad), shmfile.ErrName, "%q", bad)
	}
	_, err = shmfile.OpenPath(t.Context(), dir+"/none/x", shmfile.OpenOptions{Wait: true})
	require.ErrorIs(t, err, shmfile.ErrNoDirectory)
	_, _, err = shmfile.CreatePath(path, 0, shmfile.Options{})
	require.ErrorIs(t, err, shmfile.ErrSize)
	opened := make(chan error)
	go func() {
		f, err := shmfile.OpenPath(t.Context(), path, shmfile.OpenOptions{Wait: true})
		if err == nil {
			err = f.Close()
		}
		opened <- err
	}()
	h, _, err := shmfile.CreatePath(path, 100, shmfile.Options{})
	require.NoError(t, err)
	defer h.Close()
	require.NoError(t, <-opened)
}

// What somebody has stored behind the end, in its page, is not in what is added.
func TestGrowAddsZeros(t *testing.T) {
	for _, name := range []string{"", testproc.Name(t)} {
		f := create(t, name, 100, shmfile.Options{Growable: name == "", Fill: write(strings.Repeat("x", 100))})
		b, err := unix.Mmap(int(f.Fd()), 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		require.NoError(t, err)
		copy(b[100:], "overrun")
		require.NoError(t, shmfile.Grow(t.Context(), f, 5000, false))
		require.Equal(t, strings.Repeat("x", 100)+strings.Repeat("\x00", 4900), read(t, f, 5000))
		require.Equal(t, byte('x'), b[99])
		require.NoError(t, unix.Munmap(b))
		require.Equal(t, int64(8192), allocated(t, f))
	}
}
