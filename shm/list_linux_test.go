package shm_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/shmkit/shmkit/shm"
)

// mixed are the items of Python's own test, and mixedFormat what that says of
// them.
var mixed = []any{"howdy", []byte("HoWdY"), -273.154, int64(100), nil, true, int64(42)}

const mixedFormat = "8s8sdqxxxxxx?xxxxxxxx?q"

// eachList runs a test on lists with a lock and without.
func eachList(t *testing.T, test func(t *testing.T, o *shm.ListOptions)) {
	t.Run("python's", func(t *testing.T) { test(t, nil) })
	t.Run("locked", func(t *testing.T) { test(t, &shm.ListOptions{Locked: true}) })
}

func list(t testing.TB, name string, o *shm.ListOptions, items ...any) *shm.ShareableList {
	t.Helper()
	return must[*shm.ShareableList](t)(shm.NewShareableList(name, o, items...))
}

func openList(t testing.TB, name string, o *shm.OpenOptions) *shm.ShareableList {
	t.Helper()
	return must[*shm.ShareableList](t)(shm.OpenShareableList(t.Context(), name, o))
}

func items(t require.TestingT, l *shm.ShareableList) []any {
	all, err := l.Items()
	require.NoError(t, err)
	return all
}

func TestListBasics(t *testing.T) {
	eachList(t, func(t *testing.T, o *shm.ListOptions) {
		name := newName(t)
		l := list(t, name, o, mixed...)
		require.Equal(t, mixed, items(t, l))
		require.Equal(t, o != nil, l.Locked())
		require.Equal(t, fmt.Sprintf(`list %q ["howdy", b"HoWdY", -273.154, 100, <nil>, true, 42]`, name), l.String()) // M21
		for _, i := range []int{7, -8, 100, math.MinInt} {                                                             // M21
			_, err := l.At(i)
			require.ErrorIs(t, err, shm.ErrRange)
			require.ErrorIs(t, l.Set(i, 1), shm.ErrRange)
			require.ErrorIs(t, l.Update(t.Context(), i, func(v any) (any, error) { return v, nil }), shm.ErrRange)
		}
		for i, want := range mixed { // M21
			for _, i := range []int{i, i - len(mixed)} {
				v, err := l.At(i)
				require.NoError(t, err)
				require.Equal(t, want, v)
			}
		}
		format, err := l.Format()
		require.NoError(t, err)
		require.Equal(t, mixedFormat, format) // M22

		require.NoError(t, l.Set(0, "some")) // M23
		require.NoError(t, l.Set(-1, 43))
		format, _ = l.Format()
		require.Equal(t, mixedFormat, format)
		require.NoError(t, l.Set(4, "some"))
		format, _ = l.Format()
		require.Equal(t, "8s8sdq8sxxxxxxx?q", format)
		require.Equal(t, []any{"some", []byte("HoWdY"), -273.154, int64(100), "some", true, int64(43)}, items(t, l))

		require.Equal(t, 7, l.Len()) // M25
		i, err := l.Index("some")
		require.NoError(t, err)
		require.Equal(t, 0, i)
		n, err := l.Count("some")
		require.NoError(t, err)
		require.Equal(t, 2, n)
		for _, absent := range []any{"howdy", 43.0, false, nil, []byte("some"), math.NaN()} {
			i, err = l.Index(absent)
			require.ErrorIs(t, err, shm.ErrAbsent)
			require.Equal(t, -1, i)
			n, err = l.Count(absent)
			require.NoError(t, err)
			require.Zero(t, n)
		}
		i, err = l.Index([]byte("HoWdY"))
		require.NoError(t, err)
		require.Equal(t, 1, i)

		var seen []any
		for v, err := range l.All() {
			require.NoError(t, err)
			if seen = append(seen, v); len(seen) == 3 {
				break
			}
		}
		require.Equal(t, items(t, l)[:3], seen)

		require.NoError(t, l.Update(t.Context(), -1, func(v any) (any, error) { return v.(int64) + 1, nil }))
		v, err := l.At(6)
		require.NoError(t, err)
		require.Equal(t, int64(44), v)
		sick := errors.New("sick")
		require.ErrorIs(t, l.Update(t.Context(), 6, func(v any) (any, error) { return "x", sick }), sick)
		require.ErrorIs(t, l.Update(t.Context(), 6, func(v any) (any, error) { return l, nil }), shm.ErrValue)
		require.Panics(t, func() { _ = l.Update(t.Context(), 6, func(any) (any, error) { panic("sick") }) })
		require.Equal(t, int64(44), items(t, l)[6])
	})
}

