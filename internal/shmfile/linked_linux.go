package shmfile

import (
	"fmt"
	"os"
	"syscall"
)

// Linked says whether the file still has a name. It may be called while another
// goroutine closes f: then the error is os.ErrClosed.
func Linked(f *os.File) (bool, error) {
	info, err := f.Stat()
	if err != nil {
		return false, fmt.Errorf("links of %s: %w", f.Name(), err)
	}
	return info.Sys().(*syscall.Stat_t).Nlink > 0, nil
}
