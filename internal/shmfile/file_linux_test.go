package shmfile_test

import (
	"context"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/shmkit/shmkit/internal/shmfile"
	"github.com/shmkit/shmkit/internal/testproc"
)

const shmDir = "/dev/shm/"

func create(t testing.TB, name string, size int64, o shmfile.Options) *os.File {
	t.Helper()
	f, created, err := shmfile.Create(name, size, o)
	require.NoError(t, err)
	require.True(t, created)
	t.Cleanup(func() { f.Close() })
	if name != "" {
		t.Cleanup(func() { os.Remove(shmDir + name) })
	}
	return f
}

func open(t testing.TB, name string) *os.File {
	t.Helper()
	f, err := shmfile.Open(t.Context(), name, shmfile.OpenOptions{})
	require.NoError(t, err)
	t.Cleanup(func() { f.Close() })
	return f
}

func write(text string) func(*os.File) error {
	return func(f *os.File) error { _, err := f.WriteAt([]byte(text), 0); return err }
}

func read(t testing.TB, f *os.File, n int) string {
	t.Helper()
	b := make([]byte, n)
	_, err := f.ReadAt(b, 0)
	require.NoError(t, err)
	return string(b)
}

func size(t testing.TB, f *os.File) int64 {
	t.Helper()
	n, err := shmfile.Size(f)
	require.NoError(t, err)
	return n
}

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

func TestUnlink(t *testing.T) {
	name := testproc.Name(t)
	f := create(t, name, 100, shmfile.Options{Fill: write("kept")})
	require.NoError(t, shmfile.Unlink(name))
	require.Equal(t, "kept", read(t, f, 4), "who has it keeps it")
	require.ErrorIs(t, shmfile.Unlink(name), fs.ErrNotExist)         // M06
	_, err := shmfile.Open(t.Context(), name, shmfile.OpenOptions{}) // M09
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.ErrorContains(t, err, name)
	require.NotErrorIs(t, err, shmfile.ErrNoDirectory)
}

func TestBadNames(t *testing.T) {
	// M11, R05
	for _, name := range []string{".", "..", "a/b", "nul\x00", strings.Repeat("n", 300)} {
		_, _, err := shmfile.Create(name, 100, shmfile.Options{})
		require.ErrorIs(t, err, shmfile.ErrName, "%q", name)
		_, err = shmfile.Open(t.Context(), name, shmfile.OpenOptions{Wait: true})
		require.ErrorIs(t, err, shmfile.ErrName, "%q", name)
		require.ErrorIs(t, shmfile.Unlink(name), shmfile.ErrName, "%q", name)
	}
	_, err := shmfile.Open(t.Context(), "", shmfile.OpenOptions{}) // M04
	require.ErrorIs(t, err, shmfile.ErrName)
	require.ErrorIs(t, shmfile.Unlink(""), shmfile.ErrName)
}

