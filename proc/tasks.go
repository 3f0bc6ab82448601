package proc

import "github.com/shmkit/shmkit/ringbuf"

// task is an item that this process has got and not finished.
type task struct {
	lease ringbuf.Lease
	r     *receipt // nil if the sender keeps nothing for it
}

// tasks are those that TaskDone finishes, oldest first. There may be millions.
type tasks struct {
	all  []task
	done int // so many at the beginning are gone
}

func (q *tasks) push(t task) { q.all = append(q.all, t) }

// pop removes the oldest, if there is one.
func (q *tasks) pop() (t task, ok bool) {
	if q.done == len(q.all) {
		return t, false
	}
	t, q.all[q.done] = q.all[q.done], task{}
	q.done++
	switch left := len(q.all) - q.done; {
	case left == 0 && cap(q.all) > 1<<12: // it is not to stay as large as it ever was
		*q = tasks{}
	case left < q.done && q.done >= 64:
		n := copy(q.all, q.all[q.done:])
		clear(q.all[n:])
		q.all, q.done = q.all[:n], 0
	case left == 0:
		q.all, q.done = q.all[:0], 0
	}
	return t, true
}