// M24: what is too long is refused, and nothing has changed.
func TestListRefuses(t *testing.T) {
	eachList(t, func(t *testing.T, o *shm.ListOptions) {
		name := newName(t)
		l := list(t, name, o, "before", "howdy", []byte("after"), 7)
		require.NoError(t, l.Set(1, "encodés"), "8 bytes of UTF-8")
		require.Equal(t, "encodés", items(t, l)[1])
		before, err := os.ReadFile(shmDir + name)
		require.NoError(t, err)
		for _, v := range []any{"123456789", "encodées", []byte("123456789"), strings.Repeat("x", 10_000_000)} {
			require.ErrorIs(t, l.Set(1, v), shm.ErrTooLong)
			require.ErrorIs(t, l.Set(3, v), shm.ErrTooLong)
		}
		for _, v := range []any{uint64(1 << 63), []int{1}, l, "\xff", "a\x00", []byte{0}, struct{}{}, (*int)(nil), 1i, uintptr(1)} {
			require.ErrorIs(t, l.Set(1, v), shm.ErrValue, "%T", v)
			_, err := l.Index(v)
			require.ErrorIs(t, err, shm.ErrValue)
			_, err = shm.NewShareableList("", o, 1, v)
			require.ErrorIs(t, err, shm.ErrValue)
			require.ErrorContains(t, err, "item 1")
		}
		after, err := os.ReadFile(shmDir + name)
		require.NoError(t, err)
		require.Equal(t, before, after)
		require.Equal(t, []any{"before", "encodés", []byte("after"), int64(7)}, items(t, l))
	})
}

func TestListTypesAndSizes(t *testing.T) {
	type named string
	eachList(t, func(t *testing.T, o *shm.ListOptions) {
		l := list(t, "", o, int8(-1), int16(-2), int32(-3), -4, uint8(5), uint16(6), uint32(7), uint(8), uint64(math.MaxInt64),
			int64(math.MinInt64), float32(0.5), math.Inf(-1), false, time.Second, named("ü"), json.RawMessage("{}"), []byte(nil), "")
		require.Equal(t, []any{int64(-1), int64(-2), int64(-3), int64(-4), int64(5), int64(6), int64(7), int64(8), int64(math.MaxInt64),
			int64(math.MinInt64), 0.5, math.Inf(-1), false, int64(time.Second), "ü", []byte("{}"), []byte{}, ""}, items(t, l))

		// Slots are sized by bytes: the same formula as Python's where the two agree.
		for n, want := range map[int]string{0: "8s", 7: "8s", 8: "16s", 15: "16s", 16: "24s"} {
			for _, v := range []any{strings.Repeat("x", n), []byte(strings.Repeat("\xff", n))} {
				l := list(t, "", o, v)
				format, err := l.Format()
				require.NoError(t, err)
				require.Equal(t, want, format)
			}
		}
		l = list(t, "", o, strings.Repeat("é", 7), "next")
		format, _ := l.Format()
		require.Equal(t, "16s8s", format, "W-12: 14 bytes, though 7 characters")
		require.Equal(t, []any{"ééééééé", "next"}, items(t, l))

		// A slot keeps its size whatever is in it.
		for _, v := range []any{int64(1), "short", nil, true, strings.Repeat("y", 16), []byte("z"), 0.5, ""} {
			require.NoError(t, l.Set(0, v))
			require.Equal(t, []any{v, "next"}, items(t, l))
		}
	})
}

// M26: a copy is equal and independent; who attaches by name shares.
func TestListCopy(t *testing.T) {
	eachList(t, func(t *testing.T, o *shm.ListOptions) {
		name := newName(t)
		l := list(t, name, o, mixed...)
		twin := list(t, newName(t), o, items(t, l)...)
		require.Equal(t, items(t, l), items(t, twin))
		format, err := twin.Format()
		require.NoError(t, err)
		require.Equal(t, mixedFormat, format)
		require.NotEqual(t, l.Name(), twin.Name())
		require.NoError(t, twin.Set(-1, 1))
		require.Equal(t, mixed, items(t, l))

		shared := openList(t, name, nil)
		require.Equal(t, o != nil, shared.Locked())
		require.NoError(t, shared.Set(-1, 2))
		require.Equal(t, int64(2), items(t, l)[6])
		again := list(t, name, &shm.ListOptions{Exist: shm.ExistOpen, Locked: o == nil}, "other")
		require.Equal(t, o != nil, again.Locked())
		require.Equal(t, items(t, l), items(t, again))

		reader := openList(t, name, &shm.OpenOptions{ReadOnly: true})
		require.Equal(t, items(t, l), items(t, reader))
		require.ErrorIs(t, reader.Set(0, "x"), shm.ErrReadOnly)
		require.Equal(t, items(t, l), items(t, reader))

		_, err = shm.NewShareableList(name, o)
		require.ErrorIs(t, err, shm.ErrExist)
		_, err = shm.NewShareableList(name, &shm.ListOptions{Exist: shm.ExistReplace})
		require.ErrorIs(t, err, shm.ErrBusy)
		require.NoError(t, l.Unlink())
		_, err = shm.OpenShareableList(t.Context(), name, nil)
		require.ErrorIs(t, err, shm.ErrNotExist)
		require.Equal(t, items(t, l), items(t, shared), "who is attached stays so")
	})
}

