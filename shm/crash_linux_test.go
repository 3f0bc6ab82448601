package shm_test

import (
	"context"
	"errors"
	"strings"
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

// long is a string of 1000 bytes.
func long(text string) string { return strings.Repeat(text, 1000) }

var _ = testproc.Helper("list victim", func(c *testproc.Child) {
	l, err := shm.OpenShareableList(context.Background(), c.Args[0], nil)
	require.NoError(c, err)
	require.NoError(c, l.Set(1, []byte("bytes"))) // from a string
	require.NoError(c, l.Set(1, 7))
	require.NoError(c, l.Set(1, long("b")))
})

// listSteps are what item 1 is before and after each step of that victim.
var listSteps = []any{long("a"), []byte("bytes"), int64(7), long("b")}

var _ = testproc.Helper("list finisher", func(c *testproc.Child) {
	l, err := shm.OpenShareableList(context.Background(), c.Args[0], nil)
	require.NoError(c, err)
	_, err = l.At(0)
	require.NoError(c, err)
})

// S1 for who finishes what a dead process had noted, and dies, too.
func TestListFinisherDies(t *testing.T) {
	scenario := func(t *testing.T, v *testproc.Victim) {
		name := newName(t)
		shared := list(t, name, &shm.ListOptions{Locked: true}, mixed...)
		// Item 3, a number so far, becomes a string of 3 bytes: offsets as in
		// TestBadListTrailers.
		s := openSegment(t, name)
		put64(536, 3)(put64(528, 1)(putText(520, "8s")(s.Bytes())))
		copy(s.Bytes()[544:], "abc")
		put64(512, 4)(s.Bytes())
		v.Start("list finisher", testproc.Args(name)).Wait()
		want := append([]any{}, mixed...)
		want[3] = "abc"
		require.Equal(t, want, items(t, shared))
		require.NoError(t, shared.Set(3, 5))
		want[3] = int64(5)
		require.Equal(t, want, items(t, shared))
	}
	testproc.CrashWalk(t, &testproc.WalkOptions{
		Prefix: []string{"shm/list-"},
		Skip:   []string{"shm/list-noting", "shm/list-noted", "shm/list-pending"},
	}, scenario)
}

// S1 at every point of a store.
func TestWriterDies(t *testing.T) {
	value := func(t *testing.T, v *testproc.Victim) {
		name := newName(t)
		shared := must[*shm.Value[block]](t)(shm.NewValue(name, blockOf(0), nil))
		v.Start("value victim", testproc.Args(name)).Wait()
		n := whole(t, load(t, shared))
		if v.Fired() {
			want := map[string]uint64{"shm/value-storing": 0, "shm/value-stored": 0, "shm/value-committed": 1}
			require.Equal(t, want[v.Point]+uint64(v.Hit-1), n)
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
	// Each of the victim's stores in turn dies at the point.
	list := func(t *testing.T, v *testproc.Victim) {
		name := newName(t)
		shared := list(t, name, &shm.ListOptions{Locked: true}, "before", listSteps[0], "after")
		reader := openList(t, name, nil)
		v.Start("list victim", testproc.Args(name)).Wait()
		got, err := reader.Items()
		require.NoError(t, err)
		if !v.Fired() {
			require.Equal(t, []any{"before", listSteps[3], "after"}, got)
			return
		}
		// The hit'th store is under way, but not every store comes by every point.
		want := map[string][]any{
			"shm/list-noting": listSteps[:3], "shm/list-noted": listSteps[:3],
			"shm/list-pending": listSteps[1:], "shm/list-finished": listSteps[1:],
			"shm/list-formatted": listSteps[2:], // bytes have the format of a string
			"shm/list-coded":     listSteps[1:], "shm/list-stored": listSteps[1:],
			"shm/list-padded": {listSteps[1], listSteps[3]}, // a number leaves the rest
		}[v.Point]
		require.Equal(t, []any{"before", want[v.Hit-1], "after"}, got)
		for _, next := range listSteps {
			require.NoError(t, shared.Set(1, next))
			require.Equal(t, []any{"before", next, "after"}, items(t, reader))
		}
	}
	testproc.CrashWalk(t, &testproc.WalkOptions{Hits: 3}, value, array, list)
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
	list := func(t *testing.T, v *testproc.Victim) {
		name := newName(t)
		shared := list(t, name, &shm.ListOptions{Locked: true}, "before", listSteps[0], "after")
		p := v.Start("list victim", testproc.Args(name))
		if !p.WaitStopped() {
			return
		}
		ended, end := context.WithCancel(t.Context())
		end()
		same := func(v any) (any, error) { return v, nil }
		require.ErrorIs(t, shared.Update(ended, 0, same), context.Canceled, "it keeps its lock")
		require.Contains(t, shared.String(), "before", "which does not wait")
		p.Cont()
		p.Succeed()
		require.Equal(t, []any{"before", listSteps[3], "after"}, items(t, shared))
	}
	testproc.CrashWalk(t, &testproc.WalkOptions{Stop: true}, value, array, list)
}
