package manager_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/proc"
	"github.com/shmkit/shmkit/proc/manager"
)

// victim is what a process does that will be killed: it gets one of the things, or waits
// for it, says so by an event, and stays.
type victim struct {
	Kind      string
	Got       *manager.Event
	Lock      *manager.Lock
	RLock     *manager.RLock
	Semaphore *manager.Semaphore
	Bounded   *manager.BoundedSemaphore
	Condition *manager.Condition
	Event     *manager.Event
	Barrier   *manager.Barrier
	Queue     *manager.Queue[int]
	Joinable  *manager.JoinableQueue[int]
}

func (v *victim) get(ctx context.Context) error {
	switch v.Kind {
	case "Lock":
		return v.Lock.Acquire(ctx)
	case "RLock":
		h := v.RLock.Holder()
		return errors.Join(h.Acquire(ctx), h.Acquire(ctx))
	case "Semaphore":
		return v.Semaphore.Acquire(ctx)
	case "BoundedSemaphore":
		return v.Bounded.Acquire(ctx)
	case "Condition":
		h := v.Condition.Holder()
		return errors.Join(h.Acquire(ctx), h.Acquire(ctx), v.Condition.Wait(ctx, h))
	case "Event":
		return v.Event.Wait(ctx)
	case "Barrier":
		_, err := v.Barrier.Wait(ctx)
		return err
	case "Queue":
		_, err := v.Queue.Get(ctx)
		return err
	case "JoinableQueue":
		_, err := v.Joinable.Get(ctx)
		return err
	case "BarrierAction":
		_, err := v.Barrier.WaitAction(ctx, func() error {
			_ = v.Got.Set(ctx)
			select {}
		})
		return err
	}
	return fmt.Errorf("no kind %s", v.Kind)
}

var victims = proc.Register("syncVictim", func(ctx context.Context, v victim) error {
	if err := v.get(ctx); err != nil {
		return err
	}
	if err := v.Got.Set(ctx); err != nil {
		return err
	}
	select {} // until it is killed
})

// scene is an object of each kind, and who takes part besides the victim.
type scene struct {
	victim
	m      *manager.Manager
	id     uint64 // of the object
	holder *manager.Holder
}

func newScene(t *testing.T, m *manager.Manager, kind string) *scene {
	t.Helper()
	ctx := bounded(t)
	s := &scene{m: m}
	s.Kind = kind
	var err [10]error
	s.Got, err[0] = manager.NewEvent(ctx, m)
	s.Lock, err[1] = manager.NewLock(ctx, m)
	s.RLock, err[2] = manager.NewRLock(ctx, m)
	s.Semaphore, err[3] = manager.NewSemaphore(ctx, m, 1)
	s.Bounded, err[4] = manager.NewBoundedSemaphore(ctx, m, 1)
	s.Condition, err[5] = manager.NewCondition(ctx, m, nil)
	s.Event, err[6] = manager.NewEvent(ctx, m)
	s.Barrier, err[7] = manager.NewBarrier(ctx, m, 2)
	s.Queue, err[8] = manager.NewQueue[int](ctx, m, 1)
	s.Joinable, err[9] = manager.NewJoinableQueue[int](ctx, m, &manager.JoinableOptions{Redeliver: true})
	require.NoError(t, errors.Join(err[:]...))
	s.id = map[string]uint64{
		"Lock": s.Lock.ID(), "RLock": s.RLock.ID(), "Semaphore": s.Semaphore.ID(), "BoundedSemaphore": s.Bounded.ID(),
		"Condition": s.Condition.ID(), "Event": s.Event.ID(), "Barrier": s.Barrier.ID(), "BarrierAction": s.Barrier.ID(),
		"Queue": s.Queue.ID(), "JoinableQueue": s.Joinable.ID(),
	}[kind]
	s.holder = s.RLock.Holder()
	if kind == "Condition" {
		s.holder = s.Condition.Holder()
	}
	return s
}

// end closes everything; nothing may be left.
func (s *scene) end(t *testing.T) {
	t.Helper()
	for _, c := range []interface{ Close() error }{s.Got, s.Lock, s.RLock, s.Semaphore, s.Bounded, s.Condition, s.Event, s.Barrier, s.Queue, s.Joinable} {
		require.NoError(t, c.Close())
	}
	nothingLeft(t, s.m)
	for ctx := bounded(t); ; { // of a process that has just ended the manager hears a moment later
		n, err := manager.Involvements(ctx, s.m)
		require.NoError(t, err, "%d involvements are left", n)
		if n == 0 {
			return
		}
	}
}

// occupy has the next victim wait.
func (s *scene) occupy(ctx context.Context) error {
	switch s.Kind {
	case "Lock":
		return s.Lock.Acquire(ctx)
	case "RLock":
		return s.holder.Acquire(ctx)
	case "Semaphore":
		return s.Semaphore.Acquire(ctx)
	case "BoundedSemaphore":
		return s.Bounded.Acquire(ctx)
	}
	return nil
}

