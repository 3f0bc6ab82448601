package shm_test

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/shmkit/shmkit/semaphore"
	"github.com/shmkit/shmkit/shm"
)

func TestArray(t *testing.T) {
	// A04, A06
	name := newName(t)
	a := must[*shm.Array[int32]](t)(shm.NewArray[int32](name, 5, nil))
	b := must[*shm.Array[int32]](t)(shm.OpenArray[int32](t.Context(), name, nil))
	require.Equal(t, 5, a.Len())
	require.Equal(t, 5, b.Len())
	require.Equal(t, make([]int32, 5), b.Slice()) // A05

	require.NoError(t, a.Set(4, 40))
	v, err := b.At(4)
	require.NoError(t, err)
	require.Equal(t, int32(40), v)
	v, err = b.Swap(4, 41)
	require.NoError(t, err)
	require.Equal(t, int32(40), v)
	require.NoError(t, a.Update(t.Context(), 4, func(n *int32) error { *n++; return nil }))
	sick := errors.New("sick")
	require.ErrorIs(t, a.Update(t.Context(), 4, func(n *int32) error { *n = 0; return sick }), sick)
	require.Equal(t, []int32{0, 0, 0, 0, 42}, a.Slice())

	require.NoError(t, a.Lock())
	copy(a.Slice(), []int32{1, 2, 3})
	a.Unlock()
	part := make([]int32, 3)
	n, err := b.CopyTo(part)
	require.NoError(t, err)
	require.Equal(t, 3, n)
	require.Equal(t, []int32{1, 2, 3}, part)
	n, err = b.CopyTo(make([]int32, 9))
	require.NoError(t, err)
	require.Equal(t, 5, n)

	var all []int32
	for i, v := range b.All() {
		require.Len(t, all, i)
		all = append(all, v)
	}
	require.Equal(t, []int32{1, 2, 3, 0, 42}, all)
	for range b.All() {
		break
	}
}

func TestArrayArguments(t *testing.T) {
	name := newName(t)
	for _, n := range []int{0, -1, math.MinInt, math.MaxInt, math.MaxInt/8 + 1, math.MaxInt/8 - 31} {
		for _, name := range []string{"", name} {
			_, err := shm.NewArray[int64](name, n, nil)
			require.ErrorIs(t, err, shm.ErrSize, "%d", n)
		}
	}
	_, err := shm.NewArray[int64]("", 1<<50, nil)
	require.ErrorIs(t, err, shm.ErrNoSpace)
	_, err = shm.NewArray[int64](name, 1<<50, nil)
	require.ErrorIs(t, err, shm.ErrNoSpace)
	require.NoFileExists(t, shmDir+name)

	a := must[*shm.Array[int64]](t)(shm.NewArray[int64]("", 3, nil))
	for _, i := range []int{-1, 3, math.MaxInt, math.MinInt} {
		_, err := a.At(i)
		require.ErrorIs(t, err, shm.ErrRange)
		_, err = a.Swap(i, 1)
		require.ErrorIs(t, err, shm.ErrRange)
		require.ErrorIs(t, a.Set(i, 1), shm.ErrRange)
		require.ErrorIs(t, a.Update(t.Context(), i, func(*int64) error { return nil }), shm.ErrRange)
	}
	must[*shm.Array[struct{}]](t)(shm.NewArray[struct{}]("", 1000, nil))
}

func TestOpenExistingArrayKeepsItsLength(t *testing.T) {
	name := newName(t)
	must[*shm.Array[int64]](t)(shm.NewArray[int64](name, 10, nil))
	b := must[*shm.Array[int64]](t)(shm.NewArray[int64](name, 20, &shm.Options{Exist: shm.ExistOpen}))
	require.Equal(t, 10, b.Len())
}

func TestReadOnlyArray(t *testing.T) {
	name := newName(t)
	a := must[*shm.Array[int64]](t)(shm.NewArray[int64](name, 3, nil))
	r := must[*shm.Array[int64]](t)(shm.OpenArray[int64](t.Context(), name, &shm.OpenOptions{ReadOnly: true}))
	require.NoError(t, a.Lock(), "which does not hold up who only reads")
	defer a.Unlock()
	a.Slice()[1] = 7
	v, err := r.At(1)
	require.NoError(t, err)
	require.Equal(t, int64(7), v)
	all := make([]int64, 3)
	_, err = r.CopyTo(all)
	require.NoError(t, err)
	require.Equal(t, []int64{0, 7, 0}, all)
	require.ErrorIs(t, r.Set(0, 1), shm.ErrReadOnly)
	require.ErrorIs(t, r.Lock(), shm.ErrReadOnly)
	require.ErrorIs(t, r.LockRepair(t.Context(), func([]int64) error { return nil }), shm.ErrReadOnly)
	require.NoError(t, r.Close())
	_, err = r.At(1)
	require.ErrorIs(t, err, shm.ErrClosed)
}

var _ = testproc.Helper("running sum", func(c *testproc.Child) {
	a, err := shm.OpenArray[int64](context.Background(), c.Args[0], nil)
	require.NoError(c, err)
	require.NoError(c, a.Lock())
	s := a.Slice()
	for i := 1; i < len(s); i++ {
		s[i] += s[i-1]
	}
	a.Unlock()
})

