package manager_test

import (
	"cmp"
	"context"
	"encoding"
	"errors"
	"iter"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/handle"
	"github.com/shmkit/shmkit/proc"
	"github.com/shmkit/shmkit/proc/manager"
)

// have fails unless the list has exactly these elements.
func have[V any](t testing.TB, l *manager.List[V], vs ...V) {
	t.Helper()
	got, err := l.Copy(bounded(t))
	require.NoError(t, err)
	require.Equal(t, append([]V{}, vs...), append([]V{}, got...))
}

func newList[V any](t testing.TB, m *manager.Manager, vs ...V) *manager.List[V] {
	t.Helper()
	l, err := manager.NewList(bounded(t), m, vs...)
	require.NoError(t, err)
	return l
}

// G10, G16: all methods.
func TestList(t *testing.T) {
	both(t, func(t *testing.T, m *manager.Manager) {
		ctx := bounded(t)
		l := newList(t, m, 0, 1, 2, 3, 4)
		have(t, l, 0, 1, 2, 3, 4)

		t.Run("elements", func(t *testing.T) {
			for i, want := range map[int]int{0: 0, 4: 4, -1: 4, -5: 0} {
				v, err := l.Get(ctx, i)
				require.NoError(t, err)
				require.Equal(t, want, v)
			}
			for _, i := range []int{5, -6, 1 << 62, -1 << 63, manager.End} {
				_, err := l.Get(ctx, i)
				require.ErrorIs(t, err, manager.ErrIndex)
				require.ErrorIs(t, l.Set(ctx, i, 1), manager.ErrIndex)
				require.ErrorIs(t, l.Delete(ctx, i), manager.ErrIndex)
				_, err = l.Pop(ctx, i)
				require.ErrorIs(t, err, manager.ErrIndex)
			}
			require.NoError(t, l.Set(ctx, -1, 40))
			require.NoError(t, l.Set(ctx, 0, 10))
			have(t, l, 10, 1, 2, 3, 40)
		})
		t.Run("grow and shrink", func(t *testing.T) {
			require.NoError(t, l.Append(ctx, 5))
			require.NoError(t, l.AppendAll(ctx, 6, 7))
			require.NoError(t, l.AppendAll(ctx))
			require.NoError(t, l.Insert(ctx, 1, 11))
			require.NoError(t, l.Insert(ctx, -1, 66))
			require.NoError(t, l.Insert(ctx, 100, 100))
			require.NoError(t, l.Insert(ctx, -100, -100))
			have(t, l, -100, 10, 11, 1, 2, 3, 40, 5, 6, 66, 7, 100)
			v, err := l.PopLast(ctx)
			require.NoError(t, err)
			require.Equal(t, 100, v)
			v, err = l.Pop(ctx, 0)
			require.NoError(t, err)
			require.Equal(t, -100, v)
			v, err = l.Pop(ctx, -2)
			require.NoError(t, err)
			require.Equal(t, 66, v)
			require.NoError(t, l.Delete(ctx, 1))
			require.NoError(t, l.Remove(ctx, 40))
			require.ErrorIs(t, l.Remove(ctx, 40), manager.ErrKey)
			have(t, l, 10, 1, 2, 3, 5, 6, 7)
			n, err := l.Len(ctx)
			require.NoError(t, err)
			require.Equal(t, 7, n)
		})
		t.Run("search", func(t *testing.T) {
			l := newList(t, m, "a", "b", "a", "c", "a")
			defer l.Close()
			i, err := l.Index(ctx, "a")
			require.NoError(t, err)
			require.Equal(t, 0, i)
			i, err = l.IndexIn(ctx, "a", 1, -1)
			require.NoError(t, err)
			require.Equal(t, 2, i)
			_, err = l.IndexIn(ctx, "c", 0, 3)
			require.ErrorIs(t, err, manager.ErrKey)
			n, err := l.Count(ctx, "a")
			require.NoError(t, err)
			require.Equal(t, 3, n)
			for s, want := range map[string]bool{"c": true, "d": false} {
				yes, err := l.Contains(ctx, s)
				require.NoError(t, err)
				require.Equal(t, want, yes)
			}
		})
		t.Run("slices", func(t *testing.T) {
			l := newList(t, m, 0, 1, 2, 3, 4)
			defer l.Close()
			for _, s := range []struct {
				from, to int
				want     []int
			}{
				{0, manager.End, []int{0, 1, 2, 3, 4}}, {2, 10, []int{2, 3, 4}}, {-2, manager.End, []int{3, 4}},
				{1, -1, []int{1, 2, 3}}, {3, 2, nil}, {9, 10, nil}, {-100, 1, []int{0}}, {-1 << 63, -1 << 63, nil},
			} {
				got, err := l.Slice(ctx, s.from, s.to)
				require.NoError(t, err)
				require.Equal(t, s.want, append([]int(nil), got...), "%d:%d", s.from, s.to)
			}
			require.NoError(t, l.SetSlice(ctx, 1, 3, []int{10, 20, 30}))
			have(t, l, 0, 10, 20, 30, 3, 4)
			require.NoError(t, l.SetSlice(ctx, 1, 4, []int{1, 2}))
			have(t, l, 0, 1, 2, 3, 4)
			require.NoError(t, l.SetSlice(ctx, 3, 1, []int{7}))
			have(t, l, 0, 1, 2, 7, 3, 4)
			require.NoError(t, l.DeleteSlice(ctx, 1, -1))
			have(t, l, 0, 4)
			require.NoError(t, l.Repeat(ctx, 3))
			have(t, l, 0, 4, 0, 4, 0, 4)
			require.NoError(t, l.Repeat(ctx, 1))
			require.NoError(t, l.Reverse(ctx))
			have(t, l, 4, 0, 4, 0, 4, 0)
			require.ErrorIs(t, l.Repeat(ctx, 1<<40), manager.ErrTooLong)
			require.ErrorIs(t, l.Repeat(ctx, 1<<62), manager.ErrTooLong)
			require.NoError(t, l.Repeat(ctx, -1))
			have(t, l)
			require.NoError(t, l.Repeat(ctx, 1<<62))
			_, err := l.PopLast(ctx)
			require.ErrorIs(t, err, manager.ErrEmpty)
			require.NoError(t, l.Append(ctx, 1))
			require.NoError(t, l.Clear(ctx))
			have(t, l)
		})
		t.Run("sort", func(t *testing.T) {
			type pair struct{ A, B int }
			l := newList(t, m, pair{2, 0}, pair{1, 1}, pair{2, 2}, pair{1, 3})
			defer l.Close()
			require.NoError(t, l.Sort(ctx, func(a, b pair) int { return cmp.Compare(a.A, b.A) }))
			have(t, l, pair{1, 1}, pair{1, 3}, pair{2, 0}, pair{2, 2})
		})
		t.Run("update", func(t *testing.T) {
			l := newList(t, m, 1, 2)
			defer l.Close()
			v, err := l.Update(ctx, -1, func(v int) (int, error) { return v * 21, nil })
			require.NoError(t, err)
			require.Equal(t, 42, v)
			refused := errors.New("no")
			_, err = l.Update(ctx, 0, func(int) (int, error) { return 0, refused })
			require.ErrorIs(t, err, refused)
			_, err = l.Update(ctx, 2, func(int) (int, error) { return 0, nil })
			require.ErrorIs(t, err, manager.ErrIndex)
			yes, err := l.CompareAndSwap(ctx, 0, 2, 3)
			require.NoError(t, err)
			require.False(t, yes)
			yes, err = l.CompareAndSwap(ctx, 0, 1, 3)
			require.NoError(t, err)
			require.True(t, yes)
			have(t, l, 3, 42)
		})
		require.Regexp(t, `^List\(object \d+\)$`, l.String())
		require.NoError(t, l.Close())
		require.ErrorIs(t, l.Append(ctx, 1), manager.ErrClosed)
		require.Equal(t, "List(closed)", l.String())
		nothingLeft(t, m)
	})
}

