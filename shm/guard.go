package shm

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// guard runs f, which accesses the mapped memory and nothing else. If the file
// was truncated under it, the fault becomes ErrTruncated. Sealed memory cannot
// fault and needs no guard.
func (a *attachment) guard(f func() error) (err error) {
	if !a.truncatable {
		return f()
	}
	old := debug.SetPanicOnFault(true)
	defer func() {
		debug.SetPanicOnFault(old)
		if r := recover(); r != nil {
			err = a.faulted(r)
		}
	}()
	return f()
}

// faulted returns the error for a recovered fault in the mapped memory. Every
// other panic goes on.
func (a *attachment) faulted(r any) error {
	fault, ok := r.(interface {
		runtime.Error
		Addr() uintptr
	})
	if !ok || !within(a.m.Bytes(), fault.Addr()) {
		panic(r)
	}
	return fmt.Errorf("%s: %w", a, ErrTruncated)
}
