package manager_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/proc"
	"github.com/shmkit/shmkit/proc/manager"
)

type inner struct {
	Name string
	List *manager.Dict[string, int]
}

// G13.
func TestDict(t *testing.T) {
	both(t, func(t *testing.T, m *manager.Manager) {
		ctx := bounded(t)
		d, err := manager.NewDict[any, any](ctx, m)
		require.NoError(t, err)
		require.NoError(t, d.Set(ctx, 1, "1"))
		require.NoError(t, d.Set(ctx, "2", 2))
		require.NoError(t, d.Set(ctx, 0.25, nil))
		v, err := d.Get(ctx, uint8(1))
		require.NoError(t, err)
		require.Equal(t, "1", v)
		_, err = d.Get(ctx, "nothing")
		require.ErrorIs(t, err, manager.ErrKey)
		keys, err := d.Keys(ctx)
		require.NoError(t, err)
		require.Equal(t, []any{int64(1), "2", 0.25}, keys)
		n, err := m.NumberOfObjects(ctx)
		require.NoError(t, err)
		require.Equal(t, 1, n)
		require.NoError(t, d.Close())
		nothingLeft(t, m)
	})
}

var dictChild = proc.Register("dictChild", func(ctx context.Context, d *manager.Dict[string, inner]) error {
	i, err := d.Get(ctx, "a")
	if err != nil {
		return err
	}
	return i.List.Set(ctx, "from child", 7)
})

// G14.
func TestNestedDict(t *testing.T) {
	both(t, func(t *testing.T, m *manager.Manager) {
		ctx := bounded(t)
		d, err := manager.NewDict[string, inner](ctx, m)
		require.NoError(t, err)
		l, err := manager.NewDict[string, int](ctx, m)
		require.NoError(t, err)
		require.NoError(t, d.Set(ctx, "a", inner{"x", l}))
		require.NoError(t, l.Close())
		p, err := dictChild.Start(ctx, d, nil)
		require.NoError(t, err)
		require.NoError(t, p.Wait(ctx))
		i, err := d.Get(ctx, "a")
		require.NoError(t, err)
		n, err := i.List.Get(ctx, "from child")
		require.NoError(t, err)
		require.Equal(t, 7, n)
		require.NoError(t, d.Clear(ctx))
		n, err = i.List.Get(ctx, "from child")
		require.NoError(t, err)
		require.Equal(t, 7, n)
		require.NoError(t, i.List.Close())
		require.NoError(t, d.Close())
		nothingLeft(t, m)
	})
}

func BenchmarkDict(b *testing.B) {
	m := started(b, nil)
	ctx := b.Context()
	d, err := manager.NewDict[string, int](ctx, m)
	require.NoError(b, err)
	b.Run("Set", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := d.Set(ctx, "key", 1); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Get", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := d.Get(ctx, "key"); err != nil {
				b.Fatal(err)
			}
		}
	})
}
