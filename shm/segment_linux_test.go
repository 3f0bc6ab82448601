package shm_test

import (
	"encoding"
	"encoding/json"
	"io/fs"
	"math"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/shmkit/shmkit/shm"
)

func TestSegmentBasics(t *testing.T) {
	name := newName(t)
	s := segment(t, name, 512)
	require.Equal(t, name, s.Name()) // M01
	require.Equal(t, 512, s.Size())
	require.Len(t, s.Bytes(), 512)
	require.Contains(t, s.String(), name)
	require.Contains(t, s.String(), "512")
	require.Equal(t, make([]byte, 512), s.Bytes())

	s.Bytes()[0] = 42
	again := openSegment(t, name)
	require.Equal(t, byte(42), again.Bytes()[0]) // M02
	again.Bytes()[511] = 43
	require.Equal(t, byte(43), s.Bytes()[511])

	_, err := shm.Create(name, 512, nil)
	require.ErrorIs(t, err, fs.ErrExist) // M07
	require.ErrorIs(t, err, shm.ErrExist)
	other := must[*shm.Segment](t)(shm.Create(name, 2048, &shm.Options{Exist: shm.ExistOpen}))
	require.Equal(t, 512, other.Size()) // M03, M08
	require.Equal(t, byte(42), other.Bytes()[0])

	require.NoError(t, s.Unlink())
	require.ErrorIs(t, s.Unlink(), fs.ErrNotExist) // M06
	require.ErrorIs(t, shm.Unlink(name), shm.ErrNotExist)
	_, err = shm.Open(t.Context(), name, nil)
	require.ErrorIs(t, err, fs.ErrNotExist) // M09
	s.Bytes()[1] = 44
	require.Equal(t, byte(44), again.Bytes()[1], "who is attached stays so")
}

func TestSegmentArguments(t *testing.T) {
	name := newName(t)
	for _, size := range []int{0, -1, -2, math.MinInt} { // M04, M10
		_, err := shm.Create(name, size, nil)
		require.ErrorIs(t, err, shm.ErrSize, "%d", size)
		_, err = shm.Create("", size, nil)
		require.ErrorIs(t, err, shm.ErrSize, "%d", size)
	}
	for _, size := range []int{1 << 50, math.MaxInt} { // X10
		_, err := shm.Create(name, size, nil)
		require.ErrorIs(t, err, shm.ErrNoSpace, "%d", size)
		require.ErrorIs(t, err, unix.ENOSPC)
		_, err = shm.Create("", size, nil)
		require.ErrorIs(t, err, shm.ErrNoSpace)
	}
	require.NoFileExists(t, shmDir+name)
	_, err := shm.Open(t.Context(), "", nil) // M04: attach without a name
	require.ErrorIs(t, err, shm.ErrName)
	for _, bad := range []string{"a\x00b", "a/b", "/a", ".", "..", strings.Repeat("n", 300)} { // M11, R05
		_, err := shm.Create(bad, 100, nil)
		require.ErrorIs(t, err, shm.ErrName, "%q", bad)
		_, err = shm.Open(t.Context(), bad, nil)
		require.ErrorIs(t, err, shm.ErrName, "%q", bad)
		require.ErrorIs(t, shm.Unlink(bad), shm.ErrName, "%q", bad)
	}
	for _, odd := range []string{":a:b:", "two\nlines"} { // M29
		s := segment(t, name+odd, 10)
		openSegment(t, name+odd)
		require.NoError(t, s.Unlink())
	}
}

func TestAnonymousSegments(t *testing.T) {
	a, b := segment(t, "", 4096), segment(t, "", 4096) // M05: there is no generated name to be taken
	a.Bytes()[0] = 1
	require.Zero(t, b.Bytes()[0])
	require.Empty(t, a.Name())
	require.Contains(t, a.String(), "anonymous")
	require.ErrorIs(t, a.File().Truncate(0), unix.EPERM)
	require.NoError(t, a.Unlink(), "no name, nothing to do")
	_, err := a.MarshalText()
	require.ErrorIs(t, err, shm.ErrName)
}

func TestSegmentPages(t *testing.T) {
	name := newName(t)
	for _, s := range []*shm.Segment{
		segment(t, "", 3*4096+1),
		segment(t, name, 3*4096+1),
		must[*shm.Segment](t)(shm.Open(t.Context(), name, &shm.OpenOptions{ReadOnly: true})),
	} {
		require.NoError(t, s.Sync())
		require.NoError(t, s.Prefault())
		require.NoError(t, s.Mlock())
		resident := make([]byte, 4)
		_, _, errno := unix.Syscall(unix.SYS_MINCORE, addressOf(s.Bytes()), 4*4096, addressOf(resident))
		require.Zero(t, errno)
		require.Equal(t, []byte{1, 1, 1, 1}, resident)
	}
}

