package proc

import (
	"context"
	"fmt"
	"reflect"
	"sync"

	"github.com/shmkit/shmkit/internal/codec"
	"github.com/shmkit/shmkit/internal/handle"
)

// A Func is a function that runs in a process of its own. All its methods may
// be called from many goroutines.
type Func[A any] struct {
	name    string
	travels func() error // whether an A can
}

// Register names fn, so that a child, which is the same program, finds it
// again. It must have happened in the child when Main is called: assign the
// result to a package-level variable, in its declaration or, when fn itself
// uses that variable, in init. It panics when the name is empty or taken.
//
// In the child, fn runs on the main goroutine; when it returns, the process
// ends as [Exit] describes, with code 0 for nil, otherwise with the error on
// standard error and code 1. Then its ctx is cancelled, for the goroutines
// that it left behind: nobody waits for them, unless a function of [AtExit]
// does. Nothing else cancels ctx. Process.Terminate ends the process at once;
// a function that wants to finish something first asks for the signal:
//
//	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM)
//
// A panic in any goroutine is printed, as always, and ends the process with
// code 2. Both, the error and the panic, are also the cause of the *ExitError
// that the parent gets from Wait.
//
// The argument is copied: nothing that fn does to it is seen by the parent or
// by another child. Exported fields travel, by the rules of encoding/json, as
// do shared objects and their ends, which lead to the same memory everywhere.
// What has nothing that travels, such as a sync.Mutex or an *os.File in an
// exported field, makes Start fail, where it would arrive empty.
func Register[A any](name string, fn func(ctx context.Context, arg A) error) *Func[A] {
	register(name, decoded(fn))
	return &Func[A]{name, sync.OnceValue(func() error { return codec.Travels(reflect.TypeFor[A]()) })}
}

// A Runner is a type whose values are the argument and the work at once: the
// form for services that keep state of their own.
type Runner interface {
	Run(ctx context.Context) error
}

// RegisterRunner is Register for a Runner.
func RegisterRunner[T Runner](name string) *Func[T] {
	return Register(name, func(ctx context.Context, r T) error { return r.Run(ctx) })
}

// Name returns the name given to Register.
func (f *Func[A]) Name() string { return f.name }

// Start runs the function with arg in a new process and returns once the child
// has found the function and made its copy of the argument, so that a mistake
// in either is an error here and not an exit code later.
//
// Objects that the argument refers to may be closed as soon as Start returns.
// A role among them (the producer's end of a ring) belongs to the child from
// then on, and falls vacant when the child ends.
//
// ctx bounds the start only. When it is done first, or the child fails to
// start, the child is killed; the error wraps ErrNoMain when the child ran but
// never came as far as Main.
func (f *Func[A]) Start(ctx context.Context, arg A, o *Options) (*Process, error) {
	p, err := f.start(ctx, arg, o)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", f.name, err)
	}
	return p, nil
}

// mayStart refuses what would be in vain.
func mayStart(o *Options) error {
	if Current().daemon {
		return ErrDaemon
	}
	if o.Cancel != nil {
		return o.Cancel.Err()
	}
	return nil
}

func (f *Func[A]) start(ctx context.Context, arg A, o *Options) (*Process, error) {
	if !mainCalled() {
		return nil, ErrNoMain
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if o == nil {
		o = &Options{}
	}
	if err := mayStart(o); err != nil {
		return nil, err
	}
	if err := f.travels(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrArgument, err)
	}
	data, hs, err := handle.Encode(func() ([]byte, error) { return codec.Marshal(arg) })
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrArgument, err)
	}
	return spawn(ctx, newBootstrap(f.name, data, o), hs, o)
}
