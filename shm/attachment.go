package shm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"

	"github.com/shmkit/shmkit/internal/mem"
	"github.com/shmkit/shmkit/internal/race"
	"github.com/shmkit/shmkit/internal/robust"
	"github.com/shmkit/shmkit/internal/shmfile"
)

// attachment is what all kinds have in common: a file, mapped, and a life that
// ends with Close. Its zero value is closed.
type attachment struct {
	kind        string // for people: "array"
	name        string // "" if anonymous
	file        *os.File
	m           *mem.Mapping
	truncatable bool
	readOnly    bool

	closing sync.Mutex // held by Close, and by what must not meet it
	open    atomic.Bool

	held race.Addr // the lock in the memory, for the race detector

	// calls is held shared by every call that takes a lock in the memory, and by
	// Close alone; done ends when Close wants the waiting ones to give up.
	calls sync.RWMutex
	done  context.Context
	stop  context.CancelFunc
}

// attach takes over f, and m if it is mapped already.
func (a *attachment) attach(kind, name string, f *os.File, m *mem.Mapping, size int64) error {
	a.kind, a.name, a.file = kind, name, f
	a.truncatable, a.readOnly = shmfile.Truncatable(f), shmfile.ReadOnly(f)
	if m == nil {
		var err error
		m, err = mem.Map(f, int(size), mem.Options{ReadOnly: a.readOnly, Truncatable: a.truncatable})
		if err != nil {
			shmfile.Abandon(f)
			return fmt.Errorf("attach to %s: %w", f.Name(), err)
		}
	}
	a.m = m
	a.done, a.stop = context.WithCancel(context.Background())
	a.open.Store(true)
	return nil
}

// Name returns the name, "" if it is anonymous.
func (a *attachment) Name() string { return a.name }

// File returns the file behind the memory. It belongs to the handle: do not
// close it, and do not use it after Close.
func (a *attachment) File() *os.File { return a.file }

// String says what it is, its name, and its size in bytes.
func (a *attachment) String() string {
	switch {
	case a.m == nil:
		return "closed shared memory"
	case a.name == "":
		return fmt.Sprintf("anonymous %s (%d bytes)", a.kind, len(a.m.Bytes()))
	}
	return fmt.Sprintf("%s %q (%d bytes)", a.kind, a.name, len(a.m.Bytes()))
}

// text is the name for a message in which only that travels.
func (a *attachment) text() ([]byte, error) {
	if !a.open.Load() {
		return nil, fmt.Errorf("marshal %s: %w", a, ErrClosed)
	}
	if a.name == "" {
		return nil, fmt.Errorf("marshal %s: %w: it has none", a, ErrName)
	}
	return []byte(a.name), nil
}

// Unlink removes the name, if there is one. The memory stays usable for whoever
// is attached. It returns ErrNotExist when somebody has removed it before, and
// ErrBusy while a process that is stopped is about to.
func (a *attachment) Unlink() error {
	if a.name == "" {
		return nil
	}
	return shmfile.Unlink(a.name)
}

// Close detaches this handle from the memory; others stay, and so does the name, but
// for what the object's Owner says. While
// this process holds a lock in the memory it returns ErrBusy and changes
// nothing. Calls that wait for a lock give up with ErrClosed. Pointers and
// slices that were handed out lead to private zero memory from then on; they
// must not be in use meanwhile. Closing again does nothing.
func (a *attachment) Close() error {
	a.closing.Lock()
	defer a.closing.Unlock()
	if !a.open.Load() {
		return nil
	}
	// Ask before anybody is disturbed. A truncated file cannot be asked whether it
	// holds locks: it has lost them.
	err := a.guard(func() error { return robust.Forget(a.m.Bytes()) })
	if err != nil && !errors.Is(err, ErrTruncated) {
		return fmt.Errorf("close %s: %w", a, err)
	}
	a.stop()
	a.calls.Lock() // waits for the calls under way
	defer a.calls.Unlock()
	if err := robust.Unmap(a.m); err != nil { // one of them has locked
		a.done, a.stop = context.WithCancel(context.Background())
		return fmt.Errorf("close %s: %w", a, err)
	}
	a.open.Store(false)
	return shmfile.Close(a.file)
}
