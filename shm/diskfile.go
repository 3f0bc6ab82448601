package shm

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/shmkit/shmkit/internal/shmfile"
)

// CreateFile creates a segment in a file anywhere, such as on a disk, whose name is
// its path. It is all that a named segment is: others attach with OpenFile, one that
// somebody uses is not replaced, and its memory is the page cache. The file stays
// when the last process that uses it ends, and when the machine does.
//
// What is stored reaches the disk at some time, in any order, page by page. Sync
// waits until all of it has; the name is there when CreateFile returns. Who wants
// more, such as records that are whole after a power failure, needs a log.
//
// All of the file is allocated, unless Options.Sparse: a full disk is ErrNoSpace
// now. The file system must know O_TMPFILE and shared maps, as ext4, xfs, btrfs,
// tmpfs and (since Linux 6.1) overlayfs do.
//
// Errors: those of Create; ErrNoDirectory if the directory does not exist, or its
// file system cannot do this.
func CreateFile(path string, size int, o *Options) (*Segment, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("shm: segment: %w", err)
	}
	s := new(Segment)
	if err := s.create(shmfile.CreatePath, path, size, o); err != nil {
		return nil, err
	}
	return s, nil
}

// OpenFile attaches to a file anywhere, whoever created it, as to a segment of the
// file's size.
//
// Errors: those of Open.
func OpenFile(ctx context.Context, path string, o *OpenOptions) (*Segment, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("shm: segment: %w", err)
	}
	s := new(Segment)
	if err := s.openRaw(ctx, shmfile.OpenPath, path, o); err != nil {
		return nil, err
	}
	return s, nil
}
