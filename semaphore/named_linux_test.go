//go:build !explore

package semaphore

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// semName returns a name that is removed after the test, and its file. The leak
// check looks for names that begin with the run's.
func semName(t testing.TB) (name, file string) {
	name = testproc.Name(t)
	file = "/dev/shm/sem." + name
	t.Cleanup(func() { _ = os.Remove(file) })
	return name, file
}

func newNamed(t testing.TB, value, max int) *Named {
	name, _ := semName(t)
	n, err := Open(name, &OpenOptions{Create: true, Value: value, Max: max})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, n.Close()) })
	return n
}

func openNamed(t testing.TB, name string, o *OpenOptions) *Named {
	n, err := Open(name, o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, n.Close()) })
	return n
}

// S17: a named semaphore can be made, found, and its name removed.
func TestS17Named(t *testing.T) {
	name, file := semName(t)
	_, err := Open(name, nil)
	require.ErrorIs(t, err, fs.ErrNotExist)
	n := openNamed(t, name, &OpenOptions{Create: true, Value: 2, Max: 3})
	st, err := os.Stat(file)
	require.NoError(t, err)
	require.EqualValues(t, 32, st.Size())
	require.Equal(t, fs.FileMode(0o600), st.Mode())
	_, err = Open(name, &OpenOptions{Create: true})
	require.ErrorIs(t, err, ErrExist)

	same := openNamed(t, "/"+name, &OpenOptions{Create: true, Exist: ExistOpen, Value: 1, Max: 1})
	require.NoError(t, same.Acquire(t.Context(), 2))
	require.ErrorIs(t, n.TryAcquire(1), ErrNoPermits)
	require.ErrorIs(t, same.Release(4), ErrOverflow, "its maximum is that of its maker")
	require.NoError(t, n.Release(3))
	require.Equal(t, 3, same.Value())
	require.Equal(t, name, n.Name())
	require.Equal(t, `Semaphore("`+name+`", 3 of 3)`, n.String())

	_, err = Open(name, &OpenOptions{Create: true, Exist: ExistReplace})
	require.ErrorIs(t, err, ErrBusy)
	require.NoError(t, n.Unlink())
	require.ErrorIs(t, n.Unlink(), ErrNotExist)
	require.ErrorIs(t, Unlink(name), ErrNotExist)
	require.NoError(t, n.Acquire(t.Context(), 3), "who has it open keeps it")
	require.Zero(t, same.Value())
	openNamed(t, name, &OpenOptions{Create: true, Value: 7})
	require.Zero(t, same.Value())
}

func TestNamedReplace(t *testing.T) {
	name, _ := semName(t)
	n := openNamed(t, name, &OpenOptions{Create: true, Exist: ExistReplace, Value: 1})
	require.NoError(t, n.Close())
	n = openNamed(t, name, &OpenOptions{Create: true, Exist: ExistReplace, Value: 5})
	require.Equal(t, 5, n.Value())
}

func TestNamedNames(t *testing.T) {
	for _, bad := range []string{"", "/", "//", "a/b", "/a/", "a\x00b", strings.Repeat("n", 252)} {
		for _, o := range []*OpenOptions{nil, {Create: true}} {
			_, err := Open(bad, o)
			require.ErrorIs(t, err, ErrName, "%q", bad)
		}
		require.ErrorIs(t, Unlink(bad), ErrName, "%q", bad)
	}
	name, _ := semName(t)
	long := name + strings.Repeat("n", 251-len(name))
	t.Cleanup(func() { _ = Unlink(long) })
	openNamed(t, long, &OpenOptions{Create: true})
}

// X15, by name.
func TestX15NamedImpossibleCounts(t *testing.T) {
	name, file := semName(t)
	for _, o := range []OpenOptions{{Value: -1}, {Max: -1}, {Value: 2, Max: 1}, {Value: semMax + 1}} {
		o.Create = true
		_, err := Open(name, &o)
		require.ErrorIs(t, err, ErrInvalid)
		require.NoFileExists(t, file)
	}
	n := newNamed(t, 1, 1)
	require.ErrorIs(t, n.Acquire(t.Context(), 0), ErrInvalid)
	require.ErrorIs(t, n.Acquire(t.Context(), 2), ErrInvalid)
	require.ErrorIs(t, n.Release(-1), ErrInvalid)
}

// A file that is no sem_t is refused and left as it is.
func TestNamedForeignFiles(t *testing.T) {
	sem := make([]byte, 32)
	sem[8] = semShared
	corrupt := append([]byte(nil), sem...)
	corrupt[3] = 0x80
	for want, files := range map[error][][]byte{
		ErrForeign:   {make([]byte, 32), make([]byte, 31), sem[:16], append(sem, 0)},
		ErrTruncated: {{}},
		ErrCorrupt:   {corrupt},
	} {
		for _, b := range files {
			name, file := semName(t)
			require.NoError(t, os.WriteFile(file, b, 0o600))
			for _, o := range []*OpenOptions{nil, {Create: true, Exist: ExistOpen, Max: 3}} {
				_, err := Open(name, o)
				require.ErrorIs(t, err, want, "%v", b)
			}
			got, err := os.ReadFile(file)
			require.NoError(t, err)
			require.Equal(t, b, got)
		}
	}
	name, file := semName(t)
	require.NoError(t, unix.Mkfifo(file, 0o600))
	_, err := Open(name, nil)
	require.ErrorIs(t, err, ErrForeign)
	name, file = semName(t)
	require.NoError(t, os.Symlink("/dev/null", file))
	_, err = Open(name, nil)
	require.ErrorIs(t, err, ErrForeign)
}

