package proc

import (
	"context"
	"fmt"
	"sync"
	"syscall"

	"github.com/shmkit/shmkit/internal/handle"
)

// A Process is a child started by Func.Start or Cmd.Start, or this process
// itself (see Current). All methods may be called from many goroutines.
//
// The child's death is noticed as soon as the kernel reports it, whether or not
// anybody waits, and holds no thread until then. There are never zombies, and
// nothing leaks when Close is not called.
type Process struct {
	pid    int
	parent int // pid, 0 for none that we know
	name   string
	path   string
	daemon bool
	self   bool
	end    *ending // comes once everything below is final

	key       authKey         // nil if this process does not know it
	handles   []handle.Handle // told when the child has ended
	report    func() []byte   // what the child says of its end, nil if it is not ours
	stop      func() bool     // ends Options.Cancel's hold on the process
	wakeStart func()          // wakes Start, if it still waits for the child

	mu     sync.Mutex
	ended  bool // the kernel has forgotten the pid: it must not be signalled
	lost   bool // ended, and the status went to somebody else
	code   int
	cause  error // of a code other than 0
	closed bool

	children int // number of children started so far, for names
}

func newProcess(name string, daemon bool, hs []handle.Handle) *Process {
	return &Process{
		name:      name,
		daemon:    daemon,
		parent:    Current().pid,
		end:       newEnding(),
		handles:   hs,
		stop:      func() bool { return true },
		wakeStart: func() {},
	}
}

// neverRan gives back what p was to have, if it has not come to life.
func (p *Process) neverRan() {
	if p.pid != 0 {
		return // then finish does
	}
	for _, h := range p.handles {
		h.Failed()
	}
	if p.report != nil {
		p.report()
	}
}

// PID returns the process id.
func (p *Process) PID() int { return p.pid }

// Name returns the name for people.
func (p *Process) Name() string { return p.name }

// Daemon reports whether the process is killed when its parent ends.
func (p *Process) Daemon() bool { return p.daemon }

// String says what Python's repr of a process does, such as "process worker-1
// (pid 12, parent 11, running, daemon)".
func (p *Process) String() string {
	s := fmt.Sprintf("process %s (pid %d", p.name, p.pid)
	if p.parent != 0 {
		s += fmt.Sprintf(", parent %d", p.parent)
	}
	s += ", " + p.state()
	if p.daemon {
		s += ", daemon"
	}
	return s + ")"
}

func (p *Process) state() string {
	if p.Alive() {
		return "running"
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.closed:
		return "closed"
	case p.lost:
		return "ended"
	case p.code < 0:
		return fmt.Sprintf("exit code %d, %v", p.code, syscall.Signal(-p.code))
	}
	return fmt.Sprintf("exit code %d", p.code)
}

// Done returns a channel that is closed when the process has ended and its
// exit code is known. For Current it is never closed.
func (p *Process) Done() <-chan struct{} { return p.end.done }

// Alive reports whether the process has not ended yet. A stopped process is
// alive.
func (p *Process) Alive() bool {
	return !p.end.over()
}

// ExitCode returns the exit code, or the negative number of the signal that
// killed the process. It reports false while the process runs, after Close, and
// if the status is lost (see ErrStatusLost).
func (p *Process) ExitCode() (code int, ok bool) {
	if p.Alive() {
		return 0, false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.code, !p.closed && !p.lost
}

// Wait waits until the process has ended. It returns nil for exit code 0, an
// *ExitError for all others, and the ctx's error when that is done first: with
// a ctx that is done already, Wait asks without waiting. It may be called any
// number of times. After Close it returns ErrClosed.
func (p *Process) Wait(ctx context.Context) error {
	if p.self {
		return fmt.Errorf("wait for process %s: %w", p.name, ErrSelf)
	}
	if p.end.over() {
		return p.status()
	}
	select {
	case <-p.end.done:
		return p.status()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// status returns what Wait returns for an ended process.
func (p *Process) status() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.closed:
		return fmt.Errorf("wait for process %s: %w", p.name, ErrClosed)
	case p.lost:
		return fmt.Errorf("wait for process %s: %w", p.name, ErrStatusLost)
	case p.code == 0:
		return nil
	}
	e := &ExitError{Name: p.name, PID: p.pid, Code: p.code, Cause: p.cause}
	if p.code < 0 {
		e.Signal = syscall.Signal(-p.code)
	}
	return e
}

// Interrupt sends SIGINT, as Ctrl-C does. A Go program that does not ask for it
// with signal.Notify is killed by it. Signalling a process that has ended is no
// error; after Close it is ErrClosed.
func (p *Process) Interrupt() error { return p.signal(syscall.SIGINT) }

// Terminate sends SIGTERM, else it is like Interrupt. Exit functions do not run
// and the child's own children are not signalled, except that its daemons die
// with it.
func (p *Process) Terminate() error { return p.signal(syscall.SIGTERM) }

// Kill sends SIGKILL, else it is like Terminate. Shared objects survive it.
func (p *Process) Kill() error { return p.signal(syscall.SIGKILL) }

// Close gives up the handle of an ended process; the other methods that can
// return an error then return ErrClosed. Closing it again does nothing. While
// the process runs it returns ErrRunning and changes nothing.
func (p *Process) Close() error {
	if p.Alive() {
		return fmt.Errorf("close process %s: %w", p.name, ErrRunning)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	return nil
}

func (p *Process) signal(s syscall.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.closed:
		return fmt.Errorf("signal process %s: %w", p.name, ErrClosed)
	case p.ended: // the number may be another process's by now
		return nil
	}
	if err := kill(p.pid, s); err != nil {
		return fmt.Errorf("signal process %s (pid %d): %w", p.name, p.pid, err)
	}
	return nil
}

// finish is called once, by the watcher, after the kernel has given up the
// process's status.
func (p *Process) finish() {
	for _, h := range p.handles {
		h.Exited()
	}
	if p.report != nil {
		cause := decodeReport(p.report())
		p.mu.Lock()
		p.cause = cause
		p.mu.Unlock()
	}
	p.handles = nil
	p.stop()
	forgetChild(p)
	p.end.come()
	p.wakeStart()
}