func TestClosedSegment(t *testing.T) {
	s := segment(t, "", 4096)
	b := s.Bytes()
	b[7] = 7
	require.NoError(t, s.Close())
	require.NoError(t, s.Close(), "idempotent")
	require.Zero(t, b[7], "a late access meets zeros")
	b[7] = 8
	for _, err := range []error{s.Sync(), s.Mlock(), s.Prefault()} {
		require.ErrorIs(t, err, shm.ErrClosed)
	}
	_, err := shm.View[int64](s, 0)
	require.ErrorIs(t, err, shm.ErrClosed)

	var never shm.Segment
	require.NoError(t, never.Close())
	require.Zero(t, never.Size())
	require.ErrorIs(t, never.Sync(), shm.ErrClosed)
	require.Equal(t, "closed shared memory", never.String())
}

var _ = testproc.Helper("attach by name", func(c *testproc.Child) {
	s := new(shm.Segment)
	require.NoError(c, s.UnmarshalText([]byte(c.Args[0])))
	copy(s.Bytes(), "child was here")
	// It ends without Close or Unlink.
})

func TestSegmentAcrossProcesses(t *testing.T) {
	name := newName(t)
	s := segment(t, name, 4096)
	testproc.Start(t, "attach by name", testproc.Args(name)).Succeed()
	require.Equal(t, "child was here", string(s.Bytes()[:14])) // M12
	require.FileExists(t, shmDir+name, "M16, M17, X08: who attached does not remove")
	require.Equal(t, "child was here", string(openSegment(t, name).Bytes()[:14]))
}

func TestSegmentAsText(t *testing.T) {
	name := newName(t)
	s := segment(t, name, 4096)
	var _ encoding.TextMarshaler = s
	text, err := json.Marshal(s)
	require.NoError(t, err)
	back := new(shm.Segment)
	require.NoError(t, json.Unmarshal(text, back))
	defer back.Close()
	s.Bytes()[0], back.Bytes()[1] = 1, 2
	require.Equal(t, s.Bytes(), back.Bytes()) // M13
	require.ErrorIs(t, back.UnmarshalText([]byte(name)), shm.ErrBusy)

	require.NoError(t, s.Unlink())
	err = json.Unmarshal(text, new(shm.Segment))
	require.ErrorIs(t, err, fs.ErrNotExist) // M14
	require.NoError(t, back.Close())
	_, err = back.MarshalText()
	require.ErrorIs(t, err, shm.ErrClosed)
}

func TestReplaceSegment(t *testing.T) {
	name := newName(t)
	s := segment(t, name, 100)
	_, err := shm.Create(name, 200, &shm.Options{Exist: shm.ExistReplace})
	require.ErrorIs(t, err, shm.ErrBusy)
	require.NoError(t, s.Close())
	s = must[*shm.Segment](t)(shm.Create(name, 200, &shm.Options{Exist: shm.ExistReplace}))
	require.Equal(t, 200, s.Size())
}

var _ = testproc.Helper("drop the handle", func(c *testproc.Child) {
	p := func() *int64 {
		o, err := shm.NewObject[int64](c.Args[0], nil)
		require.NoError(c, err)
		return o.Ptr()
	}()
	for range 3 { // cleanups run after the collection that finds them due
		cleaned := make(chan struct{})
		runtime.AddCleanup(new([64]byte), func(ch chan struct{}) { close(ch) }, cleaned)
		for waiting := true; waiting; {
			runtime.GC()
			select {
			case <-cleaned:
				waiting = false
			default:
			}
		}
	}
	c.WriteLine("dropped")
	c.Park()
	*p = 1
})

// The garbage collector closes the file of a handle that was dropped, but the
// mapping keeps the open file description, and its lock.
func TestDroppedHandlesStayInUse(t *testing.T) {
	name := newName(t)
	p := testproc.Start(t, "drop the handle", testproc.Args(name))
	p.Expect("dropped")
	_, err := shm.NewObject[int64](name, &shm.Options{Exist: shm.ExistReplace})
	require.ErrorIs(t, err, shm.ErrBusy)
	p.CloseStdin()
	p.Succeed()
}

func TestTruncatedSegment(t *testing.T) {
	s := segment(t, newName(t), 3*4096)
	require.NoError(t, s.File().Truncate(4096))
	require.ErrorIs(t, s.Prefault(), shm.ErrTruncated)
	require.Equal(t, 3*4096, s.Size())
}

func TestOpenEmptySegment(t *testing.T) {
	name := newName(t)
	require.NoError(t, os.WriteFile(shmDir+name, nil, 0o600))
	_, err := shm.Open(t.Context(), name, nil)
	require.ErrorIs(t, err, shm.ErrTruncated)
	require.FileExists(t, shmDir+name, "X08")
}