func TestArrayAcrossProcesses(t *testing.T) {
	name := newName(t)
	a := must[*shm.Array[int64]](t)(shm.NewArray[int64](name, 10, nil))
	for i := range a.Slice() {
		a.Slice()[i] = int64(i)
	}
	testproc.Start(t, "running sum", testproc.Args(name)).Succeed() // A04
	require.Equal(t, []int64{0, 1, 3, 6, 10, 15, 21, 28, 36, 45}, slices.Collect(func(yield func(int64) bool) {
		for _, v := range a.All() {
			if !yield(v) {
				return
			}
		}
	}))
}

var _ = testproc.Helper("die with the lock", func(c *testproc.Child) {
	a, err := shm.OpenArray[int64](context.Background(), c.Args[0], nil)
	require.NoError(c, err)
	require.NoError(c, a.LockContext(context.Background()))
	a.Slice()[0] = 1 // and not yet the others
	c.WriteLine("locked")
	c.Park()
})

func TestArrayOwnerDies(t *testing.T) {
	name := newName(t)
	a := must[*shm.Array[int64]](t)(shm.NewArray[int64](name, 3, nil))
	p := testproc.Start(t, "die with the lock", testproc.Args(name))
	p.Expect("locked")
	waiting := make(chan error)
	go func() { waiting <- a.Set(1, 5) }()
	p.Kill()
	require.ErrorIs(t, <-waiting, semaphore.ErrOwnerDied) // X01
	require.ErrorIs(t, a.Lock(), semaphore.ErrOwnerDied)
	_, err := a.At(0)
	require.ErrorIs(t, err, semaphore.ErrOwnerDied, "until it is repaired")

	sick := errors.New("sick")
	require.ErrorIs(t, a.LockRepair(t.Context(), func([]int64) error { return sick }), sick)
	require.ErrorIs(t, a.Lock(), semaphore.ErrOwnerDied)
	require.NoError(t, a.LockRepair(t.Context(), func(s []int64) error { clear(s); return nil }))
	a.Unlock()
	v, err := a.At(0)
	require.NoError(t, err)
	require.Zero(t, v)
	require.NoError(t, a.LockRepair(t.Context(), func([]int64) error { return sick }), "nothing to repair")
	a.Unlock()
}

func TestCloseOfALockedArray(t *testing.T) {
	a := must[*shm.Array[int64]](t)(shm.NewArray[int64]("", 3, nil))
	require.NoError(t, a.Lock())
	require.ErrorIs(t, a.Close(), shm.ErrBusy)
	a.Unlock()
	s := a.Slice()
	s[1] = 1
	require.NoError(t, a.Close())
	require.Zero(t, s[1], "a late access meets zeros")
	require.ErrorIs(t, a.Lock(), shm.ErrClosed)
	_, err := a.CopyTo(s)
	require.ErrorIs(t, err, shm.ErrClosed)
}

func TestTruncatedArray(t *testing.T) {
	name := newName(t)
	a := must[*shm.Array[int64]](t)(shm.NewArray[int64](name, 1000, nil))
	r := must[*shm.Array[int64]](t)(shm.OpenArray[int64](t.Context(), name, &shm.OpenOptions{ReadOnly: true}))
	require.NoError(t, a.File().Truncate(4096)) // the lock is still there
	buf := make([]int64, 1000)
	_, err := a.CopyTo(buf)
	require.ErrorIs(t, err, shm.ErrTruncated)
	_, err = r.CopyTo(buf)
	require.ErrorIs(t, err, shm.ErrTruncated)
	_, err = a.At(999)
	require.ErrorIs(t, err, shm.ErrTruncated)
	require.ErrorIs(t, a.Set(999, 1), shm.ErrTruncated)
	require.ErrorIs(t, a.Update(t.Context(), 999, func(*int64) error { return nil }), shm.ErrTruncated)
	require.NoError(t, a.Set(0, 1), "and free again")

	require.NoError(t, a.Lock())
	require.NoError(t, a.File().Truncate(0))
	require.NotPanics(t, a.Unlock)
	require.ErrorIs(t, a.Lock(), shm.ErrTruncated)
	_, err = r.At(0)
	require.ErrorIs(t, err, shm.ErrTruncated)
}

func TestArrayOfLocks(t *testing.T) {
	type bucket struct {
		mu semaphore.Mutex
		n  int64
	}
	a := must[*shm.Array[bucket]](t)(shm.NewArray[bucket]("", 100, nil))
	for i := range a.Slice() {
		b := &a.Slice()[i]
		require.NoError(t, b.mu.Lock())
		b.n++
		b.mu.Unlock()
	}
	require.NoError(t, a.Slice()[50].mu.Lock())
	require.ErrorIs(t, a.Close(), shm.ErrBusy)
	a.Slice()[50].mu.Unlock()
}

func TestArrayAllocatesNothing(t *testing.T) {
	for _, name := range []string{"", newName(t)} {
		a := must[*shm.Array[point]](t)(shm.NewArray[point](name, 10, nil))
		dst := make([]point, 10)
		ctx := t.Context()
		add := func(p *point) error { p.x++; return nil }
		require.NoError(t, a.Set(0, point{}))
		require.Zero(t, testing.AllocsPerRun(100, func() { // S5
			_ = a.Set(1, point{})
			_, _ = a.At(1)
			_, _ = a.Swap(1, point{})
			_, _ = a.CopyTo(dst)
			_ = a.Update(ctx, 1, add)
			_ = a.Lock()
			a.Unlock()
		}))
	}
}
