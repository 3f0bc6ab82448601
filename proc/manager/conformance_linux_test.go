package manager_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/conformance"
	"github.com/shmkit/shmkit/proc/manager"
)

type rlock struct{ *manager.RLock }

func (l rlock) Holder() conformance.Holder { return l.RLock.Holder() }

type condition struct{ *manager.Condition }

func (c condition) Holder() conformance.Holder { return c.Condition.Holder() }

func (c condition) Wait(ctx context.Context, h conformance.Holder) error {
	return c.Condition.Wait(ctx, h.(*manager.Holder))
}

func (c condition) WaitFor(ctx context.Context, h conformance.Holder, pred func() bool) error {
	return c.Condition.WaitFor(ctx, h.(*manager.Holder), func() (bool, error) { return pred(), nil })
}

// made returns what one of the constructors has made, until the test ends.
func made[P interface{ Close() error }](t *testing.T) func(p P, err error) P {
	return func(p P, err error) P {
		t.Helper()
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, p.Close()) })
		return p
	}
}

// What is common to proxies, the locks of package semaphore and the queues of package
// proc; see package conformance. S01, S02, S07, S08, S09, S10, S11, S12, S13, S14, S15, S16;
// V01, V02, V03, V04, V05, V06, V07, V08, V09, V10, V11, V12, V14, V15, V16, V17, V18, V19,
// V20, V21, V22, V23, V24, V25, V26; Q01, Q02, Q04, Q05, Q06, Q08, Q09, Q14. G17, G19.
func TestConformance(t *testing.T) {
	both(t, func(t *testing.T, m *manager.Manager) {
		ctx := t.Context()
		t.Run("Lock", conformance.Locks{
			New: func(t *testing.T) conformance.Lock {
				return made[*manager.Lock](t)(manager.NewLock(ctx, m))
			},
			NotHeld: manager.ErrNotHeld, Locked: manager.ErrLocked,
		}.Run)
		t.Run("RLock", conformance.RLocks{
			New: func(t *testing.T) conformance.RLock {
				return rlock{made[*manager.RLock](t)(manager.NewRLock(ctx, m))}
			},
			NotHeld: manager.ErrNotHeld, Locked: manager.ErrLocked,
		}.Run)
		t.Run("Semaphore", conformance.Semaphores{
			New: func(t *testing.T, value int) conformance.Semaphore {
				return made[*manager.Semaphore](t)(manager.NewSemaphore(ctx, m, value))
			},
			NewBounded: func(t *testing.T, value int) conformance.Semaphore {
				return made[*manager.BoundedSemaphore](t)(manager.NewBoundedSemaphore(ctx, m, value))
			},
			TooMany: manager.ErrNotHeld, Locked: manager.ErrLocked,
		}.Run)
		for name, over := range map[string]func(t *testing.T) manager.Lockable{
			"Condition":            func(*testing.T) manager.Lockable { return nil },
			"Condition over RLock": func(t *testing.T) manager.Lockable { return made[*manager.RLock](t)(manager.NewRLock(ctx, m)) },
		} {
			t.Run(name, conformance.Conditions{
				New: func(t *testing.T) conformance.Condition {
					return condition{made[*manager.Condition](t)(manager.NewCondition(ctx, m, over(t)))}
				},
				NotHeld: manager.ErrNotHeld,
			}.Run)
		}
		t.Run("Event", conformance.Events{
			New: func(t *testing.T) conformance.Event {
				return made[*manager.Event](t)(manager.NewEvent(ctx, m))
			},
			Asleep: func(t *testing.T, e conformance.Event, n int) { parked(t, m, e.(*manager.Event).ID(), n) },
			Most:   4,
		}.Run)
		t.Run("Barrier", conformance.Barriers{
			New: func(t *testing.T, parties int) conformance.Barrier {
				return made[*manager.Barrier](t)(manager.NewBarrier(ctx, m, parties))
			},
			Broken: manager.ErrBroken,
		}.Run)
		queues := conformance.Queues{
			New: func(t *testing.T, maxItems int) conformance.Queue {
				return made[*manager.Queue[int]](t)(manager.NewQueue[int](ctx, m, maxItems))
			},
			NewJoinable: func(t *testing.T) conformance.JoinableQueue {
				return made[*manager.JoinableQueue[int]](t)(manager.NewJoinableQueue[int](ctx, m, nil))
			},
			Full: manager.ErrFull, Empty: manager.ErrEmpty, Closed: manager.ErrClosed, TaskDone: manager.ErrTaskDone,
		}
		t.Run("Queue", queues.Run)
		queues.New = func(t *testing.T, maxItems int) conformance.Queue {
			return made[*manager.JoinableQueue[int]](t)(manager.NewJoinableQueue[int](ctx, m, &manager.JoinableOptions{MaxItems: maxItems}))
		}
		t.Run("JoinableQueue", queues.Run)
		nothingLeft(t, m)
	})
}
