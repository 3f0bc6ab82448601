package shm_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/shmkit/shmkit/shm"
)

// block is a value that shows when it is torn.
type block [64]uint64

func blockOf(n uint64) (b block) {
	for i := range b {
		b[i] = n
	}
	return b
}

func whole(t require.TestingT, b block) uint64 {
	require.Equal(t, blockOf(b[0]), b, "torn")
	return b[0]
}

func load[T any](t require.TestingT, v *shm.Value[T]) T {
	x, err := v.Load()
	require.NoError(t, err)
	return x
}

func TestValue(t *testing.T) {
	name := newName(t)
	v := must[*shm.Value[point]](t)(shm.NewValue(name, point{1, 2, 3}, nil))
	w := must[*shm.Value[point]](t)(shm.OpenValue[point](t.Context(), name, nil))
	r := must[*shm.Value[point]](t)(shm.OpenValue[point](t.Context(), name, &shm.OpenOptions{ReadOnly: true}))
	require.Equal(t, point{1, 2, 3}, load(t, w)) // A01
	require.NoError(t, w.Store(point{4, 5, 6}))
	require.Equal(t, point{4, 5, 6}, load(t, v))
	require.Equal(t, point{4, 5, 6}, load(t, r))
	require.NoError(t, v.Update(t.Context(), func(p *point) error { p.x += 10; return nil }))
	require.Equal(t, point{4, 15, 6}, load(t, r))

	require.ErrorIs(t, r.Store(point{}), shm.ErrReadOnly)
	require.ErrorIs(t, r.Update(t.Context(), func(*point) error { return nil }), shm.ErrReadOnly)
	require.Contains(t, v.String(), name)
}

func TestValueOfAnyType(t *testing.T) {
	// A01
	check := func(t *testing.T, err error, same bool) {
		t.Helper()
		require.NoError(t, err)
		require.True(t, same)
	}
	t.Run("int64", func(t *testing.T) {
		v := must[*shm.Value[int64]](t)(shm.NewValue("", int64(1)<<33, nil))
		check(t, v.Store(-1), load(t, v) == -1)
	})
	t.Run("float64", func(t *testing.T) {
		v := must[*shm.Value[float64]](t)(shm.NewValue("", 1.5, nil))
		check(t, nil, load(t, v) == 1.5)
	})
	t.Run("bool", func(t *testing.T) {
		v := must[*shm.Value[bool]](t)(shm.NewValue("", false, nil))
		check(t, v.Store(true), load(t, v))
	})
	t.Run("odd size", func(t *testing.T) {
		v := must[*shm.Value[[13]byte]](t)(shm.NewValue("", [13]byte{12: 1}, nil))
		check(t, nil, load(t, v) == [13]byte{12: 1})
	})
	t.Run("nothing", func(t *testing.T) {
		v := must[*shm.Value[struct{}]](t)(shm.NewValue("", struct{}{}, nil))
		check(t, v.Store(struct{}{}), load(t, v) == struct{}{})
	})
	t.Run("large", func(t *testing.T) {
		v := must[*shm.Value[[1 << 17]byte]](t)(shm.NewValue("", [1 << 17]byte{}, nil))
		x := load(t, v)
		x[1<<17-1] = 9
		check(t, v.Store(x), load(t, v) == x)
	})
}

func TestFailedUpdateChangesNothing(t *testing.T) {
	v := must[*shm.Value[block]](t)(shm.NewValue("", blockOf(1), nil))
	sick := errors.New("sick")
	require.ErrorIs(t, v.Update(context.Background(), func(b *block) error { *b = blockOf(2); return sick }), sick)
	require.Equal(t, uint64(1), whole(t, load(t, v)))
	require.PanicsWithValue(t, "boom", func() {
		v.Update(context.Background(), func(b *block) error { b[3] = 2; panic("boom") })
	})
	require.Equal(t, uint64(1), whole(t, load(t, v)))
	require.NoError(t, v.Update(context.Background(), func(b *block) error {
		require.Equal(t, uint64(1), whole(t, *b), "what a failed update left is not seen again")
		require.Equal(t, uint64(1), whole(t, load(t, v)), "Load waits for nobody")
		*b = blockOf(3)
		return nil
	}))
	require.Equal(t, uint64(3), whole(t, load(t, v)))
}

var _ = testproc.Helper("increment", func(c *testproc.Child) {
	v, err := shm.OpenValue[block](context.Background(), c.Args[0], nil)
	require.NoError(c, err)
	for range 1000 {
		require.NoError(c, v.Update(context.Background(), func(b *block) error {
			*b = blockOf(whole(c, *b) + 1)
			return nil
		}))
		whole(c, load(c, v))
	}
})

func TestUpdatesAreNotLost(t *testing.T) {
	name := newName(t)
	v := must[*shm.Value[block]](t)(shm.NewValue(name, blockOf(0), nil))
	r := must[*shm.Value[block]](t)(shm.OpenValue[block](t.Context(), name, &shm.OpenOptions{ReadOnly: true}))
	var children []*testproc.Proc
	for range 2 {
		children = append(children, testproc.Start(t, "increment", testproc.Args(name)))
	}
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for range 500 {
				if err := v.Update(context.Background(), func(b *block) error { *b = blockOf(b[0] + 1); return nil }); err != nil {
					t.Error(err)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() {
		wg.Wait()
		for _, c := range children {
			<-c.Exited()
		}
		close(done)
	}()
	for last, reading := uint64(0), true; reading; {
		n := whole(t, load(t, r))
		require.GreaterOrEqual(t, n, last)
		last = n
		select {
		case <-done:
			reading = false
		default:
		}
	}
	for _, c := range children {
		c.Succeed()
	}
	require.Equal(t, uint64(3000), whole(t, load(t, v)))
}

func TestValueAllocatesNothing(t *testing.T) {
	for _, name := range []string{"", newName(t)} {
		v := must[*shm.Value[point]](t)(shm.NewValue(name, point{}, nil))
		require.NoError(t, v.Store(point{}))
		add := func(p *point) error { p.x++; return nil }
		ctx := t.Context()
		require.Zero(t, testing.AllocsPerRun(100, func() { // S5
			_, _ = v.Load()
			_ = v.Store(point{})
			_ = v.Update(ctx, add)
			_ = v.Update(context.Background(), add)
		}))
	}
}
