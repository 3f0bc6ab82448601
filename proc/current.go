package proc

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
)

// self is this process: set at first sight, replaced by Main in a child.
var self atomic.Pointer[Process]

// Current returns this process. It is alive, has no exit code, and its Done
// channel is never closed. In a process that was not started by this package
// its name is "main".
func Current() *Process {
	if p := self.Load(); p != nil {
		return p
	}
	self.CompareAndSwap(nil, &Process{
		pid:  os.Getpid(),
		name: "main",
		self: true,
		end:  newEnding(),
		key:  newAuthKey(),
	})
	return self.Load()
}

// nextPath numbers a new child of p.
func nextPath(p *Process) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.children++
	n := strconv.Itoa(p.children)
	if p.path == "" {
		return n
	}
	return p.path + ":" + n
}

// A ParentProcess is what a child knows of the process that started it. All
// methods may be called from many goroutines.
type ParentProcess struct {
	pid  int
	name string
	end  *ending

	watch sync.Once
}

// parent is set by Main in a child.
var parent *ParentProcess

// Parent returns the process that started this one, nil if this one was not
// started by this package.
func Parent() *ParentProcess { return parent }

func newParent(pid int, name string) *ParentProcess {
	return &ParentProcess{pid: pid, name: name, end: newEnding()}
}

// String returns, for example, "process main (pid 11, running)".
func (p *ParentProcess) String() string {
	state := "running"
	if !p.Alive() {
		state = "ended"
	}
	return fmt.Sprintf("process %s (pid %d, %s)", p.name, p.pid, state)
}

// PID returns the parent's process id, also after it has ended.
func (p *ParentProcess) PID() int { return p.pid }

// Name returns the parent's name.
func (p *ParentProcess) Name() string { return p.name }

// Alive reports whether the parent has not ended yet.
func (p *ParentProcess) Alive() bool {
	// An orphan gets another parent, at once.
	return os.Getppid() == p.pid
}

// Done returns a channel that is closed when the parent has ended. Watching
// starts with the first call and takes one descriptor and no thread.
func (p *ParentProcess) Done() <-chan struct{} {
	p.watch.Do(func() {
		go func() {
			awaitParent(p.pid)
			p.end.come()
		}()
	})
	return p.end.done
}

// Wait waits until the parent has ended; it returns the ctx's error when that
// is done first.
func (p *ParentProcess) Wait(ctx context.Context) error {
	if !p.Alive() {
		return nil
	}
	select {
	case <-p.Done():
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
