package shm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
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
	grown       growth
	truncatable bool
	readOnly    bool

	closing sync.Mutex // held by Close, and by what must not meet it
	open    atomic.Bool

	held race.Addr // the lock in the memory, for the race detector

	// turn is what a call needs that does not wait; see turn.go.
	turn turn

	// calls is held shared by every call that takes a lock in the memory, and by
	// Close alone; done ends when Close wants the waiting ones to give up.
	calls sync.RWMutex
	done  context.Context
	stop  context.CancelFunc
}

// attach takes over f, and m if it is new and mapped already: through that map it may
// be stored in, whatever has been sealed since.
func (a *attachment) attach(kind, name string, f *os.File, m *mem.Mapping, size int64) error {
	a.kind, a.name, a.file = kind, name, f
	a.truncatable = name != "" || m == nil && shmfile.Truncatable(f)
	if m == nil {
		a.readOnly = shmfile.ReadOnly(f) || shmfile.WriteSealed(f)
		var err error
		m, err = mem.Map(f, int(size), a.mapped())
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

// mapped says how the file is mapped.
func (a *attachment) mapped() mem.Options {
	return mem.Options{ReadOnly: a.readOnly, Truncatable: a.truncatable, HugePage: shmfile.HugePage(a.file)}
}

// memory returns all that is mapped, nil before there is any.
func (a *attachment) memory() []byte {
	if m := a.grown.latest.Load(); m != nil {
		return m.Bytes()
	}
	if a.m == nil {
		return nil
	}
	return a.m.Bytes()
}

// ReadOnly says whether this handle may only load: it was opened so, or the object
// is sealed (Options.Seal) and was created by somebody else.
func (a *attachment) ReadOnly() bool { return a.readOnly }

// HugeBytes returns how many bytes of the memory are mapped by huge pages in this
// process now, see Options.Huge. It asks the kernel, which looks at all maps of the
// process. With reserved pages that is all of it; those that the kernel makes are
// counted when they have been touched, and may come and go.
func (a *attachment) HugeBytes() (int, error) {
	a.closing.Lock()
	defer a.closing.Unlock()
	if !a.open.Load() {
		return 0, fmt.Errorf("huge pages of %s: %w", a, ErrClosed)
	}
	n, err := hugeBytes(a.memory())
	if err != nil {
		return 0, fmt.Errorf("huge pages of %s: %w", a, err)
	}
	return n, nil
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
		return fmt.Sprintf("anonymous %s (%d bytes)", a.kind, len(a.memory()))
	}
	return fmt.Sprintf("%s %q (%d bytes)", a.kind, a.name, len(a.memory()))
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
	if filepath.IsAbs(a.name) { // which no name in /dev/shm is
		return shmfile.UnlinkPath(a.name)
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
	err := a.grown.each(a.m, func(m *mem.Mapping) error {
		return a.guardIn(m.Bytes(), func() error { return robust.Forget(m.Bytes()) })
	})
	if err != nil && !errors.Is(err, ErrTruncated) && !errors.Is(err, ErrNoSpace) { // nor can a hole
		return fmt.Errorf("close %s: %w", a, err)
	}
	a.stop()
	a.calls.Lock() // waits for the calls under way
	defer a.calls.Unlock()
	free := a.turn.shut()
	if err := a.grown.each(a.m, robust.Unmap); err != nil { // one of them has locked
		a.done, a.stop = context.WithCancel(context.Background())
		if free {
			a.turn.open()
		}
		return fmt.Errorf("close %s: %w", a, err)
	}
	a.open.Store(false)
	return shmfile.Close(a.file)
}
