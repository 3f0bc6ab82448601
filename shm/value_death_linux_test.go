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

var _ = testproc.Helper("store for ever", func(c *testproc.Child) {
	v, err := shm.OpenValue[block](context.Background(), c.Args[0], nil)
	require.NoError(c, err)
	for n := uint64(1); ; n++ {
		require.NoError(c, v.Store(blockOf(n)))
		if n == 1 {
			c.WriteLine("storing")
		}
	}
})

// S1: a writer may be killed at any instruction.
func TestValueWriterKilled(t *testing.T) {
	name := newName(t)
	v := must[*shm.Value[block]](t)(shm.NewValue(name, blockOf(0), nil))
	for i := range 10 {
		p := testproc.Start(t, "store for ever", testproc.Args(name))
		p.Expect("storing")
		for range 10 * i {
			whole(t, load(t, v))
		}
		p.Kill()
		// X01: nobody waits for the dead, and nothing has to be repaired.
		require.NoError(t, v.Update(context.Background(), func(b *block) error {
			*b = blockOf(whole(t, *b) + 1)
			return nil
		}))
		whole(t, load(t, v))
		p.Wait()
	}
}

// S2: a stopped writer keeps the lock, and holds up no reader.
func TestValueWriterStopped(t *testing.T) {
	name := newName(t)
	v := must[*shm.Value[block]](t)(shm.NewValue(name, blockOf(0), nil))
	p := testproc.Start(t, "hold value", testproc.Args(name))
	p.Expect("held")
	require.True(t, p.Stop())
	require.Zero(t, whole(t, load(t, v)))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- v.Update(ctx, func(*block) error { return nil }) }()
	cancel()
	require.ErrorIs(t, <-ended, context.Canceled)
	p.Cont()
	p.WriteLine("go on")
	p.Succeed()
	require.Equal(t, uint64(5), whole(t, load(t, v)))
}

var _ = testproc.Helper("hold value", func(c *testproc.Child) {
	v, err := shm.OpenValue[block](context.Background(), c.Args[0], nil)
	require.NoError(c, err)
	require.NoError(c, v.Update(context.Background(), func(b *block) error {
		c.WriteLine("held")
		c.ReadLine()
		*b = blockOf(5)
		return nil
	}))
})

func TestCloseEndsTheWaitForALock(t *testing.T) {
	for what, call := range map[string]func(v *shm.Value[block]) error{
		"Store":  func(v *shm.Value[block]) error { return v.Store(blockOf(1)) },
		"Update": func(v *shm.Value[block]) error { return v.Update(t.Context(), func(*block) error { return nil }) },
	} {
		t.Run(what, func(t *testing.T) {
			name := newName(t)
			v, err := shm.NewValue(name, blockOf(0), nil)
			require.NoError(t, err)
			p := testproc.Start(t, "hold value", testproc.Args(name))
			p.Expect("held")
			ended := make(chan error)
			go func() { ended <- call(v) }()
			asleep(t)
			require.NoError(t, v.Close())
			require.ErrorIs(t, <-ended, shm.ErrClosed)
			require.ErrorIs(t, call(v), shm.ErrClosed)
			_, err = v.Load()
			require.ErrorIs(t, err, shm.ErrClosed)
			p.WriteLine("go on")
			p.Succeed()
			w := must[*shm.Value[block]](t)(shm.OpenValue[block](t.Context(), name, nil))
			require.Equal(t, uint64(5), whole(t, load(t, w)))
		})
	}
}

func TestCloseWhileUpdating(t *testing.T) {
	v := must[*shm.Value[int]](t)(shm.NewValue("", 1, nil))
	require.NoError(t, v.Update(context.Background(), func(n *int) error {
		require.ErrorIs(t, v.Close(), shm.ErrBusy, "this process holds the lock")
		*n = 2
		return nil
	}))
	require.Equal(t, 2, load(t, v), "and nothing has changed")
	var never shm.Value[int]
	require.ErrorIs(t, never.Store(1), shm.ErrClosed)
	_, err := never.Load()
	require.ErrorIs(t, err, shm.ErrClosed)
}

func TestTruncatedValue(t *testing.T) {
	name := newName(t)
	v := must[*shm.Value[block]](t)(shm.NewValue(name, blockOf(1), nil))
	r := must[*shm.Value[block]](t)(shm.OpenValue[block](t.Context(), name, &shm.OpenOptions{ReadOnly: true}))
	require.NoError(t, v.Store(blockOf(2)), "its lock is in use")
	require.NoError(t, v.File().Truncate(0))
	_, err := v.Load()
	require.ErrorIs(t, err, shm.ErrTruncated)
	_, err = r.Load()
	require.ErrorIs(t, err, shm.ErrTruncated)
	require.ErrorIs(t, v.Store(blockOf(3)), shm.ErrTruncated)
	require.ErrorIs(t, v.Update(t.Context(), func(*block) error { return nil }), shm.ErrTruncated)
}

func TestValueTruncatedInAnUpdate(t *testing.T) {
	v := must[*shm.Value[block]](t)(shm.NewValue(newName(t), blockOf(1), nil))
	require.ErrorIs(t, v.Update(context.Background(), func(*block) error { return v.File().Truncate(0) }), shm.ErrTruncated)
	require.PanicsWithValue(t, "mine", func() {
		w := must[*shm.Value[block]](t)(shm.NewValue(newName(t), blockOf(1), nil))
		w.Update(context.Background(), func(*block) error { panic("mine") })
	})
}

// S4: garbage in the memory makes no call fail that cannot say so.
func TestGarbageInAValue(t *testing.T) {
	name := newName(t)
	v := must[*shm.Value[block]](t)(shm.NewValue(name, blockOf(1), nil))
	raw := openSegment(t, name)
	for i := range raw.Bytes()[256:] {
		raw.Bytes()[256+i] = byte(i * 7)
	}
	_, err := v.Load()
	require.NoError(t, err)
	require.NoError(t, v.Store(blockOf(2)))
	require.Equal(t, uint64(2), whole(t, load(t, v)))
	clear(raw.Bytes()[128:256])
	for i := range 48 {
		raw.Bytes()[128+i] = 0x3f // a lock that nobody holds
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err = v.Update(ctx, func(*block) error { return nil })
	if err != nil {
		require.True(t, errors.Is(err, context.Canceled) || errors.Is(err, semaphore.ErrNotRecoverable), "%v", err)
	}
}

// A truncation reaches those who sleep, too.
func TestValueTruncatedUnderAWaiter(t *testing.T) {
	name := newName(t)
	v := must[*shm.Value[block]](t)(shm.NewValue(name, blockOf(0), nil))
	p := testproc.Start(t, "hold value", testproc.Args(name))
	p.Expect("held")
	ended := make(chan error)
	go func() { ended <- v.Store(blockOf(1)) }()
	asleep(t)
	require.NoError(t, v.File().Truncate(0))
	require.ErrorIs(t, <-ended, shm.ErrTruncated)
	p.WriteLine("go on")
	p.Wait()
}
