package manager_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/proc"
	"github.com/shmkit/shmkit/proc/manager"
	"github.com/shmkit/shmkit/ringbuf"
)

func newDict[K comparable, V any](t testing.TB, m *manager.Manager) *manager.Dict[K, V] {
	t.Helper()
	d, err := manager.NewDict[K, V](bounded(t), m)
	require.NoError(t, err)
	return d
}

// G13, G16: all methods, and the order of keys.
func TestDictMethods(t *testing.T) {
	both(t, func(t *testing.T, m *manager.Manager) {
		ctx := bounded(t)
		d := newDict[string, int](t, m)
		type item = manager.Item[string, int]
		require.NoError(t, d.SetAll(ctx, nil))
		for i, k := range []string{"a", "b", "c", "d"} {
			require.NoError(t, d.Set(ctx, k, i))
		}
		require.NoError(t, d.Set(ctx, "a", 10)) // stays where it is
		require.NoError(t, d.Delete(ctx, "b"))
		require.NoError(t, d.Set(ctx, "b", 11)) // comes last
		items, err := d.Items(ctx)
		require.NoError(t, err)
		require.Equal(t, []item{{"a", 10}, {"c", 2}, {"d", 3}, {"b", 11}}, items)
		keys, err := d.Keys(ctx)
		require.NoError(t, err)
		require.Equal(t, []string{"a", "c", "d", "b"}, keys)
		values, err := d.Values(ctx)
		require.NoError(t, err)
		require.Equal(t, []int{10, 2, 3, 11}, values)
		copied, err := d.Copy(ctx)
		require.NoError(t, err)
		require.Equal(t, map[string]int{"a": 10, "b": 11, "c": 2, "d": 3}, copied)

		k, v, err := d.PopItem(ctx)
		require.NoError(t, err)
		require.Equal(t, item{"b", 11}, item{k, v})
		v, err = d.Pop(ctx, "c")
		require.NoError(t, err)
		require.Equal(t, 2, v)
		_, err = d.Pop(ctx, "c")
		require.ErrorIs(t, err, manager.ErrKey)
		require.ErrorIs(t, d.Delete(ctx, "c"), manager.ErrKey)
		v, err = d.PopOr(ctx, "c", -1)
		require.NoError(t, err)
		require.Equal(t, -1, v)
		v, err = d.GetOr(ctx, "c", -2)
		require.NoError(t, err)
		require.Equal(t, -2, v)
		v, err = d.GetOr(ctx, "d", -2)
		require.NoError(t, err)
		require.Equal(t, 3, v)
		v, err = d.SetDefault(ctx, "d", -3)
		require.NoError(t, err)
		require.Equal(t, 3, v)
		v, err = d.SetDefault(ctx, "e", 5)
		require.NoError(t, err)
		require.Equal(t, 5, v)
		added, err := d.Add(ctx, "e", 6)
		require.NoError(t, err)
		require.False(t, added)
		yes, err := d.Contains(ctx, "e")
		require.NoError(t, err)
		require.True(t, yes)
		yes, err = d.CompareAndSwap(ctx, "e", 6, 7)
		require.NoError(t, err)
		require.False(t, yes)
		yes, err = d.CompareAndSwap(ctx, "e", 5, 7)
		require.NoError(t, err)
		require.True(t, yes)
		yes, err = d.CompareAndSwap(ctx, "nothing", 5, 7)
		require.NoError(t, err)
		require.False(t, yes)
		v, err = d.Update(ctx, "new", func(v int, there bool) (int, error) {
			require.False(t, there)
			return v + 1, nil
		})
		require.NoError(t, err)
		require.Equal(t, 1, v)
		refused := errors.New("no")
		_, err = d.Update(ctx, "new", func(int, bool) (int, error) { return 9, refused })
		require.ErrorIs(t, err, refused)
		require.NoError(t, d.SetAll(ctx, map[string]int{"new": 2, "newer": 3}))
		copied, err = d.Copy(ctx)
		require.NoError(t, err)
		require.Equal(t, map[string]int{"a": 10, "d": 3, "e": 7, "new": 2, "newer": 3}, copied)
		n, err := d.Len(ctx)
		require.NoError(t, err)
		require.Equal(t, 5, n)
		require.NoError(t, d.Clear(ctx))
		_, _, err = d.PopItem(ctx)
		require.ErrorIs(t, err, manager.ErrKey)
		require.NoError(t, d.Close())
		require.ErrorIs(t, d.Set(ctx, "a", 1), manager.ErrClosed)
		nothingLeft(t, m)
	})
}

