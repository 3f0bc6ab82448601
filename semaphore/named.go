package semaphore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"sync"

	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/mem"
	"github.com/shmkit/shmkit/internal/robust"
	"github.com/shmkit/shmkit/internal/shmfile"
)

// Named is an open POSIX named semaphore: the same file as that of glibc's
// sem_open, and of the locks and semaphores of Python's multiprocessing (whose
// name is lock._semlock.name). Its methods may be called from any goroutine.
//
// It behaves as the Semaphore in its file does, in all that is said there about
// order, fairness and death. Calls cost some four times as much, tens of
// nanoseconds, because they come to no harm when somebody truncates the file or
// closes the handle: then they return ErrTruncated or ErrClosed.
//
// Programs that use musl name and fill the file in another way: they have
// another semaphore of that name.
type Named struct {
	name string
	sem  *Semaphore
	m    *mem.Mapping
	file *os.File // nil unless the name has an owner rule

	// calls is held shared by every call, and by Close alone; done ends when
	// Close wants the waiting ones to give up. open changes under calls.
	calls sync.RWMutex
	open  bool
	done  context.Context
	stop  context.CancelFunc
}

// Name returns the name by which n was opened.
func (n *Named) Name() string { return n.name }

// Unlink is Unlink of n's name.
func (n *Named) Unlink() error { return Unlink(n.name) }

// Acquire is Semaphore.Acquire. ErrClosed: n was closed, perhaps meanwhile.
func (n *Named) Acquire(ctx context.Context, permits int) error {
	err := n.TryAcquire(permits)
	if !errors.Is(err, ErrNoPermits) {
		return err
	}
	return n.call(func() error {
		both, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(n.done, cancel)()
		err := n.sem.Acquire(both, permits)
		switch {
		case err == nil || !errors.Is(err, both.Err()):
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		}
		return n.errClosed()
	})
}

// TryAcquire is Semaphore.TryAcquire.
func (n *Named) TryAcquire(permits int) (err error) {
	if err := n.begin(); err != nil {
		return err
	}
	defer n.end(debug.SetPanicOnFault(true), &err)
	return n.sem.TryAcquire(permits)
}

// Release is Semaphore.Release.
func (n *Named) Release(permits int) (err error) {
	if err := n.begin(); err != nil {
		return err
	}
	defer n.end(debug.SetPanicOnFault(true), &err)
	return n.sem.Release(permits)
}

// Value returns how many permits there are, 0 if n is closed or its file was
// truncated. The answer may be out of date when it arrives.
func (n *Named) Value() (value int) {
	_ = n.call(func() error { value = n.sem.Value(); return nil })
	return value
}

// String is Semaphore.String with the name.
func (n *Named) String() string {
	text := ""
	if err := n.call(func() error { text = n.sem.String(); return nil }); err != nil {
		return fmt.Sprintf("Semaphore(%q, %v)", n.name, errors.Unwrap(err))
	}
	return strings.Replace(text, "(", fmt.Sprintf("(%q, ", n.name), 1)
}

// Close drops this handle; the semaphore stays, and so does its name, but for what its
// Owner says. Calls that wait give
// up with ErrClosed, later ones return it. Closing again does nothing.
func (n *Named) Close() error {
	n.stop()
	n.calls.Lock() // waits for the calls under way
	defer n.calls.Unlock()
	if !n.open {
		return nil
	}
	if err := robust.Unmap(n.m); err != nil {
		return fmt.Errorf("close semaphore %q: %w", n.name, err)
	}
	n.open = false
	if n.file == nil {
		return nil
	}
	return shmfile.Close(n.file)
}

func (n *Named) errClosed() error { return fmt.Errorf("semaphore %q: %w", n.name, ErrClosed) }

// call runs f, which uses the memory.
func (n *Named) call(f func() error) (err error) {
	if err := n.begin(); err != nil {
		return err
	}
	defer n.end(debug.SetPanicOnFault(true), &err)
	return f()
}

// begin keeps Close away until end.
func (n *Named) begin() error {
	n.calls.RLock()
	if !n.open {
		n.calls.RUnlock()
		return n.errClosed()
	}
	return nil
}

// end ends a call. If the memory was gone, err becomes ErrTruncated.
func (n *Named) end(panicOnFault bool, err *error) {
	debug.SetPanicOnFault(panicOnFault)
	n.calls.RUnlock()
	if r := recover(); r != nil {
		if _, fault := r.(interface{ Addr() uintptr }); !fault {
			panic(r)
		}
		*err = n.errTruncated()
	} else if *err != nil && errors.Is(*err, futex.ErrFault) {
		*err = n.errTruncated()
	}
}

func (n *Named) errTruncated() error { return fmt.Errorf("semaphore %q: %w", n.name, ErrTruncated) }