// Close unblocks those who wait; whatever comes later is refused.
func TestNamedClose(t *testing.T) {
	name, _ := semName(t)
	n := openNamed(t, name, &OpenOptions{Create: true})
	other := openNamed(t, name, nil)
	var waits []<-chan error
	for _, permits := range []int{1, 1, 2, 3} {
		waits = append(waits, start(func() error { return n.Acquire(context.Background(), permits) }))
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	waits = append(waits, start(func() error { return n.Acquire(ctx, 1) }))
	await(t, func() bool {
		return semSleepers(other.sem) == 1 && futexSleepers(other.sem.sem.turn.Word()) == 1
	})
	stays := start(func() error { return other.Acquire(context.Background(), 1) })
	require.NoError(t, n.Close())
	for _, w := range waits {
		require.ErrorIs(t, result(t, w), os.ErrClosed)
	}
	for range 2 {
		require.ErrorIs(t, n.Acquire(t.Context(), 1), ErrClosed)
		require.ErrorIs(t, n.TryAcquire(1), ErrClosed)
		require.ErrorIs(t, n.Release(1), ErrClosed)
		require.Zero(t, n.Value())
		require.Contains(t, n.String(), "closed")
		require.NoError(t, n.Close())
	}
	require.Empty(t, stays)
	require.NoError(t, other.Release(1))
	require.NoError(t, result(t, stays))
	require.True(t, other.sem.sem.turn.Free())
}

// Calls that meet Close end with success or ErrClosed, and no permit is lost.
func TestNamedCloseRaces(t *testing.T) {
	name, _ := semName(t)
	keeps := openNamed(t, name, &OpenOptions{Create: true})
	for range 50 {
		n, err := Open(name, nil)
		require.NoError(t, err)
		released := start(func() error {
			given := 0
			for n.Release(1) == nil {
				given++
			}
			for range given {
				if err := keeps.TryAcquire(1); err != nil {
					return err
				}
			}
			return nil
		})
		await(t, func() bool { return n.Value() > 10 })
		require.NoError(t, n.Close())
		require.NoError(t, result(t, released))
		require.Zero(t, keeps.Value())
	}
}

// A file that somebody truncates gives an error, to those who wait, too.
func TestNamedTruncated(t *testing.T) {
	for _, size := range []int64{0, 8} {
		name, file := semName(t)
		n := openNamed(t, name, &OpenOptions{Create: true})
		var waits []<-chan error
		for _, permits := range []int{1, 2, 2} {
			waits = append(waits, start(func() error { return n.Acquire(context.Background(), permits) }))
		}
		await(t, func() bool { return semSleepers(n.sem) == 1 && futexSleepers(n.sem.sem.turn.Word()) == 1 })
		require.NoError(t, os.Truncate(file, size))
		if size == 0 { // the page is gone
			for _, w := range waits {
				require.ErrorIs(t, result(t, w), ErrTruncated)
			}
			require.ErrorIs(t, n.TryAcquire(1), ErrTruncated)
			require.ErrorIs(t, n.Release(1), ErrTruncated)
			require.Zero(t, n.Value())
			require.Contains(t, n.String(), "truncated")
		} else { // the kernel has filled the rest of the page with zeros
			for _, w := range waits {
				require.ErrorIs(t, result(t, w), ErrNotInitialized)
			}
		}
		require.NoError(t, n.Close())
	}
}

// named.temporary makes a named semaphore, opens it again in another process, and
// both end without a word. Args: name.
var _ = testproc.Helper("named.temporary", func(c *testproc.Child) {
	n, err := Open(c.Args[0], &OpenOptions{Create: true, Exist: ExistOpen, Value: 1, Max: 1})
	require.NoError(c, err)
	require.NoError(c, n.Acquire(context.Background(), 1))
	require.NoError(c, n.Release(1))
	if len(c.Args) > 1 {
		require.NoError(c, n.Unlink())
	}
	c.WriteLine("done")
	c.Park()
})

// S18: a semaphore made in one process and made again in another one leaves
// nothing once its name is removed, though nobody closes it.
func TestS18NothingIsLeft(t *testing.T) {
	name, file := semName(t)
	first := testproc.Start(t, "named.temporary", testproc.Args(name))
	first.Expect("done")
	second := testproc.Start(t, "named.temporary", testproc.Args(name, "unlink"))
	second.Expect("done")
	for _, p := range []*testproc.Proc{first, second} {
		p.CloseStdin()
		p.Succeed()
		require.Empty(t, p.Stderr())
	}
	require.NoFileExists(t, file)
}

// Whoever is killed while it makes a semaphore leaves no file, or a whole one.
func TestNamedCreatorIsKilled(t *testing.T) {
	name, file := semName(t)
	for _, point := range []string{"shmfile/create-opened", "shmfile/create-sized", "shmfile/create-filled", "shmfile/create-ready", "shmfile/create-published"} {
		p := testproc.Start(t, "named.temporary", testproc.Args(name), testproc.Binary(testproc.VictimBinary(t)),
			testproc.Env("SHMKIT_CRASHPOINT="+point))
		require.Equal(t, syscall.SIGKILL, p.Wait().Sys().(syscall.WaitStatus).Signal(), point)
		if _, err := os.Stat(file); err == nil {
			require.Equal(t, "shmfile/create-published", point)
			require.Equal(t, 1, openNamed(t, name, nil).Value())
			require.NoError(t, Unlink(name))
		}
	}
	left, err := filepath.Glob("/dev/shm/*" + name + "*")
	require.NoError(t, err)
	require.Empty(t, left)
}