// G13: keys of several kinds, and floats.
func TestDictKeys(t *testing.T) {
	both(t, func(t *testing.T, m *manager.Manager) {
		ctx := bounded(t)
		d := newDict[any, string](t, m)
		for _, same := range [][]any{
			{1, int8(1), uint64(1)}, {-1, int16(-1)}, {uint64(math.MaxUint64)}, {"1"}, {true}, {nil},
			{1.0, float32(1)}, {0.0, math.Copysign(0, -1), float32(math.Copysign(0, -1))},
			{math.NaN(), float32(math.NaN()), math.Float64frombits(0x7ff8000000000001)}, {math.Inf(1)},
		} {
			before, err := d.Len(ctx)
			require.NoError(t, err)
			for i, k := range same {
				require.NoError(t, d.Set(ctx, k, fmt.Sprint(i)))
			}
			after, err := d.Len(ctx)
			require.NoError(t, err)
			require.Equal(t, before+1, after, "%v", same)
			v, err := d.Get(ctx, same[0])
			require.NoError(t, err)
			require.Equal(t, fmt.Sprint(len(same)-1), v)
		}
		require.NoError(t, d.Close())

		type celsius float64
		type at struct{ X, Y float64 }
		zero, minus := 0.0, math.Copysign(0, -1)
		named := newDict[celsius, int](t, m)
		require.NoError(t, named.Set(ctx, celsius(zero), 1))
		_, err := named.Get(ctx, celsius(minus))
		require.NoError(t, err, "-0.0 is 0.0")
		points := newDict[at, int](t, m)
		require.NoError(t, points.Set(ctx, at{zero, 1}, 1))
		_, err = points.Get(ctx, at{minus, 1})
		require.NoError(t, err, "also in structs")
		arrays := newDict[any, int](t, m)
		require.NoError(t, arrays.Set(ctx, [2]any{"x", zero}, 1))
		_, err = arrays.Get(ctx, [2]any{"x", minus})
		require.NoError(t, err, "and in arrays")
		for _, c := range []interface{ Close() error }{named, points, arrays} {
			require.NoError(t, c.Close())
		}
		nothingLeft(t, m)
	})
}

func TestDictErrors(t *testing.T) {
	m := started(t, &manager.Options{MaxMessage: 1 << 16})
	ctx := bounded(t)
	d := newDict[any, any](t, m)
	require.NoError(t, d.Set(ctx, "x", nil))
	v, err := d.Get(ctx, "x")
	require.NoError(t, err)
	require.Nil(t, v)
	bad := make(chan int)
	for _, err := range []error{
		d.Set(ctx, bad, 1), d.Set(ctx, 1, bad), d.SetAll(ctx, map[any]any{"a": 1, "b": bad}),
		d.SetAll(ctx, map[any]any{bad: 1, "c": 1}), d.Delete(ctx, bad),
	} {
		require.ErrorIs(t, err, manager.ErrArgument)
	}
	_, err = d.Update(ctx, "x", func(any, bool) (any, error) { return bad, nil })
	require.ErrorIs(t, err, manager.ErrArgument)
	require.ErrorIs(t, d.Set(ctx, "big", make([]byte, 1<<17)), ringbuf.ErrTooLarge)
	require.ErrorIs(t, d.SetAll(ctx, map[any]any{"a": 1, "big": make([]byte, 1<<17)}), ringbuf.ErrTooLarge)
	keys, err := d.Keys(ctx)
	require.NoError(t, err)
	require.Equal(t, []any{"x"}, keys, "nothing else has come")
	require.NoError(t, d.Set(ctx, "x", "text"))
	var ints manager.Dict[string, int]
	require.NoError(t, travel(t, d, &ints))
	_, err = ints.Get(ctx, "x")
	require.ErrorIs(t, err, manager.ErrValue)
	_, err = ints.Items(ctx)
	require.ErrorIs(t, err, manager.ErrValue)
	var byInt manager.Dict[int, any]
	require.NoError(t, travel(t, d, &byInt))
	_, err = byInt.Keys(ctx)
	require.ErrorIs(t, err, manager.ErrValue)
	_, _, err = byInt.PopItem(ctx)
	require.ErrorIs(t, err, manager.ErrValue)

	// A reply that is too large brings nothing, and takes nothing.
	many := newDict[int, []*manager.Namespace](t, m)
	var all []*manager.Namespace
	for range 5000 {
		n, err := manager.NewNamespace(ctx, m)
		require.NoError(t, err)
		all = append(all, n)
	}
	require.NoError(t, many.Set(ctx, 1, all))
	_, err = many.Get(ctx, 1)
	require.ErrorIs(t, err, ringbuf.ErrTooLarge)
	for _, c := range all {
		require.NoError(t, c.Close())
	}
	for _, c := range []interface{ Close() error }{d, &ints, &byInt, many} {
		require.NoError(t, c.Close())
	}
	nothingLeft(t, m)
}

