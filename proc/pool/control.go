package pool

import (
	"encoding/binary"
	"fmt"
	"io"
	"os"

	"github.com/shmkit/shmkit/internal/handle"
)

// control is the worker's end of a pipe from its pool. What comes through it are the
// numbers of batches that are to be cancelled. When it ends, the pool's process has: no
// worker outlives it, however it ended. Reading it takes no thread.
type control struct{ file *os.File }

const kindControl = "pool.control"

// newControl returns both ends.
func newControl() (theirs *control, ours *os.File, err error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	return &control{r}, w, nil
}

// MarshalBinary lets a control travel as part of a worker's argument.
func (c *control) MarshalBinary() ([]byte, error) {
	return handle.Put(handle.Handle{Kind: kindControl, File: c.file}, handle.Options{})
}

// UnmarshalBinary takes over what has travelled.
func (c *control) UnmarshalBinary(ref []byte) error {
	h, err := handle.Get(ref)
	if err != nil {
		return err
	}
	if h.Kind != kindControl || h.File == nil {
		if h.File != nil {
			h.File.Close()
		}
		return fmt.Errorf("%w: a %s", handle.ErrReference, h.Kind)
	}
	c.file = h.File
	return nil
}

// read calls cancel for each number, until the pool has gone.
func (c *control) read(cancel func(seq uint64)) {
	var b [8]byte
	for {
		if _, err := io.ReadFull(c.file, b[:]); err != nil {
			return
		}
		cancel(binary.LittleEndian.Uint64(b[:]))
	}
}

func writeCancel(w *os.File, seq uint64) {
	// An error means that the worker has gone, which is found out elsewhere.
	_, _ = w.Write(binary.LittleEndian.AppendUint64(nil, seq))
}
