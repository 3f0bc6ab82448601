package shm_test

import (
	"context"
	"errors"
	"math"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/shmkit/shmkit/internal/shmfile"
	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/shmkit/shmkit/semaphore"
	"github.com/shmkit/shmkit/shm"
)

func allocated(t *testing.T, s *shm.Segment) int64 {
	t.Helper()
	var st unix.Stat_t
	require.NoError(t, unix.Fstat(int(s.File().Fd()), &st))
	return st.Blocks * 512
}

var _ = testproc.Helper("grow", func(c *testproc.Child) {
	var s shm.Segment
	arrive(c, "shm.segment", c.Files[0], s.UnmarshalBinary)
	before := s.Bytes()
	require.NoError(c, s.Grow(context.Background(), 1<<20))
	require.Len(c, s.Bytes(), 1<<20)
	copy(s.Bytes()[1<<20-5:], "child")
	before[1] = 'c'
	require.NoError(c, s.Close())
})

func TestGrowSegment(t *testing.T) {
	for what, create := range map[string]func() (*shm.Segment, error){
		"anonymous": func() (*shm.Segment, error) { return shm.Create("", 100, &shm.Options{Grow: true}) },
		"named":     func() (*shm.Segment, error) { return shm.Create(newName(t), 100, nil) },
		"on disk":   func() (*shm.Segment, error) { return shm.CreateFile(t.TempDir()+"/file", 100, nil) },
	} {
		t.Run(what, func(t *testing.T) {
			s := must[*shm.Segment](t)(create())
			old := s.Bytes()
			window, err := shm.View[int64](s, 8)
			require.NoError(t, err)
			copy(old, "p")
			testproc.Start(t, "grow", testproc.Files(s.File())).Succeed()
			require.Equal(t, 100, s.Size(), "until it is asked for")
			require.Equal(t, "pc", string(old[:2]), "old slices are the same memory")
			n, err := s.Refresh()
			require.NoError(t, err)
			require.Equal(t, 1<<20, n)
			require.Equal(t, "child", string(s.Bytes()[1<<20-5:]))
			require.Contains(t, s.String(), "1048576")
			require.GreaterOrEqual(t, allocated(t, s), int64(1<<20))

			*window = 7
			require.Equal(t, byte(7), s.Bytes()[8])
			s.Bytes()[0] = 'q'
			require.Equal(t, byte('q'), old[0])
			require.NoError(t, s.Grow(t.Context(), 10), "it never shrinks")
			require.Equal(t, 1<<20, s.Size())
			require.NoError(t, s.Grow(t.Context(), 2<<20))
			require.NoError(t, s.Sync())
			require.NoError(t, s.Prefault())
			buf := make([]byte, 1)
			_, err = s.ReadAt(buf, 2<<20-1)
			require.NoError(t, err)

			for _, n := range []int{0, -1, math.MinInt} {
				require.ErrorIs(t, s.Grow(t.Context(), n), shm.ErrSize)
			}
			require.ErrorIs(t, s.Grow(t.Context(), 1<<50), shm.ErrNoSpace) // X10
			require.Equal(t, 2<<20, s.Size())
			require.NoError(t, s.Close())
			require.Equal(t, byte(0), old[0], "a late access meets zeros")
			*window = 1
			require.ErrorIs(t, s.Grow(t.Context(), 3<<20), shm.ErrClosed)
			_, err = s.Refresh()
			require.ErrorIs(t, err, shm.ErrClosed)
		})
	}
}

func TestGrowIsRefused(t *testing.T) {
	s := segment(t, "", 100)
	require.ErrorIs(t, s.Grow(t.Context(), 200), shm.ErrSealed)
	require.Equal(t, 100, s.Size())
	name := newName(t)
	w := segment(t, name, 100)
	r := must[*shm.Segment](t)(shm.Open(t.Context(), name, &shm.OpenOptions{ReadOnly: true}))
	require.ErrorIs(t, r.Grow(t.Context(), 200), shm.ErrReadOnly)
	require.NoError(t, w.Grow(t.Context(), 5000))
	n, err := r.Refresh()
	require.NoError(t, err)
	require.Equal(t, 5000, n)
	require.NoError(t, os.Truncate(shmDir+name, 50))
	_, err = r.Refresh()
	require.ErrorIs(t, err, shm.ErrTruncated)
	require.Equal(t, 5000, r.Size())
}

// A lock is the process's at the address through which it was taken.
func TestGrowWithALockHeld(t *testing.T) {
	s := must[*shm.Segment](t)(shm.Create("", 100, &shm.Options{Grow: true}))
	mu, err := shm.View[semaphore.Mutex](s, 0)
	require.NoError(t, err)
	mu.Init()
	require.NoError(t, mu.Lock())
	require.NoError(t, s.Grow(t.Context(), 8192))
	again, err := shm.View[semaphore.Mutex](s, 0)
	require.NoError(t, err)
	require.ErrorIs(t, again.TryLock(), semaphore.ErrLocked)
	require.ErrorIs(t, s.Close(), shm.ErrBusy)
	mu.Unlock()
	require.NoError(t, again.Lock())
	require.ErrorIs(t, s.Close(), shm.ErrBusy)
	again.Unlock()
}

