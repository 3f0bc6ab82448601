//lint:file-ignore U1000 the fields of these types are only reflected on

package plain_test

import (
	"reflect"
	"structs"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/plain"
)

type entry struct {
	at   int64
	next *entry
}

type Account struct {
	balance int64
	log     [4]entry
}

type celsius float64

type counter struct {
	_ structs.HostLayout
	n atomic.Int64
	u atomic.Uint32
	b atomic.Bool
}

// wide has many more values than declarations.
type wide [1 << 20]struct {
	a, b [1 << 10]struct{ x, y entryless }
}

type entryless struct{ at, size int64 }

func TestCheckAccepts(t *testing.T) {
	for _, v := range []any{
		true, int(1), int8(1), int16(1), int32(1), int64(1), uint(1), uint8(1), uint16(1), uint32(1), uint64(1),
		float32(1), float64(1), complex64(1), complex128(1), celsius(1), [16]byte{}, [2][3]int32{},
		struct{}{}, [0]*int{}, struct {
			_ [0]func()
			n int
		}{}, counter{}, time.Duration(1),
		*new([1 << 40]struct{}),
	} {
		require.NoError(t, plain.Check(reflect.TypeOf(v)), "%T", v)
	}
	for _, huge := range []reflect.Type{reflect.TypeFor[[1 << 40]counter](), reflect.TypeFor[wide]()} {
		require.NoError(t, plain.Check(huge), "decided without being made")
	}
}

func TestCheckNamesTheField(t *testing.T) {
	for _, c := range []struct {
		t    reflect.Type
		want string
	}{
		{reflect.TypeFor[Account](), "Account.log[].next: pointer"},
		{reflect.TypeFor[*int](), "*int: pointer"},
		{reflect.TypeFor[string](), "string: string"},
		{reflect.TypeFor[uintptr](), "uintptr: uintptr"},
		{reflect.TypeFor[any](), "interface {}: interface"},
		{reflect.TypeFor[error](), "error: interface"},
		{reflect.TypeFor[unsafe.Pointer](), "Pointer: unsafe.Pointer"},
		{reflect.TypeFor[[2][]byte](), "[2][]uint8[]: slice"},
		{reflect.TypeFor[struct{ m map[int]int }](), "struct { m map[int]int }.m: map"},
		{reflect.TypeFor[struct{ a struct{ c chan int } }](), "struct { a struct { c chan int } }.a.c: channel"},
		{reflect.TypeFor[struct{ f [1]func() }](), "struct { f [1]func() }.f[]: func"},
		{reflect.TypeFor[struct{ mu sync.Mutex }](), "struct { mu sync.Mutex }.mu: sync.Mutex, which works inside one process only"},
		{reflect.TypeFor[time.Time](), "Time.loc: pointer"},
		{reflect.TypeFor[atomic.Value](), "Value.v: interface"},
		{reflect.TypeFor[atomic.Pointer[int]](), "Pointer[int].v: unsafe.Pointer"},
		{reflect.TypeFor[struct{ e entry }](), "struct { e plain_test.entry }.e.next: pointer"},
		{nil, "nil: no type"},
	} {
		err := plain.Check(c.t)
		var typed *plain.Error
		require.ErrorAs(t, err, &typed)
		require.Equal(t, c.want, err.Error())
		require.Equal(t, c.t, typed.Type)
	}
}

func TestFingerprintIsTheSameEverywhere(t *testing.T) {
	// These numbers are part of the file format: a change here makes every
	// existing segment unreadable, and shmfile.Version must grow with it.
	type sample struct {
		id   uint32
		ok   bool
		hits atomic.Int64
		log  [3]struct{ at, size int64 }
	}
	require.Equal(t, uint64(0xfc262491fbe6a29e), plain.Fingerprint(reflect.TypeFor[int]()))
	require.Equal(t, uint64(0x563b5b1060155c3b), plain.Fingerprint(reflect.TypeFor[sample]()))
}

