package shmfile_test

import (
	"errors"
	"math"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/shmkit/shmkit/internal/shmfile"
	"github.com/shmkit/shmkit/internal/testproc"
)

func TestAnonymousIsSealed(t *testing.T) {
	f := create(t, "", 5000, shmfile.Options{Fill: write("hello")})
	require.Equal(t, int64(5000), size(t, f))
	require.Equal(t, "hello", read(t, f, 5))
	require.ErrorIs(t, f.Truncate(10), unix.EPERM)
	require.ErrorIs(t, f.Truncate(10000), unix.EPERM)
	require.False(t, shmfile.Truncatable(f))
	require.False(t, shmfile.ReadOnly(f))
}

func TestNamedIsAllocatedAndPrivate(t *testing.T) {
	old := unix.Umask(0o777)
	defer unix.Umask(old)
	name := testproc.Name(t)
	f := create(t, name, 10000, shmfile.Options{})
	require.True(t, shmfile.Truncatable(f))
	require.Equal(t, shmDir+name, f.Name())

	var st unix.Stat_t
	require.NoError(t, unix.Stat(shmDir+name, &st))
	require.Equal(t, uint32(unix.S_IFREG|0o600), st.Mode)
	require.Equal(t, int64(10000), st.Size)
	require.GreaterOrEqual(t, st.Blocks*512, st.Size, "X10: no store can run out of memory later")
}

func TestDescriptorsAreNotInherited(t *testing.T) {
	name := testproc.Name(t)
	for _, f := range []*os.File{create(t, "", 1, shmfile.Options{}), create(t, name, 1, shmfile.Options{}), open(t, name)} {
		flags, err := unix.FcntlInt(f.Fd(), unix.F_GETFD, 0)
		require.NoError(t, err)
		require.NotZero(t, flags&unix.FD_CLOEXEC, f.Name())
	}
}

func TestNameIsTaken(t *testing.T) {
	name := testproc.Name(t)
	f := create(t, name, 100, shmfile.Options{Fill: write("first")})

	_, _, err := shmfile.Create(name, 50, shmfile.Options{})
	require.ErrorIs(t, err, shmfile.ErrExist) // M07
	require.ErrorContains(t, err, name)

	g, created, err := shmfile.Create(name, 50, shmfile.Options{Exist: shmfile.OpenExisting, Fill: write("second")}) // M08
	require.NoError(t, err)
	defer g.Close()
	require.False(t, created)
	require.Equal(t, int64(100), size(t, g), "M03, M08: nothing is truncated")
	require.Equal(t, "first", read(t, g, 5))
	require.Equal(t, int64(100), size(t, f))
}

func TestOpenExistingCreatesWhatIsMissing(t *testing.T) {
	f := create(t, testproc.Name(t), 50, shmfile.Options{Exist: shmfile.OpenExisting, Fill: write("new")})
	require.Equal(t, "new", read(t, f, 3))
}

func TestReplace(t *testing.T) {
	name := testproc.Name(t)
	replace := shmfile.Options{Exist: shmfile.Replace, Fill: write("new")}
	create(t, name, 100, replace).Close() // nothing to replace

	f := create(t, name, 200, replace)
	require.Equal(t, int64(200), size(t, f))

	_, _, err := shmfile.Create(name, 300, replace)
	require.ErrorIs(t, err, shmfile.ErrBusy, "the creator uses it")
	g := open(t, name)
	require.NoError(t, f.Close())
	_, _, err = shmfile.Create(name, 300, replace)
	require.ErrorIs(t, err, shmfile.ErrBusy, "another user")
	require.ErrorContains(t, err, "opened by process")
	require.Equal(t, int64(200), size(t, open(t, name)), "and nothing has changed")

	r, err := shmfile.Open(t.Context(), name, shmfile.OpenOptions{ReadOnly: true})
	require.NoError(t, err)
	require.True(t, shmfile.ReadOnly(r))
	require.NoError(t, r.Close())
	require.NoError(t, g.Close())
}

var _ = testproc.Helper("inheritor", func(c *testproc.Child) {
	c.WriteLine("ready")
	c.Park()
})

func TestReplaceSeesInheritedDescriptors(t *testing.T) {
	name := testproc.Name(t)
	f := create(t, name, 100, shmfile.Options{})
	p := testproc.Start(t, "inheritor", testproc.Files(f))
	p.Expect("ready")
	require.NoError(t, f.Close())

	_, _, err := shmfile.Create(name, 100, shmfile.Options{Exist: shmfile.Replace})
	require.ErrorIs(t, err, shmfile.ErrBusy)
	p.Kill()
	p.Wait()
	create(t, name, 100, shmfile.Options{Exist: shmfile.Replace})
}

func TestBadSizes(t *testing.T) {
	for _, n := range []int64{0, -1, -2, math.MinInt64} { // M04, M10
		for _, name := range []string{"", testproc.Name(t)} {
			_, _, err := shmfile.Create(name, n, shmfile.Options{})
			require.ErrorIs(t, err, shmfile.ErrSize, "%d", n)
			require.NoFileExists(t, shmDir+name+".")
		}
	}
	for _, n := range []int64{1 << 50, 1 << 60, math.MaxInt64} { // X10
		name := testproc.Name(t)
		for _, name := range []string{"", name} {
			_, _, err := shmfile.Create(name, n, shmfile.Options{})
			require.ErrorIs(t, err, shmfile.ErrNoSpace, "%d", n)
			require.ErrorIs(t, err, unix.ENOSPC)
		}
		require.NoFileExists(t, shmDir+name)
	}
}

func TestFailingFillLeavesNothing(t *testing.T) {
	sick := errors.New("sick")
	name := testproc.Name(t)
	for _, name := range []string{"", name} {
		_, _, err := shmfile.Create(name, 100, shmfile.Options{Fill: func(*os.File) error { return sick }})
		require.ErrorIs(t, err, sick)
	}
	require.NoFileExists(t, shmDir+name)
}

// A part is allocated at once, the rest when it is asked for, and can be given
// back.
func TestAllocatedInPart(t *testing.T) {
	for _, name := range []string{"", testproc.Name(t)} {
		f := create(t, name, 1<<30, shmfile.Options{Allocate: 10000, Fill: write("hello")})
		require.Equal(t, int64(1<<30), size(t, f))
		used := func() int64 {
			var st unix.Stat_t
			require.NoError(t, unix.Fstat(int(f.Fd()), &st))
			return st.Blocks * 512
		}
		first := used()
		require.GreaterOrEqual(t, first, int64(10000))
		require.Less(t, first, int64(1<<20))
		require.NoError(t, shmfile.Allocate(f, 1<<29, 1<<20))
		require.GreaterOrEqual(t, used(), first+1<<20)
		require.NoError(t, shmfile.Punch(f, 1<<29, 1<<20))
		require.Equal(t, first, used())
		require.Equal(t, "hello", read(t, f, 5))
		require.ErrorIs(t, shmfile.Allocate(f, 0, 1<<50), shmfile.ErrNoSpace)
		require.Error(t, shmfile.Punch(f, 0, -1))
		if name != "" {
			require.NoError(t, f.Truncate(1<<20))
			require.NoError(t, shmfile.Allocate(f, 1<<29, 1<<20))
			require.Equal(t, int64(1<<20), size(t, f), "a truncated file was made whole")
		}
	}
}
