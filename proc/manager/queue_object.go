package manager

import (
	"fmt"
	"io"
	"math"
	"slices"
	"sync"
)

// Operations of a queue.
const (
	queuePut op = iota + 1 // value; returns when it is in the queue
	queueTryPut
	queueGet // flag: it is finished by its number only; returns a value and that, 0 for none
	queueTryGet
	queueClose
	queueState // returns how many items there are, and the maximum, 0 for none
	queueDone  // number, 0 for the oldest that has none
	queueJoin  // returns when nothing is unfinished
)

var (
	queueKind    = kind("Queue", newQueueObject(false))
	joinableKind = kind("JoinableQueue", newQueueObject(true))
)

// queueObject is the object of a Queue or a JoinableQueue.
//
// Whoever puts or gets is parked and stands in a line, until flow finds room, or an item,
// for it; an item is put once its putter has heard so, and leaves once its getter has it, so
// that who has given up has changed nothing.
//
// A session is involved once for each wait, and once for each task that it has not finished.
type queueObject struct {
	server   *server
	node     *node
	joinable bool
	most     int  // items, 0: any number
	again    bool // the tasks of a session that ends are got by others

	mu      sync.Mutex
	closed  bool
	last    uint64 // the number of the last item
	items   []item
	putters []*queueWaiter
	getters []*queueWaiter
	joiners []*queueWaiter
	tasks   []*task // got and not finished, in the order in which they were got
	dead    []*node // of what was let go; told when the lock is not held
}

type item struct {
	number uint64
	value  value
}

type queueWaiter struct {
	*parked
	sess     *session
	value    value // a putter's
	numbered bool  // a getter's
}

// newQueueObject has two arguments: the maximum, and the flag again.
func newQueueObject(joinable bool) func(x *request, n *node) (object, error) {
	return func(x *request, n *node) (object, error) {
		most, again := x.number(), x.flag()
		if most > math.MaxInt32 {
			return nil, fmt.Errorf("%w: queue of %d items", ErrOption, int64(most))
		}
		return &queueObject{server: x.server, node: n, joinable: joinable, most: int(most), again: again}, nil
	}
}

func (q *queueObject) serve(x *request) error {
	defer q.unlock()
	q.mu.Lock()
	switch x.op {
	case queuePut, queueTryPut:
		return q.put(x)
	case queueGet, queueTryGet:
		return q.get(x)
	case queueClose:
		if err := x.args(); err != nil {
			return err
		}
		q.closed = true
		for _, w := range slices.Clone(q.putters) {
			q.drop(w, ErrClosed)
		}
		q.flow()
		return nil
	case queueState:
		x.out.number(uint64(len(q.items)))
		x.out.number(uint64(q.most))
		return x.args()
	case queueDone, queueJoin:
		if q.joinable {
			return q.finish(x)
		}
	}
	return x.unknown()
}

// unlock ends the use of the queue, and buries what has died of it.
func (q *queueObject) unlock() {
	dead := q.dead
	q.dead = nil
	q.mu.Unlock()
	q.server.bury(dead)
}

func (q *queueObject) put(x *request) error {
	v := x.value()
	if err := x.args(); err != nil {
		return err
	}
	if q.closed {
		return ErrClosed
	}
	if x.op == queueTryPut && q.full() {
		return ErrFull
	}
	v, err := x.keep(v)
	if err != nil {
		return err
	}
	q.stand(x, &q.putters, &queueWaiter{value: v})
	return nil
}

func (q *queueObject) get(x *request) error {
	numbered := x.flag()
	if err := x.args(); err != nil {
		return err
	}
	if len(q.items) == 0 {
		if q.ended(x.sess) {
			return io.EOF
		}
		if x.op == queueTryGet {
			return ErrEmpty
		}
	}
	q.stand(x, &q.getters, &queueWaiter{numbered: numbered})
	return nil
}

func (q *queueObject) full() bool { return q.most > 0 && len(q.items) >= q.most }

// ended says whether s gets nothing any more: what others may leave unfinished comes back,
// where it does.
func (q *queueObject) ended(s *session) bool {
	return q.closed && len(q.items) == 0 &&
		!(q.again && slices.ContainsFunc(q.tasks, func(t *task) bool { return t.sess != s }))
}

// stand parks a request in a line.
func (q *queueObject) stand(x *request, line *[]*queueWaiter, w *queueWaiter) {
	w.sess = x.sess
	w.parked = x.park(func(*parked) {
		defer q.unlock()
		q.mu.Lock()
		q.drop(w, ErrGone)
	})
	x.sess.involve(q)
	*line = append(*line, w)
	q.flow()
}

// flow lets through whoever need not wait.
func (q *queueObject) flow() {
	for moved := true; moved; {
		moved = false
		for len(q.putters) > 0 && !q.full() {
			w := q.putters[0]
			q.putters = q.putters[1:]
			if w.ok() {
				q.last++
				q.items = append(q.items, item{q.last, w.value})
			} else {
				q.discard(w.value)
			}
			w.sess.release(q)
			moved = true
		}
		for len(q.getters) > 0 && len(q.items) > 0 {
			w := q.getters[0]
			q.getters = q.getters[1:]
			q.hand(w)
			w.sess.release(q)
			moved = true
		}
	}
	for _, w := range slices.Clone(q.getters) {
		if q.ended(w.sess) {
			q.drop(w, io.EOF)
		}
	}
	if len(q.items) == 0 && len(q.tasks) == 0 {
		for _, w := range q.joiners {
			w.ok()
			w.sess.release(q)
		}
		q.joiners = nil
	}
}

// hand gives the first item to a getter, if that still waits.
func (q *queueObject) hand(w *queueWaiter) {
	i := q.items[0]
	number := uint64(0)
	if q.joinable {
		number = i.number
	}
	if !q.server.deliver(w.parked, i.value, number) {
		w.fail(ErrGone) // where it has not heard: the queue is dying, and what the item leads to has
		return
	}
	q.items[0] = item{}
	q.items = q.items[1:]
	if q.joinable {
		q.begin(i, w)
		return
	}
	q.discard(i.value)
}

// discard ends the queue's hold of what a value leads to.
func (q *queueObject) discard(v value) {
	for _, id := range v.refs {
		q.dead = append(q.dead, q.server.graph.drop(&q.node.owner, id, 1)...)
	}
}

// drop ends a wait early.
func (q *queueObject) drop(w *queueWaiter, err error) {
	if leaveLine(&q.putters, w) || leaveLine(&q.getters, w) || leaveLine(&q.joiners, w) {
		w.fail(err)
		w.sess.release(q)
		q.discard(w.value)
	}
}

func (q *queueObject) left(s *session) {
	defer q.unlock()
	q.mu.Lock()
	for _, w := range slices.Concat(q.putters, q.getters, q.joiners) {
		if w.sess == s {
			q.drop(w, ErrManagerGone)
		}
	}
	q.takeBack(s)
	q.flow()
}

func (q *queueObject) died() {
	defer q.unlock()
	q.mu.Lock()
	for _, w := range slices.Concat(q.putters, q.getters, q.joiners) {
		q.drop(w, ErrGone)
	}
	for _, t := range q.tasks {
		t.sess.release(q)
	}
	q.tasks = nil
}