// G11.
func TestListIter(t *testing.T) {
	m := started(t, nil)
	ctx := bounded(t)
	l := newList(t, m, 0, 1, 2)
	next, stop := iter.Pull2(l.All(ctx))
	defer stop()
	require.NoError(t, l.Set(ctx, 0, 100))
	expect := func(want int) {
		t.Helper()
		v, err, ok := next()
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, want, v)
	}
	expect(100)
	require.NoError(t, l.Set(ctx, 1, 101))
	expect(101)
	require.NoError(t, l.Append(ctx, 3))
	expect(2)
	expect(3)
	_, _, ok := next()
	require.False(t, ok)
	require.NoError(t, l.Append(ctx, 4))
	_, _, ok = next()
	require.False(t, ok, "exhausted stays exhausted")

	var back []int
	for v, err := range l.Backward(ctx) {
		require.NoError(t, err)
		back = append(back, v)
		if v == 3 {
			require.NoError(t, l.DeleteSlice(ctx, 1, manager.End))
		}
	}
	require.Equal(t, []int{4, 3, 100}, back)
	require.NoError(t, l.Close())
	for _, err := range l.All(ctx) {
		require.ErrorIs(t, err, manager.ErrClosed)
	}
}

// tree is an element that has a list of its kind.
type tree struct {
	Name     string
	Children *manager.List[tree]
}

