package ringbuf

import (
	"errors"
	"fmt"
	"runtime/debug"
)

// guard runs f on memory whose file may be truncated by other processes: a
// fault becomes ErrTruncated.
func guard(f func() error) (err error) {
	old := debug.SetPanicOnFault(true)
	defer func() {
		debug.SetPanicOnFault(old)
		if r := recover(); r != nil {
			fault, ok := r.(interface{ Addr() uintptr })
			if !ok {
				panic(r)
			}
			err = fmt.Errorf("%w: access at %#x failed", ErrTruncated, fault.Addr())
		}
	}()
	return f()
}

// guard runs f, one call of this end. A fault breaks the end.
func (e *end) guard(f func() error) error {
	err := guard(f)
	if errors.Is(err, ErrTruncated) && e.broken == nil {
		_ = e.breaks(err)
	}
	if errors.Is(err, ErrTruncated) {
		e.leave() // which the fault has skipped
	}
	return err
}

func (e *end) guardN(f func() (int, error)) (n int, err error) {
	err = e.guard(func() (err error) { n, err = f(); return })
	return n, err
}
