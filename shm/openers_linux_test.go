package shm_test

import (
	"context"
	"errors"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/shm"
)

// edited returns b with edits in it: offset, in two bytes, and value.
func edited(b, edits []byte) []byte {
	b = slices.Clone(b)
	for ; len(edits) >= 3 && len(b) > 0; edits = edits[3:] {
		b[(int(edits[0])<<8|int(edits[1]))%len(b)] = edits[2]
	}
	return b
}

// Any bytes under a name, opened as every kind: each opener returns an object that can
// be used and closed, or an error; none panics, faults or hangs, and the name stays.
// base says which object the bytes are made from, beyond the last for none.
func FuzzOpeners(f *testing.F) {
	kinds := []string{"value", "array", "object", "segment", "list"}
	var bases [][]byte
	for _, kind := range kinds {
		name := newName(f)
		h, err := constructors[kind].create(name, &shm.Options{})
		require.NoError(f, err)
		require.NoError(f, h.Close())
		b, err := os.ReadFile(shmDir + name)
		require.NoError(f, err)
		bases = append(bases, b)
	}
	for i := range len(bases) + 1 {
		f.Add(uint8(i), int64(-1), []byte{})
		f.Add(uint8(i), int64(100), []byte{0, 12, 2})
		f.Add(uint8(i), int64(5000), []byte{0, 32, 255, 0, 24, 99})
		f.Add(uint8(i), int64(-1), []byte{0, 128, 1, 0, 129, 0, 1, 0, 77}) // a lock, the count
		f.Add(uint8(i), int64(-1), []byte{0, 0, 9, 0, 8, 255, 0, 16, 255})
	}
	f.Fuzz(func(t *testing.T, base uint8, size int64, edits []byte) {
		b := edits
		if int(base) < len(bases) {
			b = edited(bases[base], edits)
		}
		name := newName(t)
		require.NoError(t, os.WriteFile(shmDir+name, b, 0o600))
		if size >= 0 {
			require.NoError(t, os.Truncate(shmDir+name, size%(1<<20)))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		for _, o := range []*shm.OpenOptions{nil, {ReadOnly: true}} {
			useGarbage(t, ctx, name, o)
		}
		require.FileExists(t, shmDir+name, "X08")
	})
}

// useGarbage opens a name as every kind, and does something with what it gets.
func useGarbage(t *testing.T, ctx context.Context, name string, o *shm.OpenOptions) {
	if s, err := shm.Open(ctx, name, o); err == nil {
		b := make([]byte, 10)
		_, _ = s.ReadAt(b, 0)
		_, _ = s.Refresh()
		require.NoError(t, s.Close())
	} else {
		require.Nil(t, s, "error XOR value")
	}
	if v, err := shm.OpenValue[block](ctx, name, o); err == nil {
		_, err := v.Load()
		require.NoError(t, err)
		_ = v.Update(ctx, func(b *block) error { b[0]++; return nil })
		closeGarbage(t, name, v)
	} else {
		require.Nil(t, v, "error XOR value")
	}
	if a, err := shm.OpenArray[[3]int64](ctx, name, o); err == nil {
		require.NotZero(t, a.Len())
		_ = a.Slice()[a.Len()-1]
		if a.LockContext(ctx) == nil {
			a.Unlock()
		}
		_ = a.LockRepair(ctx, func([][3]int64) error { return errors.New("no") })
		closeGarbage(t, name, a)
	} else {
		require.Nil(t, a, "error XOR value")
	}
	if g, err := shm.OpenObject[guarded](ctx, name, o); err == nil {
		if (o == nil || !o.ReadOnly) && g.Ptr().mu.LockContext(ctx) == nil {
			g.Ptr().mu.Unlock()
		}
		closeGarbage(t, name, g)
	} else {
		require.Nil(t, g, "error XOR value")
	}
	if l, err := shm.OpenShareableList(ctx, name, o); err == nil {
		if !l.Locked() || o != nil && o.ReadOnly {
			_, _ = l.Items()
			_, _ = l.Index("x")
		}
		_ = l.Update(ctx, 0, func(v any) (any, error) { return v, nil })
		closeGarbage(t, name, l)
	} else {
		require.Nil(t, l, "error XOR value")
	}
}

// closeGarbage closes h. If the bytes happen to say that this process holds a lock,
// they have to go first.
func closeGarbage(t *testing.T, name string, h closer) {
	t.Helper()
	err := h.Close()
	if errors.Is(err, shm.ErrBusy) {
		b, e := os.ReadFile(shmDir + name)
		require.NoError(t, e)
		require.NoError(t, os.Truncate(shmDir+name, 0))
		err = h.Close()
		require.NoError(t, os.WriteFile(shmDir+name, b, 0o600))
	}
	require.NoError(t, err)
}
