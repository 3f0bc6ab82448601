package pool

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"sync/atomic"

	"github.com/shmkit/shmkit/internal/codec"
	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/proc"
)

// A Task is a function that the workers of a pool can run. All its methods may be called
// from many goroutines, with any pool.
type Task[A, R any] struct {
	name   string
	args   form[A]
	result form[R]
	travel func() error // whether As and Rs can
	limits Limits
}

// RegisterTask names fn, so that a worker, which is the same program, finds it again.
// Assign the result to a package-level variable, in its declaration or, when fn itself
// uses that variable, in init. It panics when the name is empty, too long, or taken.
//
// In the worker, fn runs on the main goroutine, one task at a time. The argument is
// copied and so is the result: exported fields travel, by the rules of encoding/json,
// as do shared objects and their ends. Several arguments are a struct. What holds no
// pointers, strings and slices of such things are copied as they are, at the speed of
// memory; everything else is encoded. An argument must not be changed until its task
// has ended.
//
// ctx ends when the task is cancelled, and when its time is up: then fn should return. It
// also ends some time after fn has returned, with the last of the tasks that came in one
// message (MapOptions.Chunk). A panic, in any goroutine, ends the worker, which fails the task
// with ErrWorkerDied; nobody could say what a panic has left behind.
func RegisterTask[A, R any](name string, fn func(ctx context.Context, arg A) (R, error)) *Task[A, R] {
	t := &Task[A, R]{name: name, args: newForm[A](), result: newForm[R]()}
	t.travel = sync.OnceValue(func() error {
		if err := codec.Travels(reflect.TypeFor[A]()); err != nil {
			return fmt.Errorf("%w: %w", ErrArgument, err)
		}
		if err := codec.Travels(reflect.TypeFor[R]()); err != nil {
			return fmt.Errorf("%w: %w", ErrResult, err)
		}
		return nil
	})
	tasks.Lock()
	defer tasks.Unlock()
	if name == "" || len(name) > maxName {
		panic(fmt.Sprintf("pool: register a task with a name of %d bytes", len(name)))
	}
	if tasks.named[name] != nil {
		panic(fmt.Sprintf("pool: register task %q: the name is taken", name))
	}
	tasks.named[name] = &doer[A, R]{t, fn}
	if t.args.carries || t.result.carries {
		tasks.cargo.Store(true)
	}
	return t
}

const maxName = 1024

// Name returns the name given to RegisterTask.
func (t *Task[A, R]) Name() string { return t.name }

// tasks holds what RegisterTask put there, the same in pool and worker.
var tasks = struct {
	sync.Mutex
	named map[string]performer
	cargo atomic.Bool // some values may have to travel beside the ring
}{named: make(map[string]performer)}

func performerNamed(name []byte) performer {
	tasks.Lock()
	defer tasks.Unlock()
	return tasks.named[string(name)]
}

// A performer runs a task in a worker.
type performer interface {
	// perform decodes the argument, calls the function and answers.
	perform(ctx context.Context, d *duty, arg []byte) error
	// rush is perform for all tasks of a batch whose arguments have one length, with
	// results that go into the tray. It returns false if they do not.
	rush(d *duty) (bool, error)
}

// tray is how many results of a task fit in a tray, 0 if they do not go there.
func (f *form[T]) tray() int {
	if f.kind != formPlain || f.size == 0 || f.size > mostTray {
		return 0
	}
	return trayBytes / f.size
}

// doer is the performer of a task.
type doer[A, R any] struct {
	*Task[A, R]
	fn func(context.Context, A) (R, error)
}

// perform implements performer. Its own error is that of the ring.
func (t *doer[A, R]) perform(ctx context.Context, d *duty, arg []byte) error {
	var a A
	var err error
	if d.frame.cargo {
		err = d.worker.side.Recv(context.Background(), &a)
	} else {
		err = t.args.decode(arg, &a)
	}
	if err != nil {
		return d.fail(fmt.Errorf("%w: %w", ErrArgument, err))
	}
	d.heard() // the argument's memory may be used again
	r, err := t.fn(ctx, a)
	if err != nil {
		return d.fail(err)
	}
	part, cargo, err := t.result.encode(&r)
	if err == nil && cargo {
		return d.answerBeside(r)
	}
	if err != nil {
		return d.fail(fmt.Errorf("%w: %w", ErrResult, err))
	}
	return d.answer(part)
}

// rush implements performer.
func (t *doer[A, R]) rush(d *duty) (bool, error) {
	f, desk := &d.frame, d.worker.desk
	room := t.result.tray()
	if room == 0 || f.stride < 0 || f.stride != t.args.size || f.count < 2 || f.timeout != 0 || len(f.rest) < f.count*f.stride {
		return false, nil
	}
	done := d.ctx.Done()
	first, tray := f.first, 0 // the number of the first result in the tray, and how many there are
	for i := range f.count {
		d.index = f.first + i
		if i > 0 {
			desk.next(f.seq, d.index)
		}
		var a A
		copy(bytesOf(&a), f.rest[i*f.stride:])
		var r R
		var err error
		select {
		case <-done:
			err = context.Cause(d.ctx)
		default:
			r, err = t.fn(d.ctx, a)
		}
		if err == nil {
			copy(desk.tray[tray*t.result.size:], bytesOf(&r))
			tray++
			crashpoint.Hit("pool.trayed")
		}
		if tray > 0 && (err != nil || tray == room || d.last()) {
			if d.last() && err == nil {
				d.release()
			}
			if serr := d.worker.send(answer{seq: f.seq, index: first, count: tray, kind: answerRun, body: desk.tray[:tray*t.result.size]}); serr != nil {
				return true, serr
			}
			tray = 0
			first = d.index + 1
		}
		if err != nil {
			if ferr := d.fail(err); ferr != nil {
				return true, ferr
			}
			first = d.index + 1
		}
	}
	return true, nil
}

// An Initializer is a function that each worker of a pool runs before its first task,
// with its argument: see Options.Init.
type Initializer struct {
	name string
	arg  []byte
	err  error
}

// RegisterInit names fn, a function for Options.Init, and returns what makes an
// Initializer of an argument. For the name and fn the rules of RegisterTask hold, but
// that the argument may not hold shared objects. What fn leaves in package-level variables
// is there for the tasks.
//
//	var open = pool.RegisterInit("open", func(ctx context.Context, path string) (err error) {
//		database, err = os.Open(path)
//		return err
//	})
//	...
//	p, err := pool.New(4, &pool.Options{Init: open("data")})
func RegisterInit[A any](name string, fn func(ctx context.Context, arg A) error) func(arg A) *Initializer {
	inits.Lock()
	defer inits.Unlock()
	if name == "" || inits.named[name] != nil {
		panic(fmt.Sprintf("pool: register initializer %q: no name, or one that is taken", name))
	}
	inits.named[name] = func(ctx context.Context, data []byte) error {
		var a A
		if err := codec.Unmarshal(data, &a); err != nil {
			return fmt.Errorf("%w: %w", ErrArgument, err)
		}
		return fn(ctx, a)
	}
	return func(arg A) *Initializer {
		data, err := codec.Marshal(arg)
		if terr := codec.Travels(reflect.TypeFor[A]()); terr != nil {
			err = errors.Join(terr, err)
		}
		if err != nil {
			err = fmt.Errorf("initializer %s: %w: %w", name, proc.ErrArgument, err)
		}
		return &Initializer{name, data, err}
	}
}

// inits holds what RegisterInit put there.
var inits = struct {
	sync.Mutex
	named map[string]func(context.Context, []byte) error
}{named: make(map[string]func(context.Context, []byte) error)}
