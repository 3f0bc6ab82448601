package mem

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

const page = 4096

func memfd(t require.TestingT, size int64) *os.File {
	fd, err := unix.MemfdCreate("mem-test", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	require.NoError(t, err)
	f := os.NewFile(uintptr(fd), "mem-test")
	require.NoError(t, f.Truncate(size))
	return f
}

func newFile(t *testing.T, size int64) *os.File {
	f := memfd(t, size)
	t.Cleanup(func() { f.Close() })
	return f
}

func mapped(t *testing.T, m *Mapping, err error) *Mapping {
	t.Helper()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	return m
}

func mappedLitmusWords(t *testing.T) *litmusWords {
	size := int(unsafe.Sizeof(litmusWords{}))
	m, err := Map(newFile(t, int64(size)), size, Options{})
	return (*litmusWords)(unsafe.Pointer(&mapped(t, m, err).Bytes()[0]))
}

// faults says whether f meets a memory fault.
func faults(f func()) (yes bool) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if e, ok := recover().(interface{ Addr() uintptr }); ok {
			yes = e != nil
		}
	}()
	f()
	return false
}

func TestMapSharesTheFile(t *testing.T) {
	f := newFile(t, 3*page)
	m1, err := Map(f, 3*page, Options{})
	a := mapped(t, m1, err).Bytes()
	m2, err := Map(f, 2*page, Options{})
	b := mapped(t, m2, err).Bytes()
	require.Len(t, a, 3*page)
	require.Len(t, b, 2*page)
	copy(a[page-2:], "across")
	require.Equal(t, "across", string(b[page-2:page+4]))
	got := make([]byte, 6)
	_, err = f.ReadAt(got, page-2)
	require.NoError(t, err)
	require.Equal(t, "across", string(got))
	_, err = f.WriteAt([]byte("file"), 7)
	require.NoError(t, err)
	require.Equal(t, "file", string(a[7:11]))
}

// A size that is no multiple of the page: the slice ends where asked, and the
// rest of the page is there but nothing behind it.
func TestPageTail(t *testing.T) {
	m, err := Map(newFile(t, page+1), page+1, Options{})
	b := mapped(t, m, err).Bytes()
	require.Len(t, b, page+1)
	require.Equal(t, page+1, cap(b), "append could write behind the range")
	b[page] = 9
	beyond := unsafe.Slice(&b[0], 3*page)
	require.False(t, faults(func() { _ = beyond[2*page-1] }))
	var x byte
	require.True(t, faults(func() { x = beyond[2*page] }), "an overrun met memory: %d", x)
}

func TestReadOnly(t *testing.T) {
	f := newFile(t, page)
	_, err := f.WriteString("fixed")
	require.NoError(t, err)
	ro, err := os.Open(fmt.Sprintf("/proc/self/fd/%d", f.Fd()))
	require.NoError(t, err)
	defer ro.Close()
	_, err = Map(ro, page, Options{})
	require.ErrorIs(t, err, unix.EACCES)
	m, err := Map(ro, page, Options{ReadOnly: true})
	b := mapped(t, m, err).Bytes()
	require.Equal(t, "fixed", string(b[:5]))
	require.True(t, faults(func() { b[0] = 'x' }), "a store into a read-only mapping")
	// It has a shadow all the same: nodes are private.
	require.False(t, faults(func() { *(*uint64)(Shadow(unsafe.Pointer(&b[0]))) = 1 }))
}

