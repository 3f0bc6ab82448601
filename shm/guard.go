package shm

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/shmkit/shmkit/internal/shmfile"
)

// guard runs f, which accesses the mapped memory and nothing else. If the file
// was truncated under it, the fault becomes ErrTruncated. Sealed memory cannot
// fault and needs no guard.
func (a *attachment) guard(f func() error) (err error) {
	if !a.truncatable {
		return f()
	}
	return a.guardIn(a.memory(), f)
}

// guardIn is guard for f that accesses b. If b lies in the file and there is no
// memory for it (Options.Sparse), the fault becomes ErrNoSpace.
func (a *attachment) guardIn(b []byte, f func() error) (err error) {
	old := debug.SetPanicOnFault(true)
	defer func() {
		debug.SetPanicOnFault(old)
		if r := recover(); r != nil {
			err = a.faulted(b, r)
		}
	}()
	return f()
}

// faulted returns the error for a recovered fault in the mapped memory. Every
// other panic goes on.
func (a *attachment) faulted(b []byte, r any) error {
	fault, ok := r.(interface {
		runtime.Error
		Addr() uintptr
	})
	if !ok || !within(b, fault.Addr()) {
		panic(r)
	}
	if size, err := shmfile.Size(a.file); err == nil && offsetIn(b, fault.Addr()) < size {
		return fmt.Errorf("%s: %w: there is no page for offset %d", a, ErrNoSpace, offsetIn(b, fault.Addr()))
	}
	return fmt.Errorf("%s: %w", a, ErrTruncated)
}
