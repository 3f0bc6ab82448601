package ringbuf

import (
	"fmt"

	"github.com/shmkit/shmkit/internal/robust"
	"github.com/shmkit/shmkit/internal/shmfile"
)

// close unmaps the object, when the last of this process's users closes it.
func (f *callFile) close() error {
	if f.users.Add(-1) > 0 {
		return nil
	}
	if err := robust.Unmap(f.m); err != nil {
		f.users.Add(1)
		return fmt.Errorf("close %q: %w", f.name, err)
	}
	return shmfile.Close(f.file)
}

// removed says whether the name has gone from the file.
func (f *callFile) removed() bool {
	linked, err := shmfile.Linked(f.file)
	return err == nil && !linked
}