func TestOddNames(t *testing.T) {
	for _, odd := range []string{":colon:", "\nnew\nline", " "} { // M29
		name := testproc.Name(t) + odd
		create(t, name, 10, shmfile.Options{Fill: write("odd")})
		require.Equal(t, "odd", read(t, open(t, name), 3))
		require.NoError(t, shmfile.Unlink(name))
	}
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

func TestOnlyRegularFilesAreOpened(t *testing.T) {
	target := create(t, testproc.Name(t), 100, shmfile.Options{})
	for what, make := range map[string]func(path string) error{
		"directory":  func(p string) error { return os.Mkdir(p, 0o700) },
		"symlink":    func(p string) error { return os.Symlink(target.Name(), p) },
		"dangling":   func(p string) error { return os.Symlink("nowhere", p) },
		"fifo":       func(p string) error { return unix.Mkfifo(p, 0o600) },
		"empty file": func(p string) error { return os.WriteFile(p, nil, 0o600) },
	} {
		t.Run(what, func(t *testing.T) {
			name := testproc.Name(t)
			require.NoError(t, make(shmDir+name))
			t.Cleanup(func() { os.Remove(shmDir + name) })
			want := shmfile.ErrForeign
			if what == "empty file" {
				want = shmfile.ErrTruncated
			}
			for _, ro := range []bool{false, true} {
				_, err := shmfile.Open(t.Context(), name, shmfile.OpenOptions{ReadOnly: ro})
				require.ErrorIs(t, err, want)
			}
			_, _, err := shmfile.Create(name, 10, shmfile.Options{Exist: shmfile.OpenExisting})
			require.ErrorIs(t, err, want)
			_, _, err = shmfile.Create(name, 10, shmfile.Options{})
			require.ErrorIs(t, err, shmfile.ErrExist)
			_, err = os.Lstat(shmDir + name)
			require.NoError(t, err, "X08: a failed open removes nothing")
		})
	}
}

func TestIdentify(t *testing.T) {
	spec := shmfile.Spec{Kind: shmfile.KindValue, Fingerprint: 5, Size: 300}
	head, err := shmfile.NewHeader(spec)
	require.NoError(t, err)
	name := testproc.Name(t)
	f := create(t, name, spec.Size, shmfile.Options{Fill: write(string(head))})

	got, err := shmfile.Identify(f, spec)
	require.NoError(t, err)
	require.Equal(t, spec.Size, got.Size)

	spec.Kind = shmfile.KindRing
	_, err = shmfile.Identify(f, spec)
	require.ErrorIs(t, err, shmfile.ErrKind)
	require.ErrorContains(t, err, name)

	spec.Kind = shmfile.KindValue
	for _, cut := range []int64{299, 128, 127, 0} {
		require.NoError(t, f.Truncate(cut))
		_, err = shmfile.Identify(f, spec)
		require.ErrorIs(t, err, shmfile.ErrTruncated, "%d", cut)
	}
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	defer w.Close()
	_, err = shmfile.Identify(r, spec)
	require.ErrorIs(t, err, shmfile.ErrForeign)
	require.FileExists(t, shmDir+name, "X08")
}

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

func TestWaitSeesTheCreation(t *testing.T) {
	name := testproc.Name(t)
	opened := make(chan error)
	go func() {
		f, err := shmfile.Open(t.Context(), name, shmfile.OpenOptions{Wait: true})
		if err == nil {
			b := make([]byte, 4)
			_, err = f.ReadAt(b, 0)
			if err == nil && string(b) != "full" {
				err = errors.New("seen half made: " + string(b)) // X09
			}
			f.Close()
		}
		opened <- err
	}()
	create(t, name, 100, shmfile.Options{Fill: write("full")})
	require.NoError(t, <-opened)
}

func TestWaitPassesOverAnEmptyFile(t *testing.T) {
	// Another library's creator: first the name, then the size.
	name := testproc.Name(t)
	foreign, err := os.Create(shmDir + name)
	require.NoError(t, err)
	t.Cleanup(func() { os.Remove(shmDir + name); foreign.Close() })
	opened := make(chan error)
	go func() {
		f, err := shmfile.Open(t.Context(), name, shmfile.OpenOptions{Wait: true})
		if err == nil {
			f.Close()
		}
		opened <- err
	}()
	require.NoError(t, foreign.Truncate(100))
	require.NoError(t, <-opened)
}

func TestWaitEndsWithItsContext(t *testing.T) {
	name := testproc.Name(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	ended := make(chan error)
	go func() {
		_, err := shmfile.Open(ctx, name, shmfile.OpenOptions{Wait: true})
		ended <- err
	}()
	cancel(nil)
	err := <-ended
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, err, shmfile.ErrNotExist)

	_, err = shmfile.Open(ctx, name, shmfile.OpenOptions{Wait: true})
	require.ErrorIs(t, err, context.Canceled)
	create(t, name, 100, shmfile.Options{})
	f, err := shmfile.Open(ctx, name, shmfile.OpenOptions{Wait: true})
	require.NoError(t, err, "what exists needs no waiting")
	require.NoError(t, f.Close())
}
