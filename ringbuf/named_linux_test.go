package ringbuf

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/shmfile"
	"github.com/shmkit/shmkit/internal/testproc"
)

func TestNamed(t *testing.T) {
	name := newName(t)
	_, err := Open(t.Context(), name, nil)
	require.ErrorIs(t, err, ErrNotExist)
	require.ErrorIs(t, err, fs.ErrNotExist)
	r := namedRing(t, name, &Options{Capacity: 1 << 17, MaxMessage: 500, Strategy: Block, OnPeerDeath: Wait})
	require.Equal(t, name, r.Name())
	_, err = New(name, nil)
	require.ErrorIs(t, err, ErrExist)
	require.ErrorIs(t, err, fs.ErrExist)

	o, err := Open(t.Context(), name, nil)
	require.NoError(t, err)
	require.Equal(t, r.opts, o.opts, "the creator's options are the ring's")
	p, c := producer(t, r), consumer(t, o)
	require.NoError(t, p.Send(bounded(t), []byte("hello")))
	b, err := c.Recv(bounded(t), nil)
	require.NoError(t, err)
	require.Equal(t, "hello", string(b))

	_, err = New(name, &Options{Exist: ExistReplace})
	require.ErrorIs(t, err, ErrBusy)
	again := namedRing(t, name, &Options{Exist: ExistOpen, Capacity: 1 << 20})
	require.Equal(t, 1<<17, again.Cap(), "it is as it was made")

	require.NoError(t, r.Unlink())
	require.ErrorIs(t, Unlink(name), ErrNotExist)
	require.NoError(t, p.Send(bounded(t), []byte("still here")))
	_, err = c.Recv(bounded(t), nil)
	require.NoError(t, err)
	require.NoError(t, o.Close())
}

func TestReplace(t *testing.T) {
	name := newName(t)
	r, err := New(name, nil)
	require.NoError(t, err)
	p := producer(t, r)
	require.NoError(t, p.Send(bounded(t), []byte("old")))
	require.NoError(t, r.Close())
	r = namedRing(t, name, &Options{Exist: ExistReplace, Capacity: minCapacity})
	require.Zero(t, r.Len())
	require.Equal(t, minCapacity, r.Cap())
}

