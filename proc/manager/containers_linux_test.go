package manager_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/proc"
	"github.com/shmkit/shmkit/proc/manager"
)

// G20.
func TestArray(t *testing.T) {
	both(t, func(t *testing.T, m *manager.Manager) {
		ctx := bounded(t)
		a, err := manager.NewArray(ctx, m, 1, 2, 3, 4, 5)
		require.NoError(t, err)
		require.NoError(t, a.Set(ctx, 0, 10))
		require.NoError(t, a.SetSlice(ctx, -2, manager.End, []int{40, 50}))
		require.ErrorIs(t, a.SetSlice(ctx, 0, 2, []int{1}), manager.ErrIndex)
		require.ErrorIs(t, a.SetSlice(ctx, 0, 2, []int{1, 2, 3}), manager.ErrIndex)
		require.ErrorIs(t, a.Set(ctx, 5, 0), manager.ErrIndex)
		_, err = a.At(ctx, -6)
		require.ErrorIs(t, err, manager.ErrIndex)
		v, err := a.At(ctx, -1)
		require.NoError(t, err)
		require.Equal(t, 50, v)
		_, err = a.Update(ctx, 1, func(v int) (int, error) { return v * 10, nil })
		require.NoError(t, err)
		yes, err := a.CompareAndSwap(ctx, 2, 3, 30)
		require.NoError(t, err)
		require.True(t, yes)
		n, err := a.Len(ctx)
		require.NoError(t, err)
		require.Equal(t, 5, n)
		var all []int
		for v, err := range a.All(ctx) {
			require.NoError(t, err)
			all = append(all, v)
		}
		require.Equal(t, []int{10, 20, 30, 40, 50}, all)
		part, err := a.Slice(ctx, 1, 3)
		require.NoError(t, err)
		require.Equal(t, []int{20, 30}, part)

		// A list proxy of it, as a hostile client has, cannot change its length.
		var l manager.List[int]
		require.ErrorIs(t, travel(t, a, &l), manager.ErrKind)
		require.Regexp(t, `^Array\(object \d+\)$`, a.String())
		require.NoError(t, a.Close())
		nothingLeft(t, m)
	})
}

// G20.
func TestValue(t *testing.T) {
	both(t, func(t *testing.T, m *manager.Manager) {
		ctx := bounded(t)
		l := newList(t, m, 1)
		v, err := manager.NewValue[any](ctx, m, 1.5)
		require.NoError(t, err)
		got, err := v.Get(ctx)
		require.NoError(t, err)
		require.Equal(t, 1.5, got)
		yes, err := v.CompareAndSwap(ctx, float32(1.5), "x")
		require.NoError(t, err)
		require.True(t, yes)
		require.ErrorIs(t, v.Set(ctx, make(chan int)), manager.ErrArgument)
		got, err = v.Get(ctx)
		require.NoError(t, err)
		require.Equal(t, "x", got)
		require.NoError(t, v.Set(ctx, l))
		require.NoError(t, l.Close())
		n, err := m.NumberOfObjects(ctx)
		require.NoError(t, err)
		require.Equal(t, 2, n)
		_, err = v.Update(ctx, func(any) (any, error) { return nil, nil })
		require.ErrorIs(t, err, manager.ErrArgument)
		require.NoError(t, v.Set(ctx, nil))
		n, err = m.NumberOfObjects(ctx)
		require.NoError(t, err)
		require.Equal(t, 1, n)
		require.Regexp(t, `^Value\(object \d+\)$`, v.String())
		require.NoError(t, v.Close())
		nothingLeft(t, m)
	})
}

