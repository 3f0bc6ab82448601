//go:build !linux

package main

import "runtime"

// examine says that this is no Linux.
func examine() []finding {
	return []finding{{"kernel", missing, runtime.GOOS, "shmkit works on Linux only"}}
}