var _ = testproc.Helper("grow step by step", func(c *testproc.Child) {
	s, err := shm.Open(context.Background(), c.Args[0], nil)
	require.NoError(c, err)
	for size := 8192; size <= 50*8192; size += 8192 {
		require.NoError(c, s.Grow(context.Background(), size))
		b := s.Bytes()
		b[size-1]++ // would fault if the memory, or the size, were not there
		if size == 10*8192 {
			c.WriteLine("growing")
		}
	}
})

// Two growers at once, of which some are killed.
func TestGrowersKilled(t *testing.T) {
	name := newName(t)
	s := segment(t, name, 100)
	for range 5 {
		a := testproc.Start(t, "grow step by step", testproc.Args(name))
		b := testproc.Start(t, "grow step by step", testproc.Args(name))
		a.Expect("growing")
		a.Kill()
		b.Succeed()
		a.Wait()
		n, err := s.Refresh()
		require.NoError(t, err)
		require.Equal(t, 50*8192, n)
	}
	require.LessOrEqual(t, allocated(t, s), int64(50*8192))
}

func TestPythonSeesTheNewSize(t *testing.T) {
	name := newName(t)
	s := segment(t, name, 100)
	require.NoError(t, s.Grow(t.Context(), 12345))
	s.Bytes()[12344] = 99
	out := python(t, `
s = SharedMemory(sys.argv[1])
print(s.size, s.buf[12344])
leave(s)
`, name)
	require.Equal(t, "12345 99\n", out)
}

func TestCopying(t *testing.T) {
	name := newName(t)
	for _, s := range []*shm.Segment{segment(t, "", 100), segment(t, name, 100)} {
		n, err := s.WriteAt([]byte("hello"), 95)
		require.NoError(t, err)
		require.Equal(t, 5, n)
		b := make([]byte, 10)
		n, err = s.ReadAt(b, 95)
		require.EqualError(t, err, "EOF")
		require.Equal(t, "hello", string(b[:n]))
		_, err = s.ReadAt(b, 100)
		require.EqualError(t, err, "EOF")
		_, err = s.ReadAt(b, math.MaxInt64)
		require.EqualError(t, err, "EOF")
		n, err = s.ReadAt(b[:5], 95)
		require.NoError(t, err)
		require.Equal(t, 5, n)
		for _, off := range []int64{-1, math.MinInt64, 96, 101, math.MaxInt64} {
			n, err := s.WriteAt([]byte("HELLO"), off)
			require.ErrorIs(t, err, shm.ErrRange, "%d", off)
			require.Zero(t, n)
		}
		_, err = s.ReadAt(b, -1)
		require.ErrorIs(t, err, shm.ErrRange)
		require.Equal(t, "hello", string(s.Bytes()[95:]))
	}
	s := openSegment(t, name)
	r := must[*shm.Segment](t)(shm.Open(t.Context(), name, &shm.OpenOptions{ReadOnly: true}))
	_, err := r.WriteAt([]byte("x"), 0)
	require.ErrorIs(t, err, shm.ErrReadOnly)
	b := make([]byte, 100)
	_, err = r.ReadAt(b, 0)
	require.NoError(t, err)
	require.Zero(t, testing.AllocsPerRun(100, func() { // S5
		_, _ = s.ReadAt(b, 0)
		_, _ = s.WriteAt(b, 0)
	}))
	require.NoError(t, s.File().Truncate(0))
	for _, s := range []*shm.Segment{s, r} {
		_, err = s.ReadAt(b, 0)
		require.ErrorIs(t, err, shm.ErrTruncated)
	}
	_, err = s.WriteAt(b, 0)
	require.ErrorIs(t, err, shm.ErrTruncated)
	require.NoError(t, s.Close())
	_, err = s.ReadAt(b, 0)
	require.ErrorIs(t, err, shm.ErrClosed)
	_, err = s.WriteAt(b, 0)
	require.ErrorIs(t, err, shm.ErrClosed)
	_, err = new(shm.Segment).ReadAt(b, 0)
	require.ErrorIs(t, err, shm.ErrClosed)
}

