package shmfile

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Linked says whether an open file still has a name.
func Linked(f *os.File) (bool, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return false, fmt.Errorf("stat %s: %w", f.Name(), err)
	}
	return st.Nlink > 0, nil
}
