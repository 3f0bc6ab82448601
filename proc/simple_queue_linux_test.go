package proc_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/proc"
)

type simpleArg struct{ Q, Answers *proc.SimpleQueue[string] }

// watchEmpty reports what Empty says in a child, before and after it puts.
var watchEmpty = proc.Register("simple.watchEmpty", func(ctx context.Context, a simpleArg) error {
	if !a.Q.Empty() {
		return errors.New("not empty at first")
	}
	if err := a.Q.Put(ctx, "item"); err != nil {
		return err
	}
	if a.Q.Empty() {
		return errors.New("empty after a Put")
	}
	return a.Answers.Put(ctx, "checked")
})

func newSimpleQueue(t *testing.T) *proc.SimpleQueue[string] {
	t.Helper()
	q, err := proc.NewSimpleQueue[string]()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, q.Close()) })
	return q
}

// Q15: Empty is right in parent and child, before and after a Put.
func TestSimpleQueueEmptyQ15(t *testing.T) {
	ctx := watchdog(t)
	q, answers := newSimpleQueue(t), newSimpleQueue(t)
	require.True(t, q.Empty())
	p := start(t, watchEmpty, simpleArg{q, answers}, nil)
	_, err := answers.Get(ctx)
	require.NoError(t, err)
	require.NoError(t, p.Wait(ctx))
	require.False(t, q.Empty())
	s, err := q.Get(ctx)
	require.NoError(t, err)
	require.Equal(t, "item", s)
	require.True(t, q.Empty())
}

// Q16, Q17: Close may be called twice; afterwards every call says so, and Empty is true.
func TestSimpleQueueClosedQ16Q17(t *testing.T) {
	ctx := watchdog(t)
	for name, use := range map[string]bool{"unused": false, "used": true} {
		t.Run(name, func(t *testing.T) {
			q := newSimpleQueue(t)
			if use {
				require.NoError(t, q.Put(ctx, "x"))
			}
			require.NoError(t, q.Close())
			require.NoError(t, q.Close())
			require.True(t, q.Empty())
			require.ErrorIs(t, q.Put(ctx, "x"), proc.ErrClosed)
			_, err := q.Get(ctx)
			require.ErrorIs(t, err, proc.ErrClosed)
		})
	}
}
