package proc_test

import (
	"context"
	"testing"

	"github.com/shmkit/shmkit/internal/conformance"
	"github.com/shmkit/shmkit/proc"
)

// plain is what the queues here have, whose short methods need no context.
type plain interface {
	Put(ctx context.Context, v int) error
	TryPut(v int) error
	Get(ctx context.Context) (int, error)
	TryGet() (int, error)
	CloseSend(ctx context.Context) error
	Len() int
	Empty() bool
	Full() bool
}

type plainQueue struct{ plain }

func (q plainQueue) TryPut(_ context.Context, v int) error { return q.plain.TryPut(v) }
func (q plainQueue) TryGet(context.Context) (int, error)   { return q.plain.TryGet() }
func (q plainQueue) Len(context.Context) (int, error)      { return q.plain.Len(), nil }
func (q plainQueue) Empty(context.Context) (bool, error)   { return q.plain.Empty(), nil }
func (q plainQueue) Full(context.Context) (bool, error)    { return q.plain.Full(), nil }

type plainJoinable struct {
	plainQueue
	q *proc.JoinableQueue[int]
}

func (q plainJoinable) TaskDone(context.Context) error { return q.q.TaskDone() }
func (q plainJoinable) Join(ctx context.Context) error { return q.q.Join(ctx) }

// What is common to these queues and those of managers; see package conformance. Q01,
// Q02, Q04, Q05, Q06, Q08, Q09, Q14.
func TestConformance(t *testing.T) {
	table := conformance.Queues{
		New: func(t *testing.T, maxItems int) conformance.Queue {
			return plainQueue{newQueue[int](t, &proc.QueueOptions{MaxItems: maxItems})}
		},
		NewJoinable: func(t *testing.T) conformance.JoinableQueue {
			q := newJoinable[int](t, nil)
			return plainJoinable{plainQueue{q}, q}
		},
		Full: proc.ErrFull, Empty: proc.ErrEmpty, Closed: proc.ErrClosed, TaskDone: proc.ErrTaskDone,
	}
	t.Run("Queue", table.Run)
	table.New = func(t *testing.T, maxItems int) conformance.Queue {
		return plainQueue{newJoinable[int](t, &proc.JoinableOptions{QueueOptions: proc.QueueOptions{MaxItems: maxItems}})}
	}
	t.Run("JoinableQueue", table.Run)
}
