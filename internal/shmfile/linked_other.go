//go:build !linux

package shmfile

import "os"

// Linked is not available on this system.
func Linked(f *os.File) (bool, error) { return false, unsupported("stat") }
