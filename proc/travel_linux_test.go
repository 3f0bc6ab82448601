package proc_test

import (
	"context"
	"os"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/proc"
	"github.com/shmkit/shmkit/ringbuf"
	"github.com/shmkit/shmkit/shm"
)

type shared struct {
	In    *ringbuf.Consumer
	Out   *ringbuf.Producer
	Ring  *ringbuf.Ring
	Array *shm.Array[int64]
	Bad   any
}

// double sends what it receives twice, and counts.
var double = proc.Register("double", func(ctx context.Context, a shared) error {
	for message, err := range a.In.All(ctx) {
		if err != nil {
			return err
		}
		for range 2 {
			if err := a.Out.Send(ctx, message); err != nil {
				return err
			}
		}
		if err := a.Array.Update(ctx, 0, func(n *int64) error { *n++; return nil }); err != nil {
			return err
		}
	}
	return a.Out.CloseSend()
})

func newRing(t *testing.T) *ringbuf.Ring {
	t.Helper()
	r, err := ringbuf.New("", nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, r.Close()) })
	return r
}

func ends(t *testing.T, r *ringbuf.Ring) (*ringbuf.Producer, *ringbuf.Consumer) {
	t.Helper()
	p, err := r.Producer()
	require.NoError(t, err)
	c, err := r.Consumer()
	require.NoError(t, err)
	return p, c
}

// P08, P43: rings, their ends and arrays travel, also the same one twice.
func TestSharedObjectsTravel(t *testing.T) {
	ctx := watchdog(t)
	in, out := newRing(t), newRing(t)
	send, theirIn := ends(t, in)
	theirOut, recv := ends(t, out)
	counts, err := shm.NewArray[int64]("", 1, nil)
	require.NoError(t, err)
	defer counts.Close()

	p := start(t, double, shared{In: theirIn, Out: theirOut, Ring: out, Array: counts}, nil)
	_, err = out.Producer()
	require.ErrorIs(t, err, ringbuf.ErrBusy, "the role is the child's")
	require.ErrorIs(t, theirOut.Send(ctx, nil), ringbuf.ErrClosed, "and not ours any more")

	require.NoError(t, send.Send(ctx, []byte("a")))
	require.NoError(t, send.Send(ctx, []byte("b")))
	require.NoError(t, send.CloseSend())
	var got string
	for m, err := range recv.All(ctx) {
		require.NoError(t, err)
		got += string(m)
	}
	require.Equal(t, "aabb", got)
	require.NoError(t, p.Wait(ctx))
	n, err := counts.At(0)
	require.NoError(t, err)
	require.EqualValues(t, 2, n)
}

// unknown is a function that the child does not have.
var unknown = sync.OnceValue(func() *proc.Func[shared] {
	return proc.Register("unknown", func(context.Context, shared) error { return nil })
})

// A role that was given to a child that never took it falls vacant with it; one
// whose child was never made stays where it is.
func TestRolesOfFailedStarts(t *testing.T) {
	ctx := watchdog(t)
	r := newRing(t)
	p, c := ends(t, r)

	_, err := double.Start(ctx, shared{Out: p, Bad: func() {}}, nil)
	require.ErrorIs(t, err, proc.ErrArgument)
	require.NoError(t, p.Send(ctx, []byte("still ours")))

	_, err = double.Start(ctx, shared{Out: p}, &proc.Options{Dir: "/nonexistent"})
	require.ErrorIs(t, err, os.ErrNotExist)
	require.NoError(t, p.Send(ctx, []byte("still ours")))

	_, err = unknown().Start(ctx, shared{Out: p}, nil)
	require.ErrorIs(t, err, proc.ErrNotRegistered)
	for _, child := range proc.Children() {
		<-child.Done()
	}
	for range 2 {
		_, err = c.Recv(ctx, nil)
		require.NoError(t, err)
	}
	_, err = c.Recv(ctx, nil)
	require.ErrorIs(t, err, ringbuf.ErrPeerDied)
	p, err = r.Producer()
	require.NoError(t, err, "vacant again")
	require.NoError(t, p.Send(ctx, []byte("taken over")))
}

// Whoever waits for a killed child's message hears of its death.
func TestPeerDies(t *testing.T) {
	ctx := watchdog(t)
	in, out := newRing(t), newRing(t)
	send, theirIn := ends(t, in)
	theirOut, recv := ends(t, out)
	counts, err := shm.NewArray[int64]("", 1, nil)
	require.NoError(t, err)
	defer counts.Close()
	p := start(t, double, shared{In: theirIn, Out: theirOut, Array: counts}, nil)
	require.NoError(t, send.Send(ctx, []byte("x")))
	for range 2 {
		m, err := recv.Recv(ctx, nil)
		require.NoError(t, err)
		require.Equal(t, "x", string(m))
	}
	require.NoError(t, p.Kill())
	_, err = recv.Recv(ctx, nil)
	require.ErrorIs(t, err, ringbuf.ErrPeerDied)
}
