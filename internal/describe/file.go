package describe

import (
	"errors"
	"fmt"
	"io"

	"github.com/shmkit/shmkit/internal/shmfile"
)

// File is what is described. It is read only.
type File struct {
	r    io.ReaderAt
	size int64
}

// NewFile describes what r holds, which has that size.
func NewFile(r io.ReaderAt, size int64) *File { return &File{r, size} }

// Size is the file's, when it was opened, in bytes.
func (f *File) Size() int64 { return f.size }

// mostRead is how much is read in one piece.
const mostRead = 64 << 20

// Read returns a copy of n bytes, which begins at a multiple of 8 in memory. ErrTruncated:
// the file has not so many; ErrCorrupt: n makes no sense.
func (f *File) Read(off, n int64) ([]byte, error) {
	if off < 0 || n < 0 || n > mostRead {
		return nil, fmt.Errorf("%w: %d bytes at %d", shmfile.ErrCorrupt, n, off)
	}
	if off > f.size || n > f.size-off {
		return nil, fmt.Errorf("%w: %d bytes at %d of %d", shmfile.ErrTruncated, n, off, f.size)
	}
	b := aligned(n)
	got, err := f.r.ReadAt(b, off)
	if got == len(b) {
		return b, nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = fmt.Errorf("%w: %d bytes at %d, %d are left", shmfile.ErrTruncated, n, off, got)
	}
	return nil, err
}
