package shmfile

import (
	"fmt"
	"sync"

	"golang.org/x/sys/unix"
)

// Namespace returns the inode number of this process's pid namespace, which
// never changes during its life.
var Namespace = sync.OnceValues(func() (uint64, error) {
	var st unix.Stat_t
	if err := unix.Stat("/proc/self/ns/pid", &st); err != nil {
		return 0, fmt.Errorf("pid namespace: %w", err)
	}
	return st.Ino, nil
})
