package proc

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// Returned by Start. After each of them no child runs on.
var (
	// ErrNoMain means that the program does not call Main, or not before this
	// Start. A child is the same program started again: without Main it would
	// do the whole program's work a second time.
	ErrNoMain = errors.New("proc.Main has not been called at the start of the program")

	// ErrNotRegistered means that the child knows no function of that name:
	// Register ran in the parent only, or after Main.
	ErrNotRegistered = errors.New("function is not registered in the child")

	// ErrArgument means that the argument cannot travel: it holds a channel, a
	// function or an object that stays in its process, or the child could not
	// make its own copy of it.
	ErrArgument = errors.New("argument cannot travel")

	// ErrDaemon means that this process is a daemon, which may not have
	// children: they would be left behind when its parent takes it along.
	ErrDaemon = errors.New("daemons may not have children")
)

// ErrNotPassed is returned by Passed when the parent has passed nothing under the
// key, or it was picked up already.
var ErrNotPassed = errors.New("nothing was passed under this key")

// Returned by the methods of a Process.
var (
	// ErrRunning is returned by Close while the process runs.
	ErrRunning = errors.New("process is still running")

	// ErrSelf is returned by methods of Current that make sense only for
	// another process.
	ErrSelf = errors.New("process cannot wait for itself")

	// ErrClosed is returned after Close.
	ErrClosed = os.ErrClosed

	// ErrStatusLost means that the process has ended but somebody else in this
	// program collected its exit status, by waiting for any child.
	ErrStatusLost = errors.New("exit status was collected elsewhere")
)

// An ExitError says how a process ended that did not end well.
type ExitError struct {
	Name string
	PID  int
	// Code is the exit code, or the negative number of the signal that killed
	// the process.
	Code int
	// Signal is the signal that killed the process, 0 for none.
	Signal syscall.Signal
	// Cause is what ended a function that this package ran: a *PanicError, a
	// *ChildError, or nil if the process said nothing.
	Cause error
}

func (e *ExitError) Error() string {
	text := fmt.Sprintf("process %s (pid %d) exited with code %d", e.Name, e.PID, e.Code)
	if e.Signal != 0 {
		text = fmt.Sprintf("process %s (pid %d) was killed by signal %d (%v)", e.Name, e.PID, int(e.Signal), e.Signal)
	}
	if e.Cause != nil {
		text += ": " + e.Cause.Error()
	}
	return text
}

// Unwrap returns the Cause.
func (e *ExitError) Unwrap() error { return e.Cause }