// G15.
func TestNamespace(t *testing.T) {
	both(t, func(t *testing.T, m *manager.Manager) {
		ctx := bounded(t)
		n, err := manager.NewNamespace(ctx, m)
		require.NoError(t, err)
		require.Equal(t, "Namespace()", n.String())
		require.NoError(t, n.Set(ctx, "name", "Bob"))
		require.NoError(t, n.Set(ctx, "job", "Builder"))
		require.NoError(t, n.Set(ctx, "_hidden", t.Run))
		name, err := manager.Attr[string](ctx, n, "name")
		require.NoError(t, err)
		require.Equal(t, "Bob", name)
		require.NoError(t, n.Delete(ctx, "job"))
		require.ErrorIs(t, n.Delete(ctx, "job"), manager.ErrKey)
		require.Equal(t, `Namespace(name="Bob")`, n.String())
		for name, want := range map[string]bool{"name": true, "job": false, "_hidden": true, "_x": false} {
			yes, err := n.Has(ctx, name)
			require.NoError(t, err)
			require.Equal(t, want, yes, name)
		}
		names, err := n.Names(ctx)
		require.NoError(t, err)
		require.Equal(t, []string{"name"}, names)

		// What is hidden is whatever it is, and only here.
		_, err = manager.Attr[func(string, func(*testing.T)) bool](ctx, n, "_hidden")
		require.NoError(t, err)
		_, err = manager.Attr[string](ctx, n, "_hidden")
		require.ErrorIs(t, err, manager.ErrValue)
		_, err = manager.Attr[string](ctx, n, "_x")
		require.ErrorIs(t, err, manager.ErrKey)
		require.NoError(t, n.Set(ctx, "_x", nil))
		x := 7
		require.NoError(t, n.Get(ctx, "_x", &x))
		require.Zero(t, x)
		require.NoError(t, n.Delete(ctx, "_x"))
		require.ErrorIs(t, n.Delete(ctx, "_x"), manager.ErrKey)
		var other manager.Namespace
		require.NoError(t, travel(t, n, &other))
		_, err = manager.Attr[any](ctx, &other, "_hidden")
		require.ErrorIs(t, err, manager.ErrKey)
		require.NoError(t, other.Close())

		require.ErrorIs(t, n.Get(ctx, "name", nil), manager.ErrArgument)
		require.ErrorIs(t, n.Get(ctx, "name", "no pointer"), manager.ErrArgument)
		require.ErrorIs(t, n.Get(ctx, "name", (*string)(nil)), manager.ErrArgument)
		require.ErrorIs(t, n.Get(ctx, "name", new(int)), manager.ErrValue)
		require.ErrorIs(t, n.Get(ctx, "nothing", new(int)), manager.ErrKey)
		require.ErrorIs(t, n.Set(ctx, "name", make(chan int)), manager.ErrArgument)

		// A proxy as an attribute.
		l := newList(t, m, 1, 2)
		id := l.ID()
		require.NoError(t, n.Set(ctx, "list", l))
		require.NoError(t, l.Close())
		again, err := manager.Attr[*manager.List[int]](ctx, n, "list")
		require.NoError(t, err)
		require.Equal(t, id, again.ID())
		have(t, again, 1, 2)
		require.NoError(t, again.Close())
		require.NoError(t, n.Set(ctx, "nothing", nil))
		require.NoError(t, n.Set(ctx, "n", []int{1, 2}))
		require.Regexp(t, `^Namespace\(name="Bob", list=List\(object \d+\), nothing=nil, n=\[1 2\]\)$`, n.String())
		require.NoError(t, n.Close())
		require.Equal(t, "Namespace(closed)", n.String())
		require.ErrorIs(t, n.Set(ctx, "a", 1), manager.ErrClosed)
		nothingLeft(t, m)
	})
}

// everything is one of each container, which a child changes.
type everything struct {
	Dict      *manager.Dict[string, int]
	List      *manager.List[int]
	Set       *manager.Set[string]
	Namespace *manager.Namespace
	Value     *manager.Value[float64]
	Array     *manager.Array[int]
}

func (e *everything) change(ctx context.Context) error {
	for _, do := range []func() error{
		func() error { return e.Dict.Set(ctx, "child", 1) },
		func() error { return e.List.Append(ctx, 2) },
		func() error { _, err := e.Set.Add(ctx, "child"); return err },
		func() error { return e.Namespace.Set(ctx, "child", "here") },
		func() error {
			_, err := e.Value.Update(ctx, func(v float64) (float64, error) { return v + 0.5, nil })
			return err
		},
		func() error { return e.Array.SetSlice(ctx, 0, 2, []int{8, 9}) },
	} {
		if err := do(); err != nil {
			return err
		}
	}
	return nil
}

func newEverything(t testing.TB, m *manager.Manager) *everything {
	t.Helper()
	ctx := bounded(t)
	e := &everything{List: newList(t, m, 1)}
	var err error
	e.Dict, err = manager.NewDict[string, int](ctx, m)
	require.NoError(t, err)
	e.Set, err = manager.NewSet(ctx, m, "parent")
	require.NoError(t, err)
	e.Namespace, err = manager.NewNamespace(ctx, m)
	require.NoError(t, err)
	e.Value, err = manager.NewValue(ctx, m, 1.0)
	require.NoError(t, err)
	e.Array, err = manager.NewArray(ctx, m, 0, 0, 0)
	require.NoError(t, err)
	return e
}

