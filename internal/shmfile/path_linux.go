package shmfile

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// CreatePath is Create for a file anywhere, whose path is absolute. The file system
// must know O_TMPFILE, as ext4, xfs, btrfs and tmpfs do. When it returns, the name
// is on the disk; what the file holds is there when it has been synced.
func CreatePath(path string, size int64, o Options) (f *os.File, created bool, err error) {
	if err := o.check(size); err != nil {
		return nil, false, fmt.Errorf("create %q: %w", path, err)
	}
	if err := CheckPath(path); err != nil {
		return nil, false, fmt.Errorf("create: %w", err)
	}
	f, created, err = createAt(path, size, o)
	if err != nil || !created {
		return f, created, err
	}
	if err := syncDirectory(filepath.Dir(path)); err != nil {
		Abandon(f)
		return nil, false, fmt.Errorf("create %q: %w", path, err)
	}
	return f, true, nil
}

func syncDirectory(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// OpenPath is Open for a file anywhere, whose path is absolute.
func OpenPath(ctx context.Context, path string, o OpenOptions) (*os.File, error) {
	if err := CheckPath(path); err != nil {
		return nil, fmt.Errorf("open: %w", err)
	}
	return openAt(ctx, path, o)
}

// UnlinkPath is Unlink for a file anywhere.
func UnlinkPath(path string) error {
	if err := CheckPath(path); err != nil {
		return fmt.Errorf("unlink: %w", err)
	}
	if err := patiently(func() error { return unlink(path) }); err != nil {
		return fmt.Errorf("unlink %q: %w", path, err)
	}
	return nil
}