// G13: iteration in parts, and while keys come and go.
func TestDictIter(t *testing.T) {
	m := started(t, &manager.Options{MaxMessage: 1 << 16})
	ctx := bounded(t)
	d := newDict[int, string](t, m)
	var want []manager.Item[int, string]
	for i := range 100 {
		v := strings.Repeat("x", i*100)
		if i%10 == 0 {
			v = strings.Repeat("y", 1<<16-200)
		}
		require.NoError(t, d.Set(ctx, i, v))
		want = append(want, manager.Item[int, string]{Key: i, Value: v})
	}
	items, err := d.Items(ctx)
	require.NoError(t, err)
	require.Equal(t, want, items)
	var got []manager.Item[int, string]
	for i, err := range d.All(ctx) {
		require.NoError(t, err)
		got = append(got, i)
		require.NoError(t, d.Set(ctx, i.Key, i.Value), "a new value is no change")
	}
	require.Equal(t, want, got)

	for name, change := range map[string]func() error{
		"gone":  func() error { return d.Delete(ctx, 1) },
		"new":   func() error { return d.Set(ctx, -1, "") },
		"clear": func() error { return d.Clear(ctx) },
	} {
		require.NoError(t, d.Set(ctx, 1, "1"))
		require.NoError(t, d.Set(ctx, 2, "2"))
		require.NoError(t, ignoreKey(d.Delete(ctx, -1)))
		var last error
		n := 0
		for _, err := range d.All(ctx) {
			if last = err; n == 0 {
				require.NoError(t, change(), name)
			}
			n++
		}
		require.ErrorIs(t, last, manager.ErrChanged, name)
	}
	require.NoError(t, d.Clear(ctx))
	for range d.All(ctx) {
		t.Fatal("nothing is there")
	}
}

func ignoreKey(err error) error {
	if errors.Is(err, manager.ErrKey) {
		return nil
	}
	return err
}

const dictRounds = 200

var dictWorker = proc.Register("dictWorker", func(ctx context.Context, d *manager.Dict[string, int]) error {
	for i := range dictRounds {
		if _, err := d.Update(ctx, "n", func(v int, _ bool) (int, error) { return v + 1, nil }); err != nil {
			return err
		}
		if err := d.SetAll(ctx, map[string]int{"x": i, "y": i, "z": i}); err != nil {
			return err
		}
		for _, k := range []string{"come", "go"} {
			if _, err := d.Add(ctx, k, i); err != nil {
				return err
			}
			if err := d.Delete(ctx, k); err != nil && !errors.Is(err, manager.ErrKey) {
				return err
			}
		}
	}
	return nil
})

// G13, G20: updates from several processes are all counted, and SetAll is one step.
func TestDictContended(t *testing.T) {
	m := started(t, nil)
	ctx := bounded(t)
	d := newDict[string, int](t, m)
	require.NoError(t, d.SetAll(ctx, map[string]int{"x": 0, "y": 0, "z": 0}))
	var workers []*proc.Process
	for range 3 {
		p, err := dictWorker.Start(ctx, d, nil)
		require.NoError(t, err)
		workers = append(workers, p)
	}
	for range 100 {
		c, err := d.Copy(ctx) // in one part: values of one instant
		require.NoError(t, err)
		require.Equal(t, []int{c["x"], c["x"]}, []int{c["y"], c["z"]})
	}
	for _, p := range workers {
		require.NoError(t, p.Wait(ctx))
	}
	n, err := d.Get(ctx, "n")
	require.NoError(t, err)
	require.Equal(t, 3*dictRounds, n)
}

// G14: a dictionary in a dictionary, changed through either.
func TestDictInDict(t *testing.T) {
	both(t, func(t *testing.T, m *manager.Manager) {
		ctx := bounded(t)
		outer := newDict[string, *manager.Dict[string, int]](t, m)
		in := newDict[string, int](t, m)
		require.NoError(t, outer.SetAll(ctx, map[string]*manager.Dict[string, int]{"a": in, "b": in, "none": nil}))
		require.NoError(t, in.Set(ctx, "ferrets", 7))
		a, err := outer.Get(ctx, "a")
		require.NoError(t, err)
		require.NoError(t, a.Set(ctx, "hamsters", 8))
		c, err := in.Copy(ctx)
		require.NoError(t, err)
		require.Equal(t, map[string]int{"ferrets": 7, "hamsters": 8}, c)
		none, err := outer.Get(ctx, "none")
		require.NoError(t, err)
		require.Nil(t, none)
		require.NoError(t, in.Close())
		require.NoError(t, outer.Delete(ctx, "a"))
		require.NoError(t, a.Close())
		keys, err := outer.Keys(ctx) // brings no proxies
		require.NoError(t, err)
		require.Equal(t, 2, len(keys))
		b, err := outer.Pop(ctx, "b")
		require.NoError(t, err)
		v, err := b.Get(ctx, "hamsters")
		require.NoError(t, err)
		require.Equal(t, 8, v)
		require.NoError(t, b.Close())
		n, err := m.NumberOfObjects(ctx)
		require.NoError(t, err)
		require.Equal(t, 1, n)
		require.NoError(t, outer.Close())
		nothingLeft(t, m)
	})
}
