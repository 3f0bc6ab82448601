package shmfile_test

import (
	"io/fs"
	"os"
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
