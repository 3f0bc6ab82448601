//go:build linux

package mem

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Scratch is private memory for copies of pieces of something large, each at its place.
// What was not put there faults, so that nobody takes it for zeros.
type Scratch struct{ b []byte }

// NewScratch reserves size bytes of address space.
func NewScratch(size int) (*Scratch, error) {
	p, err := unix.MmapPtr(-1, 0, nil, uintptr(size), unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE)
	if err != nil {
		return nil, fmt.Errorf("reserve %d bytes of address space: %w", size, err)
	}
	return &Scratch{unsafe.Slice((*byte)(p), size)}, nil
}

// Bytes returns all of it.
func (c *Scratch) Bytes() []byte { return c.b }

// Put copies a piece to its place. The rest of its pages becomes zeros, if nothing is
// there yet.
func (c *Scratch) Put(off int, piece []byte) error {
	_ = c.b[off : off+len(piece)]
	page := unix.Getpagesize()
	from, to := off&^(page-1), (off+len(piece)+page-1)&^(page-1)
	if err := unix.Mprotect(unsafe.Slice(unsafe.SliceData(c.b[from:]), to-from), unix.PROT_READ|unix.PROT_WRITE); err != nil {
		return fmt.Errorf("take memory for a copy: %w", err)
	}
	copy(c.b[off:], piece)
	return nil
}

// Free gives everything back. Nobody may use it any more.
func (c *Scratch) Free() {
	_ = unix.MunmapPtr(unsafe.Pointer(unsafe.SliceData(c.b)), uintptr(len(c.b)))
}
