package proc

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
)

var mainWasCalled atomic.Bool

func mainCalled() bool { return mainWasCalled.Load() }

// Main makes it possible to start processes. It must be the first statement of
// the program's main, or of TestMain. In a process that Start has started it
// runs the function and does not return; in all others it returns at once.
//
// What package-level variables and init functions do happens in children too.
func Main() {
	in, ok := inherit()
	mainWasCalled.Store(true)
	if !ok {
		return
	}
	Exit(child(in))
}

// inherited is what a child finds open: the control connection to its parent
// and the descriptors of its handles.
type inherited struct {
	control *os.File
	files   []*os.File
}

// child runs the function this process was started for and returns the exit
// code.
func child(in inherited) int {
	m, err := receiveBootstrap(in.control)
	if err != nil {
		// The parent has gone, or has given up: there is nobody to tell.
		return 1
	}
	if m.Daemon && os.Getppid() != m.ParentPID {
		return 1 // orphaned before the kernel knew that it should kill us
	}
	self.Store(&Process{
		pid:    os.Getpid(),
		name:   m.Name,
		path:   m.Path,
		daemon: m.Daemon,
		self:   true,
		done:   make(chan struct{}),
	})
	parent = newParent(m.ParentPID, m.ParentName)

	fn, err := prepare(m, in.files)
	in.control.Write(encodeAck(err))
	in.control.Close()
	if err != nil {
		return 1 // the parent tells its caller
	}

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if err := run(ctx, fn); err != nil {
		complain(fmt.Sprintf("process %s: %v\n", m.Name, err))
		return 1
	}
	return 0
}

// prepare finds the function and decodes its argument.
func prepare(m bootstrap, files []*os.File) (call, error) {
	hs, err := m.Handles.Handles(files)
	if err != nil {
		return nil, err
	}
	t := lookup(m.Func)
	if t == nil {
		return nil, ErrNotRegistered
	}
	fn, err := t(m.Arg, hs)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrArgument, err)
	}
	return fn, nil
}

// run calls fn. A panic goes its way: Go prints the trace and exits with code
// 2. runtime.Goexit would leave a process without a main goroutine, which Go
// only notices when no other goroutine is left; here it is a failure.
func run(ctx context.Context, fn call) error {
	returned := false
	defer func() {
		if returned {
			return
		}
		if r := recover(); r != nil {
			panic(r)
		}
		complain(fmt.Sprintf("process %s: function called runtime.Goexit\n", Current().Name()))
		Exit(1)
	}()
	err := fn(ctx)
	returned = true
	return err
}

// complain writes to standard error. If that is a broken pipe, Go would have
// the process killed by SIGPIPE, and the exit code be another.
func complain(text string) {
	signal.Ignore(syscall.SIGPIPE)
	fmt.Fprint(os.Stderr, text)
}