// G10 (by value and by proxy), G12.
func TestListInList(t *testing.T) {
	both(t, func(t *testing.T, m *manager.Manager) {
		ctx := bounded(t)
		a := newList(t, m, 1, 2)
		byProxy := newList(t, m, a)
		byValue := newList(t, m, []int{1, 2})
		require.NoError(t, a.Append(ctx, 3))
		inner, err := byProxy.Get(ctx, 0)
		require.NoError(t, err)
		require.Equal(t, a.ID(), inner.ID())
		have(t, inner, 1, 2, 3)
		require.NoError(t, inner.Set(ctx, -1, 55))
		have(t, a, 1, 2, 55)
		have(t, byValue, []int{1, 2})

		// Three of one, then one of another.
		require.NoError(t, byProxy.Repeat(ctx, 3))
		b := newList(t, m, 9)
		require.NoError(t, byProxy.Set(ctx, 1, b))
		require.NoError(t, b.Close())
		require.NoError(t, a.Close())
		require.NoError(t, inner.Close())
		popped, err := byProxy.Pop(ctx, 1)
		require.NoError(t, err)
		have(t, popped, 9)
		require.NoError(t, byProxy.DeleteSlice(ctx, 0, 1))
		last, err := byProxy.Get(ctx, -1)
		require.NoError(t, err)
		have(t, last, 1, 2, 55)
		require.NoError(t, byProxy.Clear(ctx))
		have(t, last, 1, 2, 55)
		for _, l := range []interface{ Close() error }{popped, last, byProxy, byValue} {
			require.NoError(t, l.Close())
		}
		nothingLeft(t, m)

		// A list in itself.
		self := newList[tree](t, m)
		require.NoError(t, self.Append(ctx, tree{"self", self}))
		again, err := self.Get(ctx, 0)
		require.NoError(t, err)
		require.NoError(t, again.Children.Append(ctx, tree{"leaf", nil}))
		n, err := self.Len(ctx)
		require.NoError(t, err)
		require.Equal(t, 2, n)
		require.Equal(t, self.ID(), again.Children.ID())
		n, err = m.NumberOfObjects(ctx)
		require.NoError(t, err)
		require.Equal(t, 1, n)
		require.NoError(t, again.Children.Close())
		require.NoError(t, self.Close())
		nothingLeft(t, m)

		// Sorting moves proxies; it does not make others of them.
		trees := newList(t, m, tree{"b", newList[tree](t, m)}, tree{"a", nil})
		require.NoError(t, trees.Sort(ctx, func(a, b tree) int { return cmp.Compare(a.Name, b.Name) }))
		last2, err := trees.Get(ctx, 1)
		require.NoError(t, err)
		require.NoError(t, last2.Children.Append(ctx, tree{}))
		_, err = trees.Update(ctx, 1, func(v tree) (tree, error) { return v, nil })
		require.ErrorIs(t, err, manager.ErrArgument)
		_, err = trees.Index(ctx, last2)
		require.ErrorIs(t, err, manager.ErrArgument)
	})
}