// Every message that begins in the data is contiguous: the byte behind the last
// is the first.
func TestMapRing(t *testing.T) {
	const head, data = page, 2 * page
	f := newFile(t, head+data)
	m, err := MapRing(f, head, data, 0, Options{})
	b := mapped(t, m, err).Bytes()
	require.Len(t, b, head+2*data)
	copy(b[:head], "head")
	msg := []byte("wraps around the end")
	copy(b[head+data-5:], msg)
	require.Equal(t, msg, b[head+data-5:head+data-5+len(msg)])
	require.Equal(t, msg[5:], b[head:head+len(msg)-5], "the end does not appear at the front")
	got := make([]byte, len(msg))
	_, err = f.ReadAt(got[:5], head+data-5)
	require.NoError(t, err)
	require.Equal(t, msg[:5], got[:5])
	require.Equal(t, "head", string(b[:4]))
	b[head+2*data-1] = 7
	require.EqualValues(t, 7, b[head+data-1])
	b[head+1] = 8
	require.EqualValues(t, 8, b[head+data+1])

	require.NoError(t, m.Close())
	require.Equal(t, make([]byte, head+2*data), b)
	b[head] = 1
	require.Zero(t, b[head+data], "zero memory is not doubly mapped")
}

// What follows the data in the file lies behind its second copy, and nothing
// behind that.
func TestMapRingWithMore(t *testing.T) {
	const head, data, more = page, 2 * page, 3 * page
	f := newFile(t, head+data+more)
	m, err := MapRing(f, head, data, more, Options{})
	b := mapped(t, m, err).Bytes()
	require.Len(t, b, head+2*data+more)
	behind := b[head+2*data:]
	copy(b[head+2*data-4:], "ringmore")
	require.Equal(t, "ring", string(b[head+data-4:head+data]))
	require.Equal(t, "more", string(behind[:4]))
	require.Equal(t, make([]byte, 4), b[head:head+4], "the data does not go on in what follows it")
	got := make([]byte, 8)
	_, err = f.ReadAt(got, head+data-4)
	require.NoError(t, err)
	require.Equal(t, "ringmore", string(got))
	behind[more-1] = 9
	_, err = f.ReadAt(got[:1], head+data+more-1)
	require.NoError(t, err)
	require.EqualValues(t, 9, got[0])
	beyond := unsafe.Slice(&b[0], len(b)+page)
	var x byte
	require.True(t, faults(func() { x = beyond[len(b)] }), "an overrun met memory: %d", x)

	require.NoError(t, m.Close())
	require.Equal(t, make([]byte, len(b)), b)
}

func TestMapRingReadOnly(t *testing.T) {
	m, err := MapRing(newFile(t, 4*page), page, 2*page, page, Options{ReadOnly: true})
	b := mapped(t, m, err).Bytes()
	for _, i := range []int{0, page, 3*page - 1, 3 * page, 5*page - 1, 5 * page, 6*page - 1} {
		require.True(t, faults(func() { b[i] = 1 }), "byte %d", i)
	}
}

// What cannot be mapped is an error, and leaves nothing mapped (TestMain looks).
func TestCannotMap(t *testing.T) {
	f := newFile(t, 4*page)
	for _, size := range []int{0, -1, -page, -1 << 62, -1 << 63, 1 << 62, 1<<63 - 1} {
		_, err := Map(f, size, Options{})
		require.Error(t, err, "size %d", size)
	}
	for _, r := range [][3]int{
		{1, page}, {page, 1}, {page, page - 8}, {page, 0}, {page, -page}, {page, 1 << 61}, {0, 0}, {page, 1 << 62}, {-page, page},
		{page, page, 1}, {page, page, page - 8}, {page, page, -page}, {page, page, 1 << 61}, {page, page, 1 << 62},
	} {
		_, err := MapRing(f, r[0], r[1], r[2], Options{})
		require.Error(t, err, "ring %v", r)
	}
	closed := memfd(t, page)
	require.NoError(t, closed.Close())
	_, err := Map(closed, page, Options{})
	require.Error(t, err)
	dir, err := os.Open(t.TempDir())
	require.NoError(t, err)
	defer dir.Close()
	_, err = Map(dir, page, Options{ReadOnly: true})
	require.ErrorIs(t, err, unix.ENODEV)
}

