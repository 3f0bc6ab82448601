package ringbuf

import (
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

func guardN(f func() (int, error)) (n int, err error) {
	err = guard(func() (err error) { n, err = f(); return })
	return n, err
}
