package manager_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/proc"
	"github.com/shmkit/shmkit/proc/manager"
)

// Two hundred goroutines of a process wait for an event, and as many for a lock; a release
// gets through.
func TestManyWaiters(t *testing.T) {
	const many = 200
	both(t, func(t *testing.T, m *manager.Manager) {
		ctx := bounded(t)
		s := newScene(t, m, "Lock")
		require.NoError(t, s.Lock.Acquire(ctx))
		events, locks := make(chan error, many), make(chan error, many)
		n := 0 // guarded by the lock
		for range many {
			go func() { events <- s.Event.Wait(ctx) }()
			go func() {
				err := s.Lock.Acquire(ctx)
				n++
				locks <- errors.Join(err, s.Lock.Release(ctx))
			}()
		}
		parked(t, m, s.Event.ID(), many)
		parked(t, m, s.Lock.ID(), many)
		require.NoError(t, s.Event.Set(ctx))
		require.NoError(t, s.Lock.Release(ctx))
		for range many {
			require.NoError(t, <-events)
			require.NoError(t, <-locks)
		}
		require.Equal(t, many, n)
		s.end(t)
	})
}

var crowd = proc.Register("syncCrowd", func(ctx context.Context, v victim) error {
	if err := v.Event.Wait(ctx); err != nil {
		return err
	}
	if err := v.Lock.Acquire(ctx); err != nil {
		return err
	}
	n, err := v.Queue.Get(ctx)
	return errors.Join(err, v.Queue.Put(ctx, n+1), v.Lock.Release(ctx))
})

// So do many processes.
func TestManyProcesses(t *testing.T) {
	many := 50
	if testing.Short() {
		many = 5
	}
	m := started(t, nil)
	ctx := bounded(t)
	s := newScene(t, m, "Lock")
	require.NoError(t, s.Queue.Put(ctx, 0))
	all := make(chan error, many)
	for range many {
		p, err := crowd.Start(ctx, s.victim, nil)
		require.NoError(t, err)
		go func() { all <- p.Wait(ctx) }()
	}
	parked(t, m, s.Event.ID(), many)
	require.NoError(t, s.Event.Set(ctx))
	for range many {
		require.NoError(t, <-all)
	}
	n, err := s.Queue.Get(ctx)
	require.NoError(t, err)
	require.Equal(t, many, n)
	s.end(t)
}

// When the manager is killed, all that wait hear so, in this and in other processes.
func TestManagerKilledWhileClientsWait(t *testing.T) {
	m := started(t, nil)
	ctx := bounded(t)
	var all []<-chan error
	for _, kind := range append([]string{"Barrier"}, waitable...) {
		s := newScene(t, m, kind)
		require.NoError(t, s.occupy(ctx))
		p := s.start(t)
		got := make(chan error, 2)
		all = append(all, got)
		go func() { got <- p.Wait(ctx) }()
		if kind == "Barrier" { // a second one would complete it
			s.await(t, 1)
			got <- manager.ErrManagerGone
			continue
		}
		go func() { got <- s.next(ctx) }()
		s.await(t, 2)
	}
	require.NoError(t, m.Process().Kill())
	for _, got := range all {
		require.ErrorContains(t, <-got, manager.ErrManagerGone.Error()) // of a process there is the text
		require.ErrorContains(t, <-got, manager.ErrManagerGone.Error())
	}
}

// A stopped manager keeps a Wait of a condition or barrier whose context has ended; when it
// is killed they hear so.
func TestManagerStoppedAndKilled(t *testing.T) {
	m := started(t, nil)
	ctx := bounded(t)
	c := newScene(t, m, "Condition")
	b := newScene(t, m, "Barrier")
	over, cancel := context.WithCancel(ctx)
	got := make(chan error, 2)
	go func() {
		h := c.holder
		got <- errors.Join(h.Acquire(ctx), c.Condition.Wait(over, h))
	}()
	go func() { _, err := b.Barrier.Wait(over); got <- err }()
	c.await(t, 1)
	b.await(t, 1)
	freeze(t, m.Process().PID())
	cancel()
	require.NoError(t, m.Process().Kill())
	require.ErrorIs(t, <-got, manager.ErrManagerGone)
	require.ErrorIs(t, <-got, manager.ErrManagerGone)
}
