package pool

import (
	"errors"
	"fmt"
	"runtime/debug"
	"sync"

	"github.com/shmkit/shmkit/proc"
)

// The collector runs no code of the user's, and waits for no worker. Results whose types
// may read themselves (UnmarshalBinary and the like) are copied out of the ring, and read
// when their batch is over, on a goroutine of its own. Those that come beside the ring are
// fetched in the order in which they were sent, by one goroutine for each worker, while
// there are any; the batch waits for these. So a method that blocks, panics or ends its
// goroutine, and a worker that says that something lies beside the ring where nothing
// does, hold up or fail what they belong to.

// errReader is for a method of a result that has called runtime.Goexit.
var errReader = errors.New("its type has ended the goroutine that read it")

// guarded is read, whose panic is an error.
func guarded(read func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v\n%s", v, debug.Stack())
		}
	}()
	return read()
}

// A fetch is a result beside the ring.
type fetch struct {
	load load
	task int
	err  error
	done *sync.WaitGroup // the batch waits for it
}

// run fetches it. Goexit leaves errReader.
func (f *fetch) run(side *proc.Conn) {
	defer f.done.Done()
	f.err = errReader
	f.err = guarded(func() error { return f.load.value(f.task, nil, side) })
}

// fetches are those of one worker, in order.
type fetches struct {
	mu    sync.Mutex
	queue []*fetch
	busy  bool
	then  func() // what to do when there are no more; none come after it was set
}

// fetch fetches the result of the batch's next task.
func (w *worker) fetch(b *batch) {
	f := &fetch{load: b.load, task: b.next, done: &b.fetching}
	b.late, b.fetched = true, append(b.fetched, f)
	b.fetching.Add(1)
	s := &w.fetches
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue = append(s.queue, f)
	if !s.busy {
		s.busy = true
		go s.run(w.side)
	}
}

func (s *fetches) run(side *proc.Conn) {
	over := false
	defer func() {
		if !over {
			go s.run(side) // something has ended this goroutine
		}
	}()
	for {
		s.mu.Lock()
		if len(s.queue) == 0 {
			s.busy, over = false, true
			then := s.then
			s.mu.Unlock()
			if then != nil {
				then()
			}
			return
		}
		f := s.queue[0]
		s.queue = s.queue[1:]
		s.mu.Unlock()
		f.run(side)
	}
}

// after has then called when all has been fetched. It returns false, and does nothing, if
// it has been.
func (s *fetches) after(then func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy {
		s.then = then
	}
	return s.busy
}

// closeSide closes what goes beside the rings of a dead worker, when nobody needs it.
func (c *core) closeSide(w *worker) {
	if w.side == nil {
		return
	}
	c.hold()
	over := func() {
		w.side.Close()
		c.finishAll(nil)
	}
	if !w.fetches.after(over) {
		over()
	}
}

// hold keeps the pool from ending until finishAll.
func (c *core) hold() {
	c.mu.Lock()
	c.finishing++
	c.mu.Unlock()
}

// kept is a result that was not read yet.
type kept struct {
	task int
	body []byte
}

// keep keeps the result of a task.
func (l *lot[A, R]) keep(i int, body []byte) {
	l.late = true
	l.kept = append(l.kept, kept{i, append([]byte(nil), body...)})
}

// read reads what was kept, and ends the lot.
func (l *lot[A, R]) read() {
	over := false
	defer func() {
		if !over {
			go l.read() // something has ended this goroutine
		}
	}()
	l.fetching.Wait()
	for _, f := range l.fetched {
		if f.err != nil {
			l.unread(f.task, f.err)
		}
	}
	l.fetched = nil
	for len(l.kept) > 0 {
		k := l.kept[0]
		l.kept = l.kept[1:]
		l.unread(k.task, errReader)
		var v R
		if err := guarded(func() error { return l.task.result.decode(k.body, &v) }); err != nil {
			l.unread(k.task, err)
			continue
		}
		l.out[k.task] = v
		delete(l.errs, k.task)
	}
	over = true
	c, failed := l.core, len(l.errs)-l.failed
	c.mu.Lock()
	c.stats.Failed += failed
	c.mu.Unlock()
	l.then(l)
	c.finishAll(nil)
}

// unread fails a task whose result cannot be read.
func (l *lot[A, R]) unread(i int, err error) { l.fail(i, fmt.Errorf("%w: %w", ErrResult, err)) }
