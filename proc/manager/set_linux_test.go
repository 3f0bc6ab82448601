package manager_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/proc"
	"github.com/shmkit/shmkit/proc/manager"
)

func newSet[K comparable](t testing.TB, m *manager.Manager, keys ...K) *manager.Set[K] {
	t.Helper()
	s, err := manager.NewSet(bounded(t), m, keys...)
	require.NoError(t, err)
	return s
}

func hasElements[K comparable](t testing.TB, s *manager.Set[K], keys ...K) {
	t.Helper()
	got, err := s.Elements(bounded(t))
	require.NoError(t, err)
	require.Equal(t, append([]K{}, keys...), got)
}

// G21.
func TestSet(t *testing.T) {
	both(t, func(t *testing.T, m *manager.Manager) {
		ctx := bounded(t)
		type ints = manager.Elements[int]
		s := newSet(t, m, 1, 2, 3, 2, 1)
		hasElements(t, s, 1, 2, 3)
		for k, want := range map[int]bool{3: false, 4: true} {
			added, err := s.Add(ctx, k)
			require.NoError(t, err)
			require.Equal(t, want, added)
			yes, err := s.Contains(ctx, k)
			require.NoError(t, err)
			require.True(t, yes)
		}
		require.NoError(t, s.Remove(ctx, 4))
		require.ErrorIs(t, s.Remove(ctx, 4), manager.ErrKey)
		for _, want := range []bool{true, false} {
			removed, err := s.Discard(ctx, 2)
			require.NoError(t, err)
			require.Equal(t, want, removed)
		}
		n, err := s.Len(ctx)
		require.NoError(t, err)
		require.Equal(t, 2, n)
		v, err := s.Pop(ctx)
		require.NoError(t, err)
		require.Equal(t, 3, v)
		require.NoError(t, s.Clear(ctx))
		_, err = s.Pop(ctx)
		require.ErrorIs(t, err, manager.ErrKey)
		hasElements(t, s)

		t.Run("operators", func(t *testing.T) {
			a, b, empty := newSet(t, m, 1, 2, 3), newSet(t, m, 3, 4), newSet[int](t, m)
			defer a.Close()
			defer b.Close()
			defer empty.Close()
			for _, c := range []struct {
				name string
				do   func(context.Context, ...manager.Operand[int]) ([]int, error)
				with []manager.Operand[int]
				want ints
			}{
				{"union", a.Union, []manager.Operand[int]{b}, ints{1, 2, 3, 4}},
				{"union of many", a.Union, []manager.Operand[int]{b, ints{9, 9, 1}, empty, a}, ints{1, 2, 3, 4, 9}},
				{"union of none", a.Union, nil, ints{1, 2, 3}},
				{"intersection", a.Intersection, []manager.Operand[int]{b, ints{3, 3}}, ints{3}},
				{"intersection of none", a.Intersection, nil, ints{1, 2, 3}},
				{"intersection with itself", a.Intersection, []manager.Operand[int]{a}, ints{1, 2, 3}},
				{"difference", a.Difference, []manager.Operand[int]{b, ints{1}}, ints{2}},
				{"difference with itself", a.Difference, []manager.Operand[int]{a}, ints{}},
				{"symmetric", one(a.SymmetricDifference), []manager.Operand[int]{b}, ints{1, 2, 4}},
				{"symmetric with doubles", one(a.SymmetricDifference), []manager.Operand[int]{ints{4, 4, 3, 5}}, ints{1, 2, 4, 5}},
				{"symmetric with itself", one(a.SymmetricDifference), []manager.Operand[int]{a}, ints{}},
			} {
				got, err := c.do(ctx, c.with...)
				require.NoError(t, err, c.name)
				require.Equal(t, c.want, ints(got), c.name)
			}
			hasElements(t, a, 1, 2, 3)
			hasElements(t, b, 3, 4)
		})
		t.Run("in place", func(t *testing.T) {
			a, b := newSet(t, m, 1, 2, 3), newSet(t, m, 3, 4)
			defer a.Close()
			defer b.Close()
			require.NoError(t, a.UnionWith(ctx, b, ints{7, 7}))
			hasElements(t, a, 1, 2, 3, 4, 7)
			require.NoError(t, a.IntersectWith(ctx, ints{7, 2, 3, 100}))
			hasElements(t, a, 2, 3, 7)
			require.NoError(t, a.SymmetricDifferenceWith(ctx, b))
			hasElements(t, a, 2, 7, 4)
			require.NoError(t, a.DifferenceWith(ctx, b, ints{2}))
			hasElements(t, a, 7)
			require.NoError(t, a.UnionWith(ctx, a))
			require.NoError(t, a.SymmetricDifferenceWith(ctx, a))
			hasElements(t, a)
		})
		t.Run("comparisons", func(t *testing.T) {
			a, b, c := newSet(t, m, 1, 2), newSet(t, m, 2, 1), newSet(t, m, 1, 2, 3)
			defer a.Close()
			defer b.Close()
			defer c.Close()
			for _, q := range []struct {
				do   func(context.Context, manager.Operand[int]) (bool, error)
				with manager.Operand[int]
				want bool
			}{
				{a.Equal, b, true},
				{a.Equal, c, false},
				{a.Equal, ints{1, 2, 2, 1}, true},
				{a.IsSubset, c, true},
				{c.IsSubset, a, false},
				{a.IsSubset, a, true},
				{c.IsSuperset, a, true},
				{a.IsSuperset, c, false},
				{a.IsSuperset, ints{1, 1}, true},
				{a.IsDisjoint, ints{3, 4}, true},
				{a.IsDisjoint, c, false},
				{a.IsDisjoint, ints{}, true},
			} {
				got, err := q.do(ctx, q.with)
				require.NoError(t, err)
				require.Equal(t, q.want, got, "%v", q.with)
			}
		})
		t.Run("another manager", func(t *testing.T) {
			other := inside(t, nil)
			b := newSet(t, other, 5, 6)
			require.NoError(t, s.UnionWith(ctx, b))
			hasElements(t, s, 5, 6)
			require.NoError(t, b.Close())
			require.ErrorIs(t, s.UnionWith(ctx, b), manager.ErrClosed)
		})
		require.Regexp(t, `^Set\(object \d+\)$`, s.String())
		require.NoError(t, s.Close())
		nothingLeft(t, m)
	})
}