func (e *everything) close(t testing.TB) {
	t.Helper()
	for _, p := range []interface{ Close() error }{e.Dict, e.List, e.Set, e.Namespace, e.Value, e.Array} {
		require.NoError(t, p.Close())
	}
}

var changeEverything = proc.Register("changeEverything", func(ctx context.Context, e everything) error { return e.change(ctx) })

// G20: what a child does is seen in the parent.
func TestContainersInChild(t *testing.T) {
	both(t, func(t *testing.T, m *manager.Manager) {
		ctx := bounded(t)
		e := newEverything(t, m)
		p, err := changeEverything.Start(ctx, *e, nil)
		require.NoError(t, err)
		require.NoError(t, p.Wait(ctx))
		d, err := e.Dict.Get(ctx, "child")
		require.NoError(t, err)
		require.Equal(t, 1, d)
		have(t, e.List, 1, 2)
		s, err := e.Set.Elements(ctx)
		require.NoError(t, err)
		require.Equal(t, []string{"parent", "child"}, s)
		here, err := manager.Attr[string](ctx, e.Namespace, "child")
		require.NoError(t, err)
		require.Equal(t, "here", here)
		v, err := e.Value.Get(ctx)
		require.NoError(t, err)
		require.Equal(t, 1.5, v)
		a, err := e.Array.Slice(ctx, 0, manager.End)
		require.NoError(t, err)
		require.Equal(t, []int{8, 9, 0}, a)
		e.close(t)
		nothingLeft(t, m)
	})
}

// holder holds proxies that it has got out of others, has made, and has put into each
// other, and says so; then it waits to be killed.
var holder = proc.Register("containersHolder", func(ctx context.Context, a holding) error {
	var kept []any
	for v, err := range a.Trees.All(ctx) {
		if err != nil {
			return err
		}
		kept = append(kept, v)
	}
	mine, err := manager.NewList[tree](ctx, a.Manager)
	if err != nil {
		return err
	}
	if err := mine.Append(ctx, tree{"itself", mine}); err != nil { // a circle that nobody else has
		return err
	}
	if err := a.Trees.Append(ctx, tree{"of the child", mine}); err != nil {
		return err
	}
	popped, err := a.Trees.Pop(ctx, 0) // only this process has it now
	if err != nil {
		return err
	}
	e := &everything{}
	if e.Dict, err = manager.NewDict[string, int](ctx, a.Manager); err != nil {
		return err
	}
	if err := a.Ready.Put(ctx, popped.Name); err != nil {
		return err
	}
	<-ctx.Done()
	_, _ = kept, e
	return ctx.Err()
})

type holding struct {
	Manager *manager.Manager
	Trees   *manager.List[tree]
	Ready   *proc.Queue[string]
}

// G22: what a killed process held comes back, and what it has put where others can reach
// it stays.
func TestContainersHolderKilled(t *testing.T) {
	both(t, func(t *testing.T, m *manager.Manager) {
		ctx := bounded(t)
		trees := newList[tree](t, m)
		for _, name := range []string{"a", "b"} {
			children := newList(t, m, tree{name, newList[tree](t, m)})
			require.NoError(t, trees.Append(ctx, tree{name, children}))
			require.NoError(t, children.Close())
		}
		ready, err := proc.NewQueue[string](nil)
		require.NoError(t, err)
		defer ready.Close()
		p, err := holder.Start(ctx, holding{m, trees, ready}, nil)
		require.NoError(t, err)
		name, err := ready.Get(ctx)
		require.NoError(t, err)
		require.Equal(t, "a", name)
		require.NoError(t, p.Kill())
		require.Error(t, p.Wait(ctx))

		of, err := trees.Get(ctx, -1)
		require.NoError(t, err)
		require.Equal(t, "of the child", of.Name)
		itself, err := of.Children.Get(ctx, 0)
		require.NoError(t, err)
		require.Equal(t, of.Children.ID(), itself.Children.ID())
		require.NoError(t, of.Children.Close())
		require.NoError(t, itself.Children.Close())
		require.NoError(t, trees.Close())
		collect(t, m)
	})
}
