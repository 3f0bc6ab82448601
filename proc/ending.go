package proc

import (
	"fmt"
	"os"
	"sync"
)

// An ending is the end of a process, as a channel and, for those who wait for
// many things at once, as a descriptor.
type ending struct {
	done chan struct{} // closed at the end

	mu   sync.Mutex
	bell bell // rung at the end; made when somebody asks for it
}

func newEnding() *ending { return &ending{done: make(chan struct{})} }

func (e *ending) over() bool {
	select {
	case <-e.done:
		return true
	default:
		return false
	}
}

// come is called once.
func (e *ending) come() {
	e.mu.Lock()
	defer e.mu.Unlock()
	close(e.done)
	e.bell.ring() // last: whoever hears it finds done closed
}

// file returns a descriptor of the caller's own that is readable from the end
// on, and not before.
func (e *ending) file() (*os.File, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.over() {
		return rungBell()
	}
	return e.bell.file()
}

// pidFile returns a descriptor that becomes readable when the process has ended
// and its exit code is known: what Python calls the sentinel. The caller closes
// it.
func (p *Process) pidFile() (*os.File, error) {
	if p.self {
		return nil, fmt.Errorf("wait for process %s: %w", p.name, ErrSelf)
	}
	return p.end.file()
}

// pidFile returns a descriptor that becomes readable when the parent has ended.
// The caller closes it.
func (p *ParentProcess) pidFile() (*os.File, error) {
	p.Done() // begins to watch
	return p.end.file()
}
