package pool

import (
	"context"
	"time"
)

// Limits are how a task is run. The zero value is how it is without.
type Limits struct {
	// Timeout is how long the task may run, from when it begins, 0 for ever. Then its
	// context ends; see Options.Grace for tasks that do not heed that.
	Timeout time.Duration

	// Retries is how often the task is tried again when its worker died. It is for tasks
	// that may be begun several times.
	Retries int
}

// With returns the task with other limits, for this and all further calls through what
// it returns. Negative ones are taken for 0.
func (t *Task[A, R]) With(l Limits) *Task[A, R] {
	o := *t
	o.limits = Limits{max(l.Timeout, 0), max(l.Retries, 0)}
	return &o
}

// call is a lot of one task, which has a future.
type call[A, R any] struct {
	lot[A, R]
	future *Future[R]
}

// Go has a worker run the task with a, and returns at once: in all cases a future, which
// says what became of it.
//
// When ctx ends, the future ends with its error. Then a task that no worker has begun is
// dropped, one that runs finds its own context cancelled, and what it returns is dropped.
func (t *Task[A, R]) Go(ctx context.Context, p *Pool, a A) *Future[R] {
	f := newFuture[R]()
	f.panics = p.panics
	if err := ctx.Err(); err != nil {
		f.end(Cancelled, err, nil)
		return f
	}
	k := &call[A, R]{future: f}
	k.init(t, k.over)
	err := t.travel()
	if err == nil {
		_, err = k.add(a, p.opts.MaxMessage)
	}
	if err != nil {
		f.end(Finished, err, nil)
		return f
	}
	f.task = k
	if err := k.submit(p.core); err != nil {
		f.end(Finished, err, nil)
		return f
	}
	if ctx.Done() != nil {
		f.release(context.AfterFunc(ctx, func() { k.abandon(ctx.Err()) }))
	}
	return f
}

// Apply has a worker run the task with a, and waits for the result. It is Go and Get
// with the same context.
func (t *Task[A, R]) Apply(ctx context.Context, p *Pool, a A) (R, error) {
	return t.Go(ctx, p, a).Get(ctx)
}

// over is what becomes of the lot.
func (k *call[A, R]) over(l *lot[A, R]) {
	if err := l.errs[0]; l.cancelled {
		k.future.end(Cancelled, err, nil)
	} else {
		k.future.resolve(l.out[0], err)
	}
	l.out = nil
}

// abandon ends the future without waiting for the task.
func (k *call[A, R]) abandon(err error) {
	if !k.core.cancel(&k.batch, err) {
		k.future.resolve(*new(R), err)
	}
}

// running implements submission.
func (k *call[A, R]) running() bool { return k.core.began(&k.batch) }

// cancel implements submission.
func (k *call[A, R]) cancel() bool { return k.core.cancel(&k.batch, ErrCancelled) }
