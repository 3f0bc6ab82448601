package proc

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
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

// controlEnv tells a child that it is one: it holds the number of handles and
// the inode of the control connection. Main removes it, so that the programs
// that a child runs do not take themselves for children.
const controlEnv = "SHMKIT_PROC_CONTROL"

// inherited is what a child finds open: the control connection to its parent,
// its report and the descriptors of its handles.
type inherited struct {
	control *os.File
	report  report
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
		parent: m.ParentPID,
		path:   m.Path,
		daemon: m.Daemon,
		self:   true,
		end:    newEnding(),
		key:    fixedAuthKey(m.AuthKey),
	})
	parent = newParent(m.ParentPID, m.ParentName)
	setLogLevel(m.LogLevel)

	fn, err := prepare(m, in.files)
	in.control.Write(encodeAck(err))
	in.control.Close()
	if err != nil {
		return 1 // the parent tells its caller
	}

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	return run(ctx, fn, in.report)
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

// run calls fn and returns the exit code. A panic goes its way: Go prints the
// trace and exits with code 2. runtime.Goexit would leave a process without a
// main goroutine, which Go only notices when no other goroutine is left; here it
// is an error.
func run(ctx context.Context, fn call, r report) int {
	returned := false
	defer func() {
		if !returned && inGoexit() {
			Exit(fail(r, errGoexit))
		}
	}()
	err := fn(ctx)
	returned = true
	if err != nil {
		return fail(r, err)
	}
	return 0
}

var errGoexit = errors.New("function called runtime.Goexit")

// inGoexit reports whether runtime.Goexit, and not a panic, runs the deferred
// function that calls it. To ask by recovering would spoil the panic's trace.
func inGoexit() bool {
	pcs := make([]uintptr, 16)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs)])
	for {
		f, more := frames.Next()
		switch f.Function {
		case "runtime.Goexit":
			return true
		case "runtime.gopanic":
			return false
		}
		if !more {
			return false
		}
	}
}

// fail tells everybody that the function returned err, and returns the exit
// code.
func fail(r report, err error) int {
	r.fail(err)
	complain(fmt.Sprintf("process %s: %v\n", Current().Name(), err))
	return 1
}

// complain writes to standard error. If that is a broken pipe, Go would have
// the process killed by SIGPIPE, and the exit code be another.
func complain(text string) {
	signal.Ignore(syscall.SIGPIPE)
	fmt.Fprint(os.Stderr, text)
}
