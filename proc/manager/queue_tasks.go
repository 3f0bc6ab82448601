package manager

import (
	"cmp"
	"slices"
)

// What a JoinableQueue has besides: tasks.

// task is an item that a session has got and not finished.
type task struct {
	item
	sess     *session
	numbered bool // it is finished by its number
}

// begin notes that w has got an item.
func (q *queueObject) begin(i item, w *queueWaiter) {
	w.sess.involve(q)
	if !q.again {
		q.discard(i.value)
		i.value = value{}
	}
	q.tasks = append(q.tasks, &task{i, w.sess, w.numbered})
}

// finish serves the operations.
func (q *queueObject) finish(x *request) error {
	number := uint64(0)
	if x.op == queueDone {
		number = x.number()
	}
	if err := x.args(); err != nil {
		return err
	}
	if x.op == queueJoin {
		q.stand(x, &q.joiners, &queueWaiter{})
		return nil
	}
	i := slices.IndexFunc(q.tasks, func(t *task) bool {
		return t.sess == x.sess && (number == 0 && !t.numbered || number == t.number)
	})
	if i < 0 {
		return ErrTaskDone
	}
	t := q.tasks[i]
	q.tasks = slices.Delete(q.tasks, i, i+1)
	t.sess.release(q)
	q.discard(t.value)
	q.flow()
	return nil
}

// takeBack ends the tasks of a session that has ended: they are items again, where they were
// before, or finished.
func (q *queueObject) takeBack(s *session) {
	q.tasks = slices.DeleteFunc(q.tasks, func(t *task) bool {
		if t.sess != s {
			return false
		}
		t.sess.release(q)
		if q.again {
			q.items = append(q.items, t.item)
		} else {
			q.discard(t.value)
		}
		return true
	})
	slices.SortFunc(q.items, func(a, b item) int { return cmp.Compare(a.number, b.number) })
}
