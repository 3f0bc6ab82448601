//go:build !linux

package mem

// Scratch is private memory for copies of pieces of something large, each at its place.
type Scratch struct{ b []byte }

// NewScratch takes size bytes.
func NewScratch(size int) (*Scratch, error) { return &Scratch{make([]byte, size)}, nil }

// Bytes returns all of it.
func (c *Scratch) Bytes() []byte { return c.b }

// Put copies a piece to its place.
func (c *Scratch) Put(off int, piece []byte) error {
	copy(c.b[off:off+len(piece)], piece)
	return nil
}

// Free gives everything back.
func (c *Scratch) Free() { c.b = nil }