func TestClose(t *testing.T) {
	f := newFile(t, 2*page)
	m, err := Map(f, page+100, Options{})
	require.NoError(t, err)
	b := m.Bytes()
	copy(b, bytes.Repeat([]byte{0xaa}, len(b)))
	require.NoError(t, m.Close())
	require.Equal(t, make([]byte, len(b)), b, "late reads meet something else than zeros")
	b[0], b[page] = 1, 2 // late writes stay here
	got := make([]byte, page+100)
	_, err = f.ReadAt(got, 0)
	require.NoError(t, err)
	require.Equal(t, bytes.Repeat([]byte{0xaa}, page+100), got)

	require.NoError(t, m.Close(), "Close is idempotent")
	require.EqualValues(t, 1, b[0], "the second Close did something")
	require.ErrorIs(t, m.Sync(), ErrClosed)
	require.ErrorIs(t, m.Lock(), ErrClosed)
	require.ErrorIs(t, m.Unlock(), ErrClosed)
}

func TestSyncAndLock(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "disk"))
	require.NoError(t, err)
	defer f.Close()
	require.NoError(t, f.Truncate(page))
	m, err := Map(f, 100, Options{})
	b := mapped(t, m, err).Bytes()
	copy(b, "kept")
	require.NoError(t, m.Sync())
	require.NoError(t, m.Lock())
	require.NoError(t, m.Unlock())
	got, err := os.ReadFile(f.Name())
	require.NoError(t, err)
	require.Equal(t, "kept", string(got[:4]))
}

func TestFind(t *testing.T) {
	f := newFile(t, page)
	m, err := Map(f, 100, Options{Truncatable: true})
	soft := mapped(t, m, err).Bytes()
	m, err = Map(f, page, Options{})
	hard := mapped(t, m, err).Bytes()
	find := func(p unsafe.Pointer) [2]bool {
		live, truncatable := Find(p)
		return [2]bool{live, truncatable}
	}
	require.Equal(t, [2]bool{true, true}, find(unsafe.Pointer(&soft[0])))
	require.Equal(t, [2]bool{true, true}, find(unsafe.Pointer(&soft[99])))
	require.Equal(t, [2]bool{true, false}, find(unsafe.Pointer(&hard[0])))
	require.Equal(t, [2]bool{}, find(unsafe.Pointer(new(int))))
	m.Retire()
	require.Equal(t, [2]bool{}, find(unsafe.Pointer(&hard[0])))
	m.Revive()
	require.Equal(t, [2]bool{true, false}, find(unsafe.Pointer(&hard[0])))
	require.NoError(t, m.Close())
	require.Equal(t, [2]bool{}, find(unsafe.Pointer(&hard[0])))
}

// A closed range costs no map of its own, or a process could close some 16 000
// mappings in its life.
func TestClosedRangesJoin(t *testing.T) {
	needArena(t)
	f := newFile(t, page)
	count := func() int {
		b, err := os.ReadFile("/proc/self/maps")
		require.NoError(t, err)
		return strings.Count(string(b), "\n")
	}
	cycle := func() {
		m, err := Map(f, page, Options{})
		require.NoError(t, err)
		*(*uint64)(Shadow(unsafe.Pointer(&m.Bytes()[0]))) = 42
		require.NoError(t, m.Close())
	}
	for range 10 {
		cycle()
	}
	before := count()
	for range 500 {
		cycle()
	}
	require.Less(t, count(), before+100)
}

// Goroutines map and close at the same time, and nobody gets memory that
// another one has.
func TestConcurrentMaps(t *testing.T) {
	var all sync.WaitGroup
	for g := range 8 {
		f := newFile(t, 2*page)
		all.Go(func() {
			for i := range 50 {
				size := page + g*i
				m, err := Map(f, size, Options{})
				if err != nil {
					t.Error(err)
					return
				}
				b := m.Bytes()
				for j := range b {
					b[j] = byte(g + 1)
				}
				if !bytes.Equal(b, bytes.Repeat([]byte{byte(g + 1)}, size)) {
					t.Error("somebody else wrote into the mapping")
				}
				if err := m.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
}