func TestOpenWaits(t *testing.T) {
	name := newName(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Open(ctx, name, &OpenOptions{Wait: true})
	require.ErrorIs(t, err, context.Canceled)
	_, err = OpenChan[int64](ctx, name, &OpenOptions{Wait: true})
	require.ErrorIs(t, err, context.Canceled)

	done := async(func() ([]byte, error) {
		r, err := Open(bounded(t), name, &OpenOptions{Wait: true})
		if err != nil {
			return nil, err
		}
		return nil, r.Close()
	})
	namedRing(t, name, nil)
	require.NoError(t, get(t, done).err)
}

var _ = testproc.Helper("by name", func(c *testproc.Child) {
	r, err := Open(context.Background(), c.Args[0], &OpenOptions{Wait: true})
	require.NoError(c, err)
	p, err := r.Producer()
	require.NoError(c, err)
	require.NoError(c, p.Send(context.Background(), []byte("from "+r.Name())))
	require.NoError(c, r.Close())
})

func TestNameBetweenProcesses(t *testing.T) {
	name := newName(t)
	child := testproc.Start(t, "by name", testproc.Args(name))
	r := namedRing(t, name, nil)
	c := consumer(t, r)
	b, err := c.Recv(bounded(t), nil)
	require.NoError(t, err)
	require.Equal(t, "from "+name, string(b))
	_, err = c.Recv(bounded(t), nil)
	require.Equal(t, io.EOF, err)
	child.Succeed()
}

func TestBadNames(t *testing.T) {
	for _, name := range []string{"a/b", "../x", ".", "..", "a\x00b", strings.Repeat("n", 300)} {
		_, err := New(name, nil)
		require.ErrorIs(t, err, ErrName, "%q", name)
		_, err = Open(t.Context(), name, nil)
		require.ErrorIs(t, err, ErrName, "%q", name)
		_, err = NewChan[int64](name, 4, nil)
		require.ErrorIs(t, err, ErrName, "%q", name)
		_, err = OpenChan[int64](t.Context(), name, nil)
		require.ErrorIs(t, err, ErrName, "%q", name)
		require.ErrorIs(t, Unlink(name), ErrName, "%q", name)
	}
	_, err := Open(t.Context(), "", nil)
	require.ErrorIs(t, err, ErrName)
}

func TestTooLargeForTheMachine(t *testing.T) {
	name := newName(t)
	for _, n := range []string{"", name} {
		_, err := New(n, &Options{Capacity: maxCapacity})
		require.ErrorIs(t, err, ErrNoSpace)
		_, err = NewChan[[1 << 16]byte](n, 1<<22, nil)
		require.ErrorIs(t, err, ErrNoSpace)
	}
	require.NoFileExists(t, "/dev/shm/"+name)
}

// What is not a ring of ours is refused, each for its reason, and stays as it is.
func TestForeignFiles(t *testing.T) {
	template := namedRing(t, newName(t), &Options{Capacity: minCapacity})
	good := make([]byte, headSize+minCapacity)
	_, err := template.File().ReadAt(good, 0)
	require.NoError(t, err)
	put32 := func(at int, v uint32) func([]byte) []byte {
		return func(b []byte) []byte { binary.LittleEndian.PutUint32(b[at:], v); return b }
	}
	put64 := func(at int, v uint64) func([]byte) []byte {
		return func(b []byte) []byte { binary.LittleEndian.PutUint64(b[at:], v); return b }
	}
	for _, c := range []struct {
		name string
		edit func([]byte) []byte
		want error
	}{
		{"empty", func([]byte) []byte { return nil }, ErrTruncated},
		{"half a header", func(b []byte) []byte { return b[:100] }, ErrTruncated},
		{"text", func([]byte) []byte { return []byte(strings.Repeat("not a ring\n", 100)) }, ErrForeign},
		{"one byte short", func(b []byte) []byte { return b[:len(b)-1] }, ErrTruncated},
		{"one byte long", func(b []byte) []byte { return append(b, 0) }, ErrCorrupt},
		{"newer", put32(8, shmfile.Version+1), ErrVersion},
		{"channel", put32(12, uint32(shmfile.KindChan)), ErrKind},
		{"object", put32(12, uint32(shmfile.KindObject)), ErrKind},
		{"fingerprint", put64(16, 1), ErrLayout},
		{"capacity 0", put64(32, 0), ErrCorrupt},
		{"capacity odd", put64(32, minCapacity+8), ErrCorrupt},
		{"capacity double", put64(32, 2*minCapacity), ErrCorrupt},
		{"capacity huge", put64(32, 1<<63), ErrCorrupt},
		{"capacity negative", put64(32, 1<<64-8), ErrCorrupt},
		{"message too long", put64(40, minCapacity), ErrCorrupt},
		{"message negative", put64(40, 1<<64-1), ErrCorrupt},
		{"namespace", put64(48, 1), ErrForeignNamespace},
		{"strategy", put32(128, 3), ErrCorrupt},
		{"peer death", put32(132, 2), ErrCorrupt},
	} {
		t.Run(c.name, func(t *testing.T) {
			name := newName(t)
			b := c.edit(append([]byte(nil), good...))
			require.NoError(t, os.WriteFile("/dev/shm/"+name, b, 0o600))
			_, err := Open(t.Context(), name, nil)
			require.ErrorIs(t, err, c.want)
			after, err := os.ReadFile("/dev/shm/" + name)
			require.NoError(t, err)
			require.True(t, bytes.Equal(b, after))
		})
	}
	t.Run("directory", func(t *testing.T) {
		name := newName(t)
		require.NoError(t, os.Mkdir("/dev/shm/"+name, 0o700))
		_, err := Open(t.Context(), name, nil)
		require.ErrorIs(t, err, ErrForeign)
	})
	t.Run("pipe", func(t *testing.T) {
		r, w, err := os.Pipe()
		require.NoError(t, err)
		defer w.Close()
		_, err = OpenFile(r)
		require.ErrorIs(t, err, ErrForeign)
		require.ErrorIs(t, r.Close(), os.ErrClosed, "OpenFile owns it, also after an error")
	})
	t.Run("roles", func(t *testing.T) {
		// The indices are looked at when a role is taken.
		for _, c := range []struct{ tail, head uint64 }{{minCapacity + 8, 0}, {0, 8}, {1 << 63, 0}, {8, 16}} {
			r := ring(t, &Options{Capacity: minCapacity})
			r.h.tail.Store(c.tail)
			r.h.head.Store(c.head)
			_, err := r.Producer()
			require.ErrorIs(t, err, ErrCorrupt, "%v", c)
			_, err = r.Consumer()
			require.ErrorIs(t, err, ErrCorrupt, "%v", c)
			require.Zero(t, r.Stats().ProducerPID, "the role is not kept")
			require.Zero(t, r.Stats().ConsumerPID)
		}
		r := ring(t, &Options{Capacity: minCapacity})
		r.h.tail.Store(12)
		r.h.head.Store(4)
		_, err := r.Producer()
		require.ErrorIs(t, err, ErrCorrupt)
		_, err = r.Consumer()
		require.ErrorIs(t, err, ErrCorrupt)
	})
}

// The file is truncated while both ends have it mapped: whatever copies returns
// ErrTruncated, and Close works.
func TestTruncated(t *testing.T) {
	faultsAreSeen(t)
	for name, size := range map[string]int64{"to nothing": 0, "to the head": headSize, "to a page": 4096} {
		t.Run(name, func(t *testing.T) {
			r := namedRing(t, newName(t), &Options{Capacity: minCapacity})
			p, c := producer(t, r), consumer(t, r)
			ctx := bounded(t)
			require.NoError(t, p.Send(ctx, make([]byte, 5000)))
			require.NoError(t, p.Send(ctx, []byte("x")))
			_, err := c.Next(ctx)
			require.NoError(t, err)
			require.NoError(t, r.File().Truncate(size))
			c.Release()
			for range 2 {
				_, err = c.Recv(ctx, nil)
				require.ErrorIs(t, err, ErrTruncated)
				_, err = c.RecvBatch(ctx, [][]byte{nil})
				require.ErrorIs(t, err, ErrTruncated)
				_, err = c.TryRecv(nil)
				require.ErrorIs(t, err, ErrTruncated)
				require.ErrorIs(t, p.Send(ctx, make([]byte, 10000)), ErrTruncated)
				require.ErrorIs(t, p.TrySend(make([]byte, 10000)), ErrTruncated)
				_, err = p.SendBatch(ctx, [][]byte{make([]byte, 10000)})
				require.ErrorIs(t, err, ErrTruncated)
			}
			require.NotEmpty(t, r.String())
			if size == 0 {
				require.Equal(t, Stats{}, r.Stats())
				require.ErrorIs(t, p.CloseSend(), ErrTruncated)
				_, err = p.Reserve(ctx, 1)
				require.ErrorIs(t, err, ErrTruncated)
				_, err = r.Producer()
				require.Error(t, err)
			}
			testproc.Within(t, func() {
				if err := errors.Join(p.Close(), c.Close(), r.Close()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// The file is truncated while one end sleeps.
func TestTruncatedAsleep(t *testing.T) {
	faultsAreSeen(t)
	eachStrategy(t, func(t *testing.T, s Strategy) {
		for _, size := range []int64{0, headSize} {
			r := namedRing(t, newName(t), &Options{Capacity: minCapacity, Strategy: s})
			p, c := producer(t, r), consumer(t, r)
			done := async(func() ([]byte, error) { return c.Recv(bounded(t), nil) })
			until(t, func() bool { return c.busy.Load() == 1 })
			if s != Spin {
				consumerSleeps(t, r)
			}
			require.NoError(t, r.File().Truncate(size))
			if size != 0 {
				// The head is there: it sleeps on until somebody wakes it.
				require.ErrorIs(t, p.Send(bounded(t), []byte("x")), ErrTruncated)
				require.NoError(t, p.CloseSend())
				require.Equal(t, io.EOF, get(t, done).err)
			} else {
				require.ErrorIs(t, get(t, done).err, ErrTruncated)
			}
			testproc.Within(t, func() {
				if err := r.Close(); err != nil {
					t.Error(err)
				}
			})
		}
	})
}

// One truncated ring does not keep this process's death from being noticed in
// another.
var _ = testproc.Helper("two rings", func(c *testproc.Child) {
	for _, name := range c.Args {
		r, err := Open(context.Background(), name, nil)
		require.NoError(c, err)
		_, err = r.Producer()
		require.NoError(c, err)
	}
	p := asProducer(c)
	require.NoError(c, p.Send(context.Background(), []byte("ready")))
	c.Park()
})

func TestTruncatedDoesNotHideDeath(t *testing.T) {
	spoilt, whole := namedRing(t, newName(t), &Options{Capacity: minCapacity}), ring(t, &Options{Capacity: minCapacity})
	other := namedRing(t, newName(t), &Options{Capacity: minCapacity})
	v := testproc.Start(t, "two rings", testproc.Args(other.Name(), spoilt.Name()), testproc.Files(whole.File()))
	c, d := consumer(t, whole), consumer(t, other)
	_, err := c.Recv(bounded(t), nil)
	require.NoError(t, err)
	require.NoError(t, spoilt.File().Truncate(0))
	v.Kill()
	_, err = c.Recv(bounded(t), nil)
	require.ErrorIs(t, err, ErrPeerDied)
	_, err = d.Recv(bounded(t), nil)
	require.ErrorIs(t, err, ErrPeerDied, "the look finds what the kernel did not mark")
}
