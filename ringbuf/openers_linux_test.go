package ringbuf

import (
	"context"
	"errors"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Any bytes under a name, opened as every kind: each opener returns an object that can
// be used and closed, or an error; none panics, faults or hangs, and the name stays.
// base says which object the bytes are made from, beyond the last for none.
func FuzzOpeners(f *testing.F) {
	type base struct {
		head []byte
		size int64
	}
	var bases []base
	for _, create := range []func(name string) (closer, error){
		func(name string) (closer, error) { return New(name, &Options{Capacity: minCapacity}) },
		func(name string) (closer, error) { return New(name, &hostileOptions) },
		func(name string) (closer, error) { return NewChan[uint64](name, 16, nil) },
		func(name string) (closer, error) {
			return NewChan[uint64](name, 16, &Options{Mode: MPMC, Producers: 2, Consumers: 2})
		},
		func(name string) (closer, error) {
			return NewQueue(name, &Options{Grow: true, Leases: true, Redeliver: true, Capacity: 1 << 20, Producers: 2, Consumers: 2})
		},
		func(name string) (closer, error) {
			return NewExchange(name, &ExchangeOptions{MaxMessage: 64, Clients: 2})
		},
	} {
		name := newName(f)
		h, err := create(name)
		require.NoError(f, err)
		info, err := os.Stat("/dev/shm/" + name)
		require.NoError(f, err)
		head := make([]byte, min(info.Size(), 8192))
		file, err := os.Open("/dev/shm/" + name)
		require.NoError(f, err)
		_, err = file.ReadAt(head, 0)
		require.NoError(f, err)
		require.NoError(f, file.Close())
		require.NoError(f, h.Close())
		bases = append(bases, base{head, info.Size()})
	}
	for i := range len(bases) + 1 {
		f.Add(uint8(i), int64(-1), []byte{})
		f.Add(uint8(i), int64(100), []byte{0, 12, 2})
		f.Add(uint8(i), int64(1<<20), []byte{0, 32, 255, 0, 24, 99})
		f.Add(uint8(i), int64(-1), []byte{0, 128, 1, 0, 129, 0, 1, 0, 77})
		f.Add(uint8(i), int64(-1), []byte{0, 34, 1, 0, 42, 3, 0, 16, 255})
	}
	f.Fuzz(func(t *testing.T, which uint8, size int64, edits []byte) {
		b := base{edits, int64(len(edits))}
		if int(which) < len(bases) {
			b = bases[which]
			b.head = slices.Clone(b.head)
			for e := edits; len(e) >= 3; e = e[3:] {
				b.head[(int(e[0])<<8|int(e[1]))%len(b.head)] = e[2]
			}
		}
		if size >= 0 {
			b.size = size % (1 << 24)
		}
		name := newName(t)
		path := "/dev/shm/" + name
		require.NoError(t, os.WriteFile(path, b.head, 0o600))
		require.NoError(t, os.Truncate(path, b.size))
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		useGarbage(t, ctx, name)
		require.FileExists(t, path, "X08")
	})
}

type closer interface{ Close() error }

// useGarbage opens a name as every kind, and does something with what it gets. The
// errors are whatever the bytes say.
func useGarbage(t *testing.T, ctx context.Context, name string) {
	if r, err := Open(ctx, name, nil); err == nil {
		_, _, _ = r.Stats(), r.Len(), r.String()
		if p, err := r.Producer(); err == nil {
			_ = p.Send(ctx, []byte("x"))
			_ = p.TrySend(make([]byte, 1000))
		}
		if c, err := r.Consumer(); err == nil {
			_, _ = c.TryRecv(nil)
			_, _ = c.Recv(ctx, nil)
		}
		closeGarbage(t, name, r)
	} else {
		require.Nil(t, r, "error XOR value")
	}
	if c, err := OpenChan[uint64](ctx, name, nil); err == nil {
		_ = c.Send(ctx, 7)
		_, _ = c.Recv(ctx)
		closeGarbage(t, name, c)
	} else {
		require.Nil(t, c, "error XOR value")
	}
	if q, err := OpenQueue(ctx, name, nil); err == nil {
		_ = q.Send(ctx, []byte("x"))
		_, _ = q.Recv(ctx, nil)
		_, _ = q.TryLease()
		_ = q.Unfinished()
		_ = q.WaitFinished(ctx)
		closeGarbage(t, name, q)
	} else {
		require.Nil(t, q, "error XOR value")
	}
	if c, err := Dial(ctx, name, nil); err == nil {
		_, _ = c.Call(ctx, []byte("x"))
		closeGarbage(t, name, c)
	} else {
		require.Nil(t, c, "error XOR value")
	}
	if e, err := NewExchange(name, nil); err == nil {
		if c, err := e.Client(ctx, nil); err == nil {
			_, _ = c.Call(ctx, []byte("x"))
			closeGarbage(t, name, c)
		}
		closeGarbage(t, name, e)
	} else {
		require.Nil(t, e, "error XOR value")
	}
	_ = Serve(ctx, name, func(_ context.Context, b []byte) ([]byte, error) { return b, nil }, nil)
}

// closeGarbage closes h. If the bytes happen to say that this process has a role, they
// have to go first.
func closeGarbage(t *testing.T, name string, h closer) {
	t.Helper()
	err := h.Close()
	if errors.Is(err, ErrBusy) {
		path := "/dev/shm/" + name
		b, e := os.ReadFile(path)
		require.NoError(t, e)
		require.NoError(t, os.Truncate(path, 0))
		err = h.Close()
		require.NoError(t, os.WriteFile(path, b, 0o600))
	}
	require.NoError(t, err)
}
