package mem

import (
	"bytes"
	"os"
	"slices"
	"strconv"
	"testing"
	"unsafe"

	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func needArena(t *testing.T) {
	arenaOnce.Do(reserveArena)
	testproc.Need(t, "address space for the arena", ShadowDistance() != 0)
}

func TestShadow(t *testing.T) {
	needArena(t)
	f := newFile(t, 2*page)
	m, err := Map(f, 2*page, Options{})
	b := mapped(t, m, err).Bytes()
	first, last := unsafe.Pointer(&b[0]), unsafe.Pointer(&b[2*page-16])
	for _, p := range []unsafe.Pointer{first, last} {
		s := Shadow(p)
		require.Equal(t, uintptr(p)+ShadowDistance(), uintptr(s))
		require.Equal(t, [2]uint64{}, *(*[2]uint64)(s))
		*(*[2]uint64)(s) = [2]uint64{1, 2}
	}
	require.Equal(t, make([]byte, 2*page), b, "the shadow is not private")

	// Another mapping of the same bytes has a shadow of its own.
	m, err = Map(f, 2*page, Options{})
	other := mapped(t, m, err).Bytes()
	require.Equal(t, [2]uint64{}, *(*[2]uint64)(Shadow(unsafe.Pointer(&other[0]))))
}

func TestShadowBounds(t *testing.T) {
	needArena(t)
	base, size := arenaBase.Load(), arenaSize.Load()
	require.Contains(t, arenaSizes, size)
	at := func(a uintptr) unsafe.Pointer { return unsafe.Add(nil, a) }
	require.Nil(t, Shadow(at(base-1)))
	require.Equal(t, at(base+size), Shadow(at(base)))
	require.Equal(t, at(base+2*size-1), Shadow(at(base+size-1)))
	require.Nil(t, Shadow(at(base+size)), "a shadow has no shadow")
	require.Nil(t, Shadow(nil))
	require.Nil(t, Shadow(at(^uintptr(0))))
	require.Nil(t, Shadow(unsafe.Pointer(new(int))))
	var local int
	require.Nil(t, Shadow(unsafe.Pointer(&local)))
}

// Only the head of a ring has room for shadows; an access to one behind it
// faults instead of meeting another mapping's.
func TestRingShadow(t *testing.T) {
	needArena(t)
	m, err := MapRing(newFile(t, 4*page), page, 2*page, page, Options{})
	b := mapped(t, m, err).Bytes()
	require.False(t, faults(func() { *(*byte)(Shadow(unsafe.Pointer(&b[page-1]))) = 1 }))
	require.True(t, faults(func() { *(*byte)(Shadow(unsafe.Pointer(&b[page]))) = 1 }))
	require.True(t, faults(func() { *(*byte)(Shadow(unsafe.Pointer(&b[5*page]))) = 1 }))
}

// A closed range comes back last, so that a late access through an old slice
// meets zeros.
func TestClosedRangesRestWhileThereIsRoom(t *testing.T) {
	needArena(t)
	f := newFile(t, page)
	var old []uintptr
	for range 20 {
		m, err := Map(f, page, Options{})
		require.NoError(t, err)
		at := uintptr(unsafe.Pointer(&m.Bytes()[0]))
		require.NotContains(t, old, at)
		old = append(old, at)
		require.NoError(t, m.Close())
	}
}

// fillArena hands out the whole arena but for the ranges that are closed from
// now on, until the test ends.
func fillArena(t *testing.T) {
	space.Lock()
	next, closed := space.next, space.closed
	space.next, space.closed = arenaSize.Load(), nil
	space.Unlock()
	t.Cleanup(func() {
		space.Lock()
		space.next, space.closed = next, append(closed, space.closed...)
		space.Unlock()
	})
}

func TestClosedRangesAreUsedAgainOldestFirst(t *testing.T) {
	needArena(t)
	f := newFile(t, 4*page)
	var ranges []*Mapping
	for _, size := range []int{page, 4 * page, 2 * page} {
		m, err := Map(f, size, Options{})
		require.NoError(t, err)
		ranges = append(ranges, m)
	}
	fillArena(t)
	at := func(m *Mapping) uintptr { return uintptr(unsafe.Pointer(&m.Bytes()[0])) }
	for _, m := range ranges {
		*(*uint64)(Shadow(unsafe.Pointer(&m.Bytes()[0]))) = 42
		require.NoError(t, m.Close())
		copy(m.Bytes(), "late")
	}

	// Two pages fit into the second range, the oldest that is large enough; the
	// next two into what is left of it; and so on.
	var again []*Mapping
	for i, want := range []uintptr{at(ranges[1]), at(ranges[2]), at(ranges[0]), at(ranges[1]) + 3*page} {
		size := []int{2 * page, 2 * page, page, page}[i]
		m, err := Map(f, size, Options{})
		require.NoError(t, err)
		require.Equal(t, want, at(m), "range %d", i)
		require.Equal(t, make([]byte, size), m.Bytes(), "late writes are seen by the next user")
		require.Zero(t, *(*uint64)(Shadow(unsafe.Pointer(&m.Bytes()[0]))), "an old shadow was not cleared")
		again = append(again, m)
	}

	// Nothing is left: the kernel chooses, and there is no shadow.
	m, err := Map(f, page, Options{})
	require.NoError(t, err)
	require.Nil(t, Shadow(unsafe.Pointer(&m.Bytes()[0])))
	copy(m.Bytes(), "outside")
	require.Equal(t, "outside", string(again[0].Bytes()[:7]))
	require.NoError(t, m.Close())
	require.Equal(t, make([]byte, page), m.Bytes())
	for _, m := range again {
		require.NoError(t, m.Close())
	}
}

// A failed Map gives its range back.
func TestFailedMapGivesItsRangeBack(t *testing.T) {
	needArena(t)
	f := newFile(t, page)
	ok, err := Map(f, page, Options{})
	require.NoError(t, err)
	fillArena(t)
	at := &ok.Bytes()[0]
	require.NoError(t, ok.Close())
	closed := memfd(t, page)
	require.NoError(t, closed.Close())
	for range 3 {
		_, err = Map(closed, page, Options{})
		require.Error(t, err)
	}
	m, err := Map(f, page, Options{})
	require.NoError(t, err)
	require.Equal(t, at, &m.Bytes()[0])
	require.NoError(t, m.Close())
}

// limited lowers RLIMIT_AS so that the process can grow by what Args says, and
// then maps.
var _ = testproc.Helper("limited", func(c *testproc.Child) {
	more, err := strconv.ParseUint(c.Args[0], 10, 64)
	require.NoError(c, err)
	statm, err := os.ReadFile("/proc/self/statm")
	require.NoError(c, err)
	pages, err := strconv.ParseUint(string(bytes.Fields(statm)[0]), 10, 64)
	require.NoError(c, err)
	limit := pages*uint64(os.Getpagesize()) + more
	require.NoError(c, unix.Setrlimit(unix.RLIMIT_AS, &unix.Rlimit{Cur: limit, Max: limit}))

	f := memfd(c, 3*page)
	m, err := Map(f, 3*page, Options{})
	require.NoError(c, err)
	ring, err := MapRing(f, page, 2*page, 0, Options{})
	require.NoError(c, err)
	a, b := m.Bytes(), ring.Bytes()
	copy(b[3*page-2:], "wrap")
	require.Equal(c, "ap", string(b[page:page+2]))
	require.Equal(c, "ap", string(a[page:page+2]))
	inArena := Shadow(unsafe.Pointer(&a[0])) != nil
	require.NoError(c, m.Close())
	require.NoError(c, ring.Close())
	require.Equal(c, make([]byte, 3*page), a)
	require.Equal(c, make([]byte, 5*page), b)
	_, err = Map(f, 1<<47, Options{})
	require.Error(c, err)
	c.WriteLine("%d %v", ShadowDistance(), inArena)
})

// The arena is as large as the machine grants, and where it grants none,
// everything works without it.
func TestArenaLadder(t *testing.T) {
	needArena(t)
	sizes := slices.Clone(arenaSizes)
	slices.Sort(sizes)
	for i, size := range append([]uintptr{0}, sizes...) {
		if size > ShadowDistance() {
			continue
		}
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			// So much that the arena is the share it may take, and half a GiB.
			p := testproc.Start(t, "limited", testproc.Args(strconv.Itoa(2*int(size)*arenaShare+1<<29)))
			p.Expect(strconv.Itoa(int(size)) + " " + strconv.FormatBool(size > 0))
			p.Succeed()
		})
	}
}
