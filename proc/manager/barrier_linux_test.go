package manager_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/proc/manager"
)

func wait(ctx context.Context, b *manager.Barrier, n int) <-chan error {
	errs := make(chan error, n)
	for range n {
		go func() { _, err := b.Wait(ctx); errs <- err }()
	}
	return errs
}

// V22: a party that is killed while it waits breaks the barrier for all, also one that is
// stopped.
func TestBarrierKilledParty(t *testing.T) {
	m := inside(t, nil)
	for _, stopped := range []bool{false, true} {
		ctx := bounded(t)
		s := newScene(t, m, "Barrier")
		require.NoError(t, s.Barrier.Close())
		var err error
		s.Barrier, err = manager.NewBarrier(ctx, m, 3)
		require.NoError(t, err)
		s.id = s.Barrier.ID()
		p := s.start(t)
		s.await(t, 1)
		others := wait(ctx, s.Barrier, 1)
		s.await(t, 2)
		if stopped {
			freeze(t, p.PID())
		}
		s.kill(t, p)
		require.ErrorIs(t, <-others, manager.ErrBroken)
		_, err = s.Barrier.Wait(ctx)
		require.ErrorIs(t, err, manager.ErrBroken)
		require.NoError(t, s.Barrier.Reset(ctx))
		others = wait(ctx, s.Barrier, 3)
		for range 3 {
			require.NoError(t, <-others)
		}
		s.end(t)
	}
}

// A party that is stopped when all have come holds up nobody, and its death breaks nothing.
func TestBarrierStoppedParty(t *testing.T) {
	m := inside(t, nil)
	ctx := bounded(t)
	s := newScene(t, m, "Barrier")
	p := s.start(t)
	s.await(t, 1)
	freeze(t, p.PID())
	_, err := s.Barrier.Wait(ctx)
	require.NoError(t, err)
	s.kill(t, p)
	others := wait(ctx, s.Barrier, 2)
	require.NoError(t, <-others)
	require.NoError(t, <-others)
	s.end(t)
}

// Who dies in the action breaks the barrier.
func TestBarrierKilledInAction(t *testing.T) {
	m := inside(t, nil)
	ctx := bounded(t)
	s := newScene(t, m, "BarrierAction")
	others := wait(ctx, s.Barrier, 1)
	s.await(t, 1)
	p := s.start(t)
	require.NoError(t, s.Got.Wait(ctx)) // it is in its action
	early := wait(ctx, s.Barrier, 1)
	s.await(t, 2)
	s.kill(t, p)
	require.ErrorIs(t, <-others, manager.ErrBroken)
	require.ErrorIs(t, <-early, manager.ErrBroken)
	broken, err := s.Barrier.Broken(ctx)
	require.NoError(t, err)
	require.True(t, broken)
	s.end(t)
}

// What happens during an action: those who come too early wait for the next round, and break
// nothing if they leave; an interrupted party of the round breaks it; so does a panic.
func TestBarrierDuringAction(t *testing.T) {
	both(t, func(t *testing.T, m *manager.Manager) {
		ctx := bounded(t)
		s := newScene(t, m, "Barrier")
		act := func(inside func() error) error {
			others := wait(ctx, s.Barrier, 1)
			s.await(t, 1)
			_, err := s.Barrier.WaitAction(ctx, inside)
			return errors.Join(err, <-others)
		}
		require.NoError(t, s.Barrier.SetTimeout(ctx, time.Millisecond))
		require.NoError(t, act(func() error { // the one that waits has a deadline
			if _, err := s.Barrier.Wait(t.Context()); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, manager.ErrBroken) {
				return fmt.Errorf("early and late: %w", err)
			}
			return nil
		}))
		require.NoError(t, s.Barrier.SetTimeout(ctx, 0))

		var early <-chan error
		require.NoError(t, act(func() error {
			over, cancel := context.WithCancel(ctx)
			late := wait(over, s.Barrier, 1)
			s.await(t, 2)
			cancel()
			if err := <-late; !errors.Is(err, context.Canceled) || errors.Is(err, manager.ErrBroken) {
				return err
			}
			early = wait(ctx, s.Barrier, 1)
			s.await(t, 2)
			return nil
		}))
		s.await(t, 1)
		_, err := s.Barrier.Wait(ctx)
		require.NoError(t, err)
		require.NoError(t, <-early)

		over, cancel := context.WithCancel(ctx)
		others := wait(over, s.Barrier, 1)
		s.await(t, 1)
		_, err = s.Barrier.WaitAction(ctx, func() error {
			cancel()
			err := <-others
			if !errors.Is(err, manager.ErrBroken) || !errors.Is(err, context.Canceled) {
				return err
			}
			return nil
		})
		require.ErrorIs(t, err, manager.ErrBroken)
		require.NoError(t, s.Barrier.Reset(ctx))

		others = wait(ctx, s.Barrier, 1)
		s.await(t, 1)
		require.PanicsWithValue(t, "no", func() { s.Barrier.WaitAction(ctx, func() error { panic("no") }) })
		require.ErrorIs(t, <-others, manager.ErrBroken)
		s.end(t)
	})
}
