package ringbuf

import (
	"fmt"

	"github.com/shmkit/shmkit/internal/robust"
	"github.com/shmkit/shmkit/internal/shmfile"
)

// close unmaps the object. Nobody of this process uses it any more.
func (f *callFile) close() error {
	if err := robust.Unmap(f.m); err != nil {
		return fmt.Errorf("close %q: %w", f.name, err)
	}
	return f.file.Close()
}

// removed says whether the name has gone from the file.
func (f *callFile) removed() bool {
	linked, err := shmfile.Linked(f.file)
	return err == nil && !linked
}