// grant lets one go on who waits.
func (s *scene) grant(ctx context.Context) error {
	switch s.Kind {
	case "Lock":
		return s.Lock.Release(ctx)
	case "RLock":
		return s.holder.Release(ctx)
	case "Semaphore":
		return s.Semaphore.Release(ctx)
	case "BoundedSemaphore":
		return s.Bounded.Release(ctx)
	case "Condition":
		return errors.Join(s.holder.Acquire(ctx), s.Condition.Notify(ctx, 1), s.holder.Release(ctx))
	case "Event":
		return s.Event.Set(ctx)
	case "Queue":
		return s.Queue.Put(ctx, 7)
	case "JoinableQueue":
		return s.Joinable.Put(ctx, 7)
	case "Barrier":
		_, err := s.Barrier.Wait(ctx)
		return err
	}
	return nil
}

// next gets what the victim got or waited for.
func (s *scene) next(ctx context.Context) error {
	switch s.Kind {
	case "Condition":
		return errors.Join(s.holder.Acquire(ctx), s.Condition.Wait(ctx, s.holder), s.holder.Release(ctx))
	}
	v := s.victim
	return v.get(ctx)
}

// await waits until n requests are parked at the object.
func (s *scene) await(t *testing.T, n int) {
	t.Helper()
	parked(t, s.m, s.id, n)
}

// parked waits until n requests are parked at an object.
func parked(t testing.TB, m *manager.Manager, id uint64, n int) {
	t.Helper()
	for ctx := bounded(t); ; {
		got, err := manager.Parked(ctx, m, id)
		require.NoError(t, err, "%d are parked, not %d", got, n)
		if got == n {
			return
		}
		time.Sleep(time.Millisecond / 4) // sleep: the manager tells nobody who waits
	}
}

func (s *scene) start(t *testing.T) *proc.Process {
	t.Helper()
	p, err := victims.Start(bounded(t), s.victim, nil)
	require.NoError(t, err)
	t.Cleanup(func() { p.Kill() })
	return p
}

func (s *scene) kill(t *testing.T, p *proc.Process) {
	t.Helper()
	require.NoError(t, p.Kill())
	require.Error(t, p.Wait(bounded(t)))
}

var holdable = []string{"Lock", "RLock", "Semaphore", "BoundedSemaphore", "JoinableQueue"}
var waitable = append([]string{"Condition", "Event", "Queue"}, holdable...)

// What a process has that is killed is the next one's. (G22)
func TestKilledHolder(t *testing.T) {
	m := inside(t, nil)
	for _, kind := range holdable {
		t.Run(kind, func(t *testing.T) {
			ctx := bounded(t)
			s := newScene(t, m, kind)
			if kind == "JoinableQueue" {
				require.NoError(t, s.Joinable.Put(ctx, 7))
			}
			p := s.start(t)
			require.NoError(t, s.Got.Wait(ctx))
			got := make(chan error, 1)
			go func() { got <- s.next(ctx) }()
			s.await(t, 1)
			s.kill(t, p)
			require.NoError(t, <-got)
			s.end(t)
		})
	}
}

// Who is killed while it waits gets nothing, and keeps nobody.
func TestKilledWaiter(t *testing.T) {
	m := inside(t, nil)
	for _, kind := range waitable {
		t.Run(kind, func(t *testing.T) {
			ctx := bounded(t)
			s := newScene(t, m, kind)
			require.NoError(t, s.occupy(ctx))
			p := s.start(t)
			s.await(t, 1)
			s.kill(t, p)
			s.await(t, 0)
			got := make(chan error, 1)
			go func() { got <- s.next(ctx) }()
			s.await(t, 1)
			require.NoError(t, s.grant(ctx))
			require.NoError(t, <-got)
			s.end(t)
		})
	}
}

// A client that is stopped while it waits blocks nobody who grants; what was granted to it
// is the next one's when it is killed. Of a Queue, the item that was sent to it is lost.
func TestKilledOnTheWay(t *testing.T) {
	m := inside(t, nil)
	for _, kind := range waitable {
		t.Run(kind, func(t *testing.T) {
			ctx := bounded(t)
			s := newScene(t, m, kind)
			require.NoError(t, s.occupy(ctx))
			p := s.start(t)
			s.await(t, 1)
			freeze(t, p.PID())
			if kind == "Condition" { // the notification is the other waiter's then
				got := make(chan error, 1)
				go func() { got <- s.next(ctx) }()
				s.await(t, 2)
				require.NoError(t, s.grant(ctx))
				s.await(t, 1)
				s.kill(t, p)
				require.NoError(t, <-got)
				s.end(t)
				return
			}
			require.NoError(t, s.grant(ctx))
			s.await(t, 0)
			got := make(chan error, 1)
			go func() { got <- s.next(ctx) }()
			if kind == "Event" {
				require.NoError(t, <-got)
				s.kill(t, p)
				s.end(t)
				return
			}
			s.await(t, 1)
			s.kill(t, p)
			if kind == "Queue" {
				require.NoError(t, s.Queue.Put(ctx, 8))
			}
			require.NoError(t, <-got)
			s.end(t)
		})
	}
}