func TestFingerprintIgnoresNamesOfTypes(t *testing.T) {
	type here struct{ a, b int32 }
	type there struct {
		_    structs.HostLayout
		a, b int32
	}
	require.Equal(t, plain.Fingerprint(reflect.TypeFor[here]()), plain.Fingerprint(reflect.TypeFor[there]()))
	require.Equal(t, plain.Fingerprint(reflect.TypeFor[float64]()), plain.Fingerprint(reflect.TypeFor[celsius]()))
}

func TestFingerprintTellsLayoutsApart(t *testing.T) {
	seen := map[uint64]reflect.Type{}
	for _, typ := range []reflect.Type{
		reflect.TypeFor[struct{ a, b int32 }](),
		reflect.TypeFor[struct{ b, a int32 }](),
		reflect.TypeFor[struct{ a, c int32 }](),
		reflect.TypeFor[struct{ a, b uint32 }](),
		reflect.TypeFor[struct{ a, b float32 }](),
		reflect.TypeFor[struct{ a, b, c int32 }](),
		reflect.TypeFor[struct {
			a int32
			b int64
		}](),
		reflect.TypeFor[struct{ ab [2]int32 }](),
		reflect.TypeFor[struct{ ab [3]int32 }](),
		reflect.TypeFor[struct{ ab [4]int16 }](),
		reflect.TypeFor[struct{ a, b atomic.Int32 }](),
		reflect.TypeFor[struct{ a, b atomic.Uint32 }](),
		reflect.TypeFor[struct {
			a struct{ a, b int32 }
		}](),
		reflect.TypeFor[[2]int32](),
		reflect.TypeFor[int64](),
		reflect.TypeFor[int](),
		reflect.TypeFor[struct{}](),
		reflect.TypeFor[[1 << 40]counter](),
	} {
		sum := plain.Fingerprint(typ)
		require.NotContains(t, seen, sum, "%v and %v", typ, seen[sum])
		seen[sum] = typ
	}
}

type lock struct{ word, depth uint32 }

func isLock(t reflect.Type) bool { return t == reflect.TypeFor[lock]() }

func offsets(t reflect.Type, n int) (found []uintptr) {
	for off := range plain.Find(t, n, isLock) {
		found = append(found, off)
	}
	return found
}

func TestFind(t *testing.T) {
	type row struct {
		n    int32
		mu   lock
		pair [2]struct {
			x  int64
			mu lock
		}
	}
	for _, c := range []struct {
		name string
		t    reflect.Type
		n    int
		want []uintptr
	}{
		{"the type itself", reflect.TypeFor[lock](), 1, []uintptr{0}},
		{"several of it", reflect.TypeFor[lock](), 3, []uintptr{0, 8, 16}},
		{"none asked for", reflect.TypeFor[lock](), 0, nil},
		{"no struct", reflect.TypeFor[int](), 5, nil},
		{"fields and arrays", reflect.TypeFor[row](), 1, []uintptr{4, 24, 40}},
		{"rows of them", reflect.TypeFor[row](), 2, []uintptr{4, 24, 40, 52, 72, 88}},
		{"an empty array", reflect.TypeFor[struct{ m [0]lock }](), 2, nil},
		{"a huge array without", reflect.TypeFor[struct {
			_ [1 << 40]int
			m lock
		}](), 1, []uintptr{8 << 40}},
		{"a huge array of nothing", reflect.TypeFor[[1 << 40]struct{}](), 1, nil},
	} {
		t.Run(c.name, func(t *testing.T) { require.Equal(t, c.want, offsets(c.t, c.n)) })
	}
}

func TestFindStopsWhenAsked(t *testing.T) {
	seen := 0
	for range plain.Find(reflect.TypeFor[[1 << 30]lock](), 1, isLock) {
		if seen++; seen == 10 {
			break
		}
	}
	require.Equal(t, 10, seen)
}

func TestFindKeepsNoList(t *testing.T) {
	locks := plain.Find(reflect.TypeFor[[1 << 20]lock](), 1, isLock)
	n := 0
	allocs := testing.AllocsPerRun(1, func() {
		for range locks {
			n++
		}
	})
	require.Equal(t, 2<<20, n)
	require.LessOrEqual(t, allocs, 4.0, "a million locks cost no more memory than one")
}
