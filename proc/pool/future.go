package pool

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
)

// State is how far a task has come.
type State int

// The states of a Future. From Pending it becomes Running or Cancelled, from Running
// Finished; a task whose worker died and that is tried again is Pending once more.
const (
	Pending   State = iota // no worker has begun it
	Running                // a worker has begun it
	Finished               // there is a result or an error
	Cancelled              // it was taken back before it began, and never runs
)

// String returns the state's name.
func (s State) String() string {
	return [...]string{"pending", "running", "finished", "cancelled"}[s&3]
}

// A Future is the result of a task that may not have ended yet. It ends exactly once.
// All methods may be called from many goroutines.
type Future[R any] struct {
	promise
	value R
}

// promise is a Future without its value.
type promise struct {
	done chan struct{} // closed when the callbacks have returned
	task submission    // nil for those of NewFuture

	mu        sync.Mutex
	state     State // Pending, Finished or Cancelled
	err       error
	callbacks []func()
	told      bool // the callbacks have run, or there were none
	watchers  []chan<- *promise
	panics    *panics     // nil for those of NewFuture
	stop      func() bool // called at the end
}

// submission is what a future can ask of the pool.
type submission interface {
	running() bool
	cancel() bool // whether the task will never run
}

// A CallbackPanic is what a callback of OnDone panicked with.
type CallbackPanic struct {
	Value any
	Stack []byte
}

// panics takes those of a pool. Futures refer to it, and so not to the pool.
type panics struct {
	count atomic.Int64
	tell  func(CallbackPanic) // may be nil
}

func (s *panics) take(p CallbackPanic) {
	s.count.Add(1)
	if s.tell == nil {
		return
	}
	defer func() {
		if recover() != nil {
			s.count.Add(1)
		}
	}()
	s.tell(p)
}

// NewFuture returns a future that belongs to no pool, and the function that resolves it:
// its first call decides, and returns nil, all others return ErrResolved and change
// nothing, as after Cancel. So what else a program waits for can be waited for together
// with tasks.
func NewFuture[R any]() (*Future[R], func(R, error) error) {
	f := newFuture[R]()
	return f, func(v R, err error) error {
		if !f.resolve(v, err) {
			return ErrResolved
		}
		return nil
	}
}

func newFuture[R any]() *Future[R] {
	return &Future[R]{promise: promise{done: make(chan struct{})}}
}

// Get waits until the task has ended and returns its result, as long as ctx allows: then
// it returns the context's error, and the task goes on. Why a task failed is said at
// the variables of this package's errors; what the function itself returned is a
// *RemoteError.
func (f *Future[R]) Get(ctx context.Context) (R, error) {
	select {
	case <-f.done:
		return f.value, f.err
	default:
	}
	select {
	case <-f.done:
		return f.value, f.err
	case <-ctx.Done():
		return *new(R), ctx.Err()
	}
}

// Done returns a channel that is closed when the task has ended, and the callbacks that
// were registered until then have returned.
func (p *promise) Done() <-chan struct{} { return p.done }

// Err returns nil for a task that succeeded, its error for one that failed, and
// ErrNotDone before.
func (p *promise) Err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.state == Pending {
		return ErrNotDone
	}
	return p.err
}

// State returns how far the task has come.
func (p *promise) State() State {
	p.mu.Lock()
	s, task := p.state, p.task
	p.mu.Unlock()
	if s == Pending && task != nil && task.running() {
		return Running
	}
	return s
}

// Cancel takes the task back, if no worker has begun it: then the future ends with
// ErrCancelled, and Cancel returns true, as for one that was cancelled before. If it
// runs, its context is cancelled, and Cancel returns false: the future ends when the
// task does, and as the task does. If it has ended, Cancel does nothing and returns
// false.
func (p *promise) Cancel() bool {
	p.mu.Lock()
	s, task := p.state, p.task
	p.mu.Unlock()
	switch {
	case s != Pending:
		return s == Cancelled
	case task != nil:
		return task.cancel()
	}
	return p.end(Cancelled, ErrCancelled, nil) || p.State() == Cancelled
}

// OnDone has fn called with what Get returns when the task has ended, or at once if it
// has. The functions are called one after the other, in the order in which they were
// registered, on a goroutine of their own; Done is closed when they have returned, so
// whoever waits for the future finds their work done, and they must not wait for it
// themselves. One that panics does no harm: see Options.OnPanic.
func (f *Future[R]) OnDone(fn func(R, error)) {
	call := func() { fn(f.value, f.err) }
	f.mu.Lock()
	if !f.told {
		f.callbacks = append(f.callbacks, call)
		f.mu.Unlock()
		return
	}
	f.mu.Unlock()
	f.call(call)
}

func (f *Future[R]) resolve(v R, err error) bool {
	return f.end(Finished, err, func() { f.value = v })
}

// end ends the future, once.
func (p *promise) end(s State, err error, set func()) bool {
	p.mu.Lock()
	if p.state != Pending {
		p.mu.Unlock()
		return false
	}
	if set != nil {
		set()
	}
	p.state, p.err = s, err
	if p.stop != nil {
		p.stop()
		p.stop = nil
	}
	p.task = nil // neither the argument nor the pool is kept by a result
	if len(p.callbacks) == 0 {
		p.tell()
		p.mu.Unlock()
		return true
	}
	p.mu.Unlock()
	go p.callBack()
	return true
}

// release has stop called when the future ends.
func (p *promise) release(stop func() bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.state == Pending {
		p.stop = stop
	} else {
		stop()
	}
}

func (p *promise) callBack() {
	over := false
	defer func() {
		if !over {
			go p.callBack() // one has ended this goroutine
		}
	}()
	for {
		p.mu.Lock()
		if len(p.callbacks) == 0 {
			p.tell()
			p.mu.Unlock()
			over = true
			return
		}
		fn := p.callbacks[0]
		p.callbacks = p.callbacks[1:]
		p.mu.Unlock()
		p.call(fn)
	}
}

// tell closes done; p is locked.
func (p *promise) tell() {
	p.told, p.callbacks = true, nil
	close(p.done)
	for _, w := range p.watchers {
		w <- p // which has room
	}
	p.watchers = nil
}

func (p *promise) call(fn func()) {
	defer func() {
		if v := recover(); v != nil && p.panics != nil {
			p.panics.take(CallbackPanic{v, debug.Stack()})
		}
	}()
	fn()
}

// watch sends p to w, which has room, when it is done.
func (p *promise) watch(w chan<- *promise) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.told {
		w <- p
		return
	}
	p.watchers = append(p.watchers, w)
}

// unwatch undoes watch.
func (p *promise) unwatch(w chan<- *promise) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, o := range p.watchers {
		if o == w {
			p.watchers = append(p.watchers[:i], p.watchers[i+1:]...)
			return
		}
	}
}

func (p *promise) base() *promise { return p }

// String returns, for example, "future (running)".
func (p *promise) String() string { return fmt.Sprintf("future (%v)", p.State()) }