func TestListEmpty(t *testing.T) { // M27
	eachList(t, func(t *testing.T, o *shm.ListOptions) {
		name := newName(t)
		list(t, name, o)
		l := openList(t, name, nil)
		require.Zero(t, l.Len())
		require.Empty(t, items(t, l))
		format, err := l.Format()
		require.NoError(t, err)
		require.Empty(t, format)
		n, err := l.Count(nil)
		require.NoError(t, err)
		require.Zero(t, n)
		_, err = l.Index(nil)
		require.ErrorIs(t, err, shm.ErrAbsent)
		for _, i := range []int{0, -1} {
			_, err = l.At(i)
			require.ErrorIs(t, err, shm.ErrRange)
		}
		for range l.All() {
			t.Fatal("it has no items")
		}
		require.Equal(t, fmt.Sprintf("list %q []", name), l.String())
	})
}

// M28: by name a list travels as its name.
func TestListMarshalsItsName(t *testing.T) {
	eachList(t, func(t *testing.T, o *shm.ListOptions) {
		name := newName(t)
		l := list(t, name, o, make([]any, 1000)...)
		b, err := json.Marshal(l)
		require.NoError(t, err)
		require.Equal(t, `"`+name+`"`, string(b), "whatever its length")
		var twin shm.ShareableList
		require.NoError(t, json.Unmarshal(b, &twin))
		require.NoError(t, twin.Set(999, 1))
		require.Equal(t, int64(1), items(t, l)[999])
		require.ErrorIs(t, twin.UnmarshalText([]byte(name)), shm.ErrBusy)
		require.NoError(t, twin.Close())
		_, err = twin.MarshalText()
		require.ErrorIs(t, err, shm.ErrClosed)

		require.NoError(t, l.Unlink())
		require.ErrorIs(t, json.Unmarshal(b, new(shm.ShareableList)), shm.ErrNotExist)
		_, err = list(t, "", o).MarshalText()
		require.ErrorIs(t, err, shm.ErrName)
	})
}

func TestListClosed(t *testing.T) {
	eachList(t, func(t *testing.T, o *shm.ListOptions) {
		closed := list(t, newName(t), o, mixed...)
		require.NoError(t, closed.Close())
		require.NoError(t, closed.Close())
		for _, l := range []*shm.ShareableList{closed, new(shm.ShareableList)} {
			_, err := l.At(0)
			require.ErrorIs(t, err, shm.ErrClosed)
			require.ErrorIs(t, l.Set(0, 1), shm.ErrClosed)
			require.ErrorIs(t, l.Update(t.Context(), 0, func(v any) (any, error) { return v, nil }), shm.ErrClosed)
			_, err = l.Items()
			require.ErrorIs(t, err, shm.ErrClosed)
			_, err = l.Format()
			require.ErrorIs(t, err, shm.ErrClosed)
			_, err = l.Index(1)
			require.ErrorIs(t, err, shm.ErrClosed)
			_ = l.String()
		}
		require.Equal(t, "closed shared memory", new(shm.ShareableList).String())
	})
}

var _ = testproc.Helper("list counter", func(c *testproc.Child) {
	l, err := shm.OpenShareableList(context.Background(), c.Args[0], nil)
	require.NoError(c, err)
	for range 500 {
		require.NoError(c, l.Update(context.Background(), 0, func(v any) (any, error) { return v.(int64) + 1, nil }))
		require.NoError(c, l.Update(context.Background(), 1, func(v any) (any, error) {
			if s, ok := v.(string); ok {
				return []byte(strings.ToUpper(s)), nil
			}
			return strings.ToLower(string(v.([]byte))), nil
		}))
	}
	require.NoError(c, l.Close())
})

// W-12: with a lock nothing is lost and nothing is seen in part.
func TestListIsLocked(t *testing.T) {
	name := newName(t)
	l := list(t, name, &shm.ListOptions{Locked: true}, 0, strings.Repeat("x", 1000))
	var all []*testproc.Proc
	for range 3 {
		all = append(all, testproc.Start(t, "list counter", testproc.Args(name)))
	}
	for items(t, l)[0] != int64(1500) {
		v, err := l.At(1)
		require.NoError(t, err)
		switch v := v.(type) {
		case string:
			require.Equal(t, strings.Repeat("x", 1000), v)
		case []byte:
			require.Equal(t, strings.Repeat("X", 1000), string(v))
		}
	}
	for _, p := range all {
		p.Succeed()
	}
}