func TestListErrors(t *testing.T) {
	both(t, func(t *testing.T, m *manager.Manager) {
		ctx := bounded(t)
		l := newList[any](t, m, 1)
		bad := func() {}
		require.ErrorIs(t, l.Append(ctx, bad), manager.ErrArgument)
		require.ErrorIs(t, l.AppendAll(ctx, 1, 2, bad), manager.ErrArgument)
		require.ErrorIs(t, l.Set(ctx, 0, bad), manager.ErrArgument)
		_, err := l.Index(ctx, bad)
		require.ErrorIs(t, err, manager.ErrArgument)
		_, err = manager.NewList[any](ctx, m, bad)
		require.ErrorIs(t, err, manager.ErrArgument)
		have(t, l, any(int64(1)))
		require.NoError(t, l.Append(ctx, nil))
		have(t, l, any(int64(1)), nil)

		// One of another manager cannot be put in, and nothing is left of the try.
		other := inside(t, nil)
		stranger, mine := newList[any](t, other), newList[any](t, m)
		require.ErrorIs(t, l.AppendAll(ctx, mine, stranger), manager.ErrArgument)
		require.NoError(t, mine.Close())
		require.NoError(t, stranger.Close())
		nothingLeft(t, other)

		closed := newList[any](t, m)
		require.NoError(t, closed.Close())
		require.ErrorIs(t, l.Append(ctx, closed), manager.ErrArgument)

		// Values of another type.
		v, err := manager.NewValue(ctx, m, "text")
		require.NoError(t, err)
		box := newList(t, m, v)
		var asInts manager.List[int]
		require.NoError(t, travel(t, l, &asInts))
		_, err = asInts.Copy(ctx)
		require.NoError(t, err, "nil is 0, 1 is 1")
		require.NoError(t, l.Append(ctx, "text"))
		_, err = asInts.Get(ctx, -1)
		require.ErrorIs(t, err, manager.ErrValue)
		_, err = asInts.Copy(ctx)
		require.ErrorIs(t, err, manager.ErrValue)
		// What a reply brings that cannot be decoded is given back (G22).
		var asText manager.List[map[string]int]
		require.NoError(t, travel(t, box, &asText))
		_, err = asText.Get(ctx, 0)
		require.ErrorIs(t, err, manager.ErrValue)
		_, err = asText.Copy(ctx)
		require.ErrorIs(t, err, manager.ErrValue)

		gone, cancel := context.WithCancel(ctx)
		cancel()
		require.ErrorIs(t, l.Append(gone, 1), context.Canceled)
		_, err = manager.NewList[int](ctx, nil)
		require.ErrorIs(t, err, manager.ErrClosed)
		for _, l := range []interface{ Close() error }{l, v, box, &asInts, &asText} {
			require.NoError(t, l.Close())
		}
		nothingLeft(t, m)
		require.NoError(t, m.Close())
	})
}

// travel has a proxy arrive as one of another type.
func travel(t testing.TB, from encoding.BinaryMarshaler, to encoding.BinaryUnmarshaler) error {
	t.Helper()
	data, hs, err := handle.Encode(from.MarshalBinary)
	require.NoError(t, err)
	require.Len(t, hs, 1)
	f, err := handle.Dup(hs[0].File)
	require.NoError(t, err)
	defer hs[0].Arrived()
	there := handle.Handle{Kind: hs[0].Kind, Meta: hs[0].Meta, File: f}
	return handle.Decode(bounded(t), data, []handle.Handle{there}, to.UnmarshalBinary)
}

// A list that takes many parts to fetch, some of one element.
func TestListInParts(t *testing.T) {
	m := started(t, &manager.Options{MaxMessage: 1 << 16})
	ctx := bounded(t)
	l := newList[[]byte](t, m)
	var want [][]byte
	for i := range 40 {
		v := make([]byte, i*1000)
		v = append(v, byte(i))
		if i%5 == 0 {
			v = make([]byte, 1<<16-100)
		}
		want = append(want, v)
		require.NoError(t, l.Append(ctx, v))
	}
	have(t, l, want...)
	require.Error(t, l.Append(ctx, make([]byte, 1<<17)))
	require.NoError(t, l.Sort(ctx, func(a, b []byte) int { return -cmp.Compare(len(a), len(b)) }))
	slices.SortStableFunc(want, func(a, b []byte) int { return -cmp.Compare(len(a), len(b)) })
	have(t, l, want...)
	got, err := l.Slice(ctx, 3, -3)
	require.NoError(t, err)
	require.Equal(t, want[3:len(want)-3], got)
}

const listRounds = 200

var listWorker = proc.Register("listWorker", func(ctx context.Context, l *manager.List[int]) error {
	for range listRounds {
		if _, err := l.Update(ctx, 0, func(v int) (int, error) { return v + 1, nil }); err != nil {
			return err
		}
		if err := l.Append(ctx, 1); err != nil {
			return err
		}
	}
	return nil
})

// G20: processes update, append and sort; nothing is lost.
func TestListContended(t *testing.T) {
	m := started(t, nil)
	ctx := bounded(t)
	l := newList(t, m, 0)
	var workers []*proc.Process
	for range 3 {
		p, err := listWorker.Start(ctx, l, nil)
		require.NoError(t, err)
		workers = append(workers, p)
	}
	for range 20 {
		require.NoError(t, l.Sort(ctx, func(a, b int) int { return -cmp.Compare(a, b) }))
		vs, err := l.Copy(ctx)
		require.NoError(t, err)
		require.LessOrEqual(t, vs[0], 3*listRounds)
	}
	for _, p := range workers {
		require.NoError(t, p.Wait(ctx))
	}
	vs, err := l.Copy(ctx)
	require.NoError(t, err)
	require.Len(t, vs, 1+3*listRounds)
	sum := 0
	for _, v := range vs {
		sum += v
	}
	require.Equal(t, 2*3*listRounds, sum)
}
