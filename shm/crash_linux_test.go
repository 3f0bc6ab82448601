package shm_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/testproc"
	"github.com/shmkit/shmkit/semaphore"
	"github.com/shmkit/shmkit/shm"
)

var _ = testproc.Helper("value victim", func(c *testproc.Child) {
	v, err := shm.OpenValue[block](context.Background(), c.Args[0], nil)
	require.NoError(c, err)
	require.NoError(c, v.Store(blockOf(1)))
	require.NoError(c, v.Update(context.Background(), func(b *block) error { *b = blockOf(b[0] + 1); return nil }))
})

var _ = testproc.Helper("array victim", func(c *testproc.Child) {
	a, err := shm.OpenArray[block](context.Background(), c.Args[0], nil)
	require.NoError(c, err)
	require.NoError(c, a.Set(1, blockOf(1)))
	require.NoError(c, a.Set(1, blockOf(2)))
})

// S1 at every point of a store.
func TestWriterDies(t *testing.T) {
	value := func(t *testing.T, v *testproc.Victim) {
		name := newName(t)
		shared := must[*shm.Value[block]](t)(shm.NewValue(name, blockOf(0), nil))
		v.Start("value victim", testproc.Args(name)).Wait()
		n := whole(t, load(t, shared))
		if v.Fired() {
			want := map[string]uint64{"shm/value-storing": 0, "shm/value-stored": 0, "shm/value-committed": 1}
			require.Equal(t, want[v.Point], n)
		}
		require.NoError(t, shared.Update(t.Context(), func(b *block) error {
			require.Equal(t, n, whole(t, *b))
			*b = blockOf(n + 1)
			return nil
		}))
		require.NoError(t, shared.Store(blockOf(n+2)))
		require.Equal(t, n+2, whole(t, load(t, shared)))
	}
	array := func(t *testing.T, v *testproc.Victim) {
		name := newName(t)
		shared := must[*shm.Array[block]](t)(shm.NewArray[block](name, 3, nil))
		v.Start("array victim", testproc.Args(name)).Wait()
		err := shared.Set(1, blockOf(9))
		if !v.Fired() {
			require.NoError(t, err)
			return
		}
		require.ErrorIs(t, err, semaphore.ErrOwnerDied)
		require.NoError(t, shared.LockRepair(t.Context(), func(s []block) error {
			s[1] = blockOf(3)
			return nil
		}))
		shared.Unlock()
		b, err := shared.At(1)
		require.NoError(t, err)
		require.Equal(t, uint64(3), whole(t, b))
	}
	testproc.CrashWalk(t, nil, value, array)
}

// S2 at every point of a store.
func TestWriterStops(t *testing.T) {
	value := func(t *testing.T, v *testproc.Victim) {
		name := newName(t)
		shared := must[*shm.Value[block]](t)(shm.NewValue(name, blockOf(0), nil))
		p := v.Start("value victim", testproc.Args(name))
		if !p.WaitStopped() {
			return
		}
		n := whole(t, load(t, shared))
		require.LessOrEqual(t, n, uint64(1), "readers go on")
		ended, end := context.WithCancelCause(t.Context())
		end(errors.New("enough"))
		require.ErrorIs(t, shared.Update(ended, func(*block) error { return nil }), context.Canceled, "it keeps its lock")
		p.Cont()
		p.Succeed()
		require.Equal(t, uint64(2), whole(t, load(t, shared)))
	}
	array := func(t *testing.T, v *testproc.Victim) {
		name := newName(t)
		shared := must[*shm.Array[block]](t)(shm.NewArray[block](name, 3, nil))
		p := v.Start("array victim", testproc.Args(name))
		if !p.WaitStopped() {
			return
		}
		ended, end := context.WithCancel(t.Context())
		end()
		require.ErrorIs(t, shared.LockContext(ended), context.Canceled)
		p.Cont()
		p.Succeed()
		require.NoError(t, shared.Lock())
		require.Equal(t, uint64(2), whole(t, shared.Slice()[1]))
		shared.Unlock()
	}
	testproc.CrashWalk(t, &testproc.WalkOptions{Stop: true}, value, array)
}