func one(do func(context.Context, manager.Operand[int]) ([]int, error)) func(context.Context, ...manager.Operand[int]) ([]int, error) {
	return func(ctx context.Context, others ...manager.Operand[int]) ([]int, error) { return do(ctx, others[0]) }
}

// G21: bad elements.
func TestSetErrors(t *testing.T) {
	both(t, func(t *testing.T, m *manager.Manager) {
		ctx := bounded(t)
		_, err := manager.NewSet[any](ctx, m, 1, make(chan int))
		require.ErrorIs(t, err, manager.ErrArgument)
		nothingLeft(t, m)
		s := newSet[any](t, m, 1, "a", nil, true, 1.0)
		hasElements(t, s, any(int64(1)), "a", nil, true, 1.0)
		_, err = s.Add(ctx, make(chan int))
		require.ErrorIs(t, err, manager.ErrArgument)
		_, err = s.Union(ctx, manager.Elements[any]{make(chan int)})
		require.ErrorIs(t, err, manager.ErrArgument)
		l := newList[int](t, m)
		_, err = s.Add(ctx, l)
		require.ErrorIs(t, err, manager.ErrArgument, "a proxy")
		var texts manager.Set[string]
		require.NoError(t, travel(t, s, &texts))
		_, err = texts.Elements(ctx)
		require.ErrorIs(t, err, manager.ErrValue)
		_, err = texts.Union(ctx)
		require.ErrorIs(t, err, manager.ErrValue)
		for _, c := range []interface{ Close() error }{s, l, &texts} {
			require.NoError(t, c.Close())
		}
		nothingLeft(t, m)
	})
}

func TestSetIter(t *testing.T) {
	m := started(t, nil)
	ctx := bounded(t)
	s := newSet[string](t, m)
	var want []string
	for i := range 5000 {
		want = append(want, fmt.Sprintf("element %d", i))
	}
	require.NoError(t, s.UnionWith(ctx, manager.Elements[string](want)))
	hasElements(t, s, want...)
	var got []string
	for k, err := range s.All(ctx) {
		require.NoError(t, err)
		got = append(got, k)
	}
	require.Equal(t, want, got)
	for k, err := range s.All(ctx) {
		if err != nil {
			require.ErrorIs(t, err, manager.ErrChanged)
			require.Empty(t, k)
			return
		}
		_, err := s.Discard(ctx, k)
		require.NoError(t, err)
	}
	t.Fatal("the changes were not seen")
}

var setWorker = proc.Register("setWorker", func(ctx context.Context, a setWork) error {
	for i := range 200 {
		if _, err := a.Set.Add(ctx, a.Base+i); err != nil {
			return err
		}
		if err := a.Set.UnionWith(ctx, a.Other); err != nil {
			return err
		}
		if err := a.Other.UnionWith(ctx, a.Set); err != nil {
			return err
		}
	}
	return nil
})

type setWork struct {
	Base       int
	Set, Other *manager.Set[int]
}

// G20: two sets that are joined with each other by several processes at once.
func TestSetContended(t *testing.T) {
	m := started(t, nil)
	ctx := bounded(t)
	a, b := newSet[int](t, m), newSet[int](t, m)
	var workers []*proc.Process
	for n, w := range []setWork{{0, a, b}, {1000, b, a}} {
		w.Base = n * 1000
		p, err := setWorker.Start(ctx, w, nil)
		require.NoError(t, err)
		workers = append(workers, p)
	}
	for _, p := range workers {
		require.NoError(t, p.Wait(ctx))
	}
	got, err := a.Union(ctx, b)
	require.NoError(t, err)
	slices.Sort(got)
	require.Len(t, got, 400)
	require.Equal(t, 1199, got[399])
}