func TestSparseSegment(t *testing.T) {
	page := os.Getpagesize()
	for what, create := range map[string]func() (*shm.Segment, error){
		"anonymous": func() (*shm.Segment, error) { return shm.Create("", 1<<40, &shm.Options{Sparse: true}) },
		"named":     func() (*shm.Segment, error) { return shm.Create(newName(t), 1<<40, &shm.Options{Sparse: true}) },
	} {
		t.Run(what, func(t *testing.T) {
			s := must[*shm.Segment](t)(create())
			require.Equal(t, 1<<40, s.Size())
			require.Zero(t, allocated(t, s))
			s.Bytes()[1<<39] = 1
			require.Equal(t, int64(page), allocated(t, s))
			require.NoError(t, s.Reserve(0, 10*page))
			require.Equal(t, int64(11*page), allocated(t, s))
			require.NoError(t, s.Release(1<<39, page))
			require.Equal(t, int64(10*page), allocated(t, s))
			require.Zero(t, s.Bytes()[1<<39])
			require.ErrorIs(t, s.Reserve(0, 1<<40), shm.ErrNoSpace)
			for _, c := range [][2]int{{-1, 1}, {0, 0}, {0, -1}, {1<<40 - 1, 2}, {1 << 41, 1}, {math.MaxInt, math.MaxInt}} {
				require.ErrorIs(t, s.Reserve(c[0], c[1]), shm.ErrRange)
			}
			require.ErrorIs(t, s.Release(1, page), shm.ErrUnaligned)
			require.ErrorIs(t, s.Release(0, page+1), shm.ErrUnaligned)
			require.ErrorIs(t, s.Release(-page, page), shm.ErrRange)
			require.NoError(t, s.Close())
			require.ErrorIs(t, s.Reserve(0, 1), shm.ErrClosed)
			require.ErrorIs(t, s.Release(0, page), shm.ErrClosed)
		})
	}
	s := segment(t, "", page+100)
	require.NoError(t, s.Release(page, 100), "to the end")
	require.Equal(t, int64(page), allocated(t, s))
}

func TestHugePages(t *testing.T) {
	const size = 4<<20 + 100
	s := must[*shm.Segment](t)(shm.Create("", size, &shm.Options{Huge: shm.HugeTry}))
	n, err := s.HugeBytes()
	require.NoError(t, err)
	require.LessOrEqual(t, n, size)
	require.Equal(t, size, s.Size())
	s.Bytes()[size-1] = 1
	require.GreaterOrEqual(t, allocated(t, s), int64(size))
	v := must[*shm.Value[[1 << 20]byte]](t)(shm.NewValue("", [1 << 20]byte{1}, &shm.Options{Huge: shm.HugeTry}))
	require.NoError(t, v.Update(t.Context(), func(b *[1 << 20]byte) error { b[1] = 2; return nil }))
	must[*shm.Segment](t)(shm.Create(newName(t), size, &shm.Options{Huge: shm.HugeTry}))
	t.Logf("HugeTry: %d of %d bytes", n, size)

	only, err := shm.Create("", size, &shm.Options{Huge: shm.HugeOnly})
	if err != nil { // as where nobody has reserved any
		require.True(t, errors.Is(err, shm.ErrNoSpace) || errors.Is(err, errors.ErrUnsupported), "%v", err)
		return
	}
	only.Bytes()[size-1] = 1
	n, err = only.HugeBytes()
	require.NoError(t, err)
	require.Equal(t, size, n)
	var r shm.Segment
	arrive(t, "shm.segment", only.File(), r.UnmarshalBinary)
	require.Equal(t, byte(1), r.Bytes()[size-1])
	require.NoError(t, r.Close())
	only.Close()
	_, err = only.HugeBytes()
	require.ErrorIs(t, err, shm.ErrClosed)
}

// Huge pages that the kernel makes of ordinary ones, where the file system allows it.
func TestHugePagesOfTmpfs(t *testing.T) {
	dir := t.TempDir()
	testproc.Need(t, "the right to mount a tmpfs", unix.Mount("shmkit-test", dir, "tmpfs", 0, "size=32m,huge=advise") == nil)
	t.Cleanup(func() { require.NoError(t, unix.Unmount(dir, 0)) })
	old := shmfile.Dir
	shmfile.Dir = dir
	defer func() { shmfile.Dir = old }()
	for huge, want := range map[shm.Huge]bool{shm.HugeNone: false, shm.HugeTry: true} {
		s, err := shm.Create("n", 8<<20, &shm.Options{Huge: huge, Exist: shm.ExistReplace})
		require.NoError(t, err)
		clear(s.Bytes())
		n, err := s.HugeBytes()
		require.NoError(t, err)
		require.Equal(t, want, n > 0, "%d bytes", n) // all of it, if memory is not in small pieces
		require.NoError(t, s.Close())
	}
	_, err := shm.Create("n", 33<<20, &shm.Options{Huge: shm.HugeTry, Exist: shm.ExistReplace})
	require.ErrorIs(t, err, shm.ErrNoSpace)
}

func TestCloseOfAGrownAndTruncatedSegment(t *testing.T) {
	s := segment(t, newName(t), 4096)
	mu, err := shm.View[semaphore.Mutex](s, 0)
	require.NoError(t, err)
	require.NoError(t, mu.Lock())
	mu.Unlock()
	require.NoError(t, s.Grow(t.Context(), 8192))
	require.NoError(t, s.File().Truncate(0))
	require.ErrorIs(t, s.Grow(t.Context(), 100), shm.ErrTruncated)
	require.NoError(t, s.Close())
}
