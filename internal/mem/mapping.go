package mem

import "errors"

// ErrClosed is returned by methods of a closed Mapping.
var ErrClosed = errors.New("mapping is closed")

// Options say what is mapped, and how.
type Options struct {
	// ReadOnly maps without the right to write: a store faults.
	ReadOnly bool
	// Truncatable says that somebody may shrink the file (a named file; a
	// memfd without F_SEAL_SHRINK): its robust cells then hang on keepers of
	// their own, which a truncation may cut off (see internal/robust).
	Truncatable bool
	// HugePage is the size in bytes of the huge pages of which the file consists, 0
	// if it is of ordinary ones.
	HugePage int
}

// Mapping is a file, or one of which a part is mapped twice (MapRing), in memory.
type Mapping struct {
	bytes  []byte
	opts   Options
	off    uintptr // offset in the arena of what was taken there
	room   uintptr // its size; without arena, the size of the mapping
	placed bool    // in the arena
	closed bool
}

// Bytes returns the mapped range. After Close the slice is still readable and
// writable, but is zero memory of this process alone.
func (m *Mapping) Bytes() []byte { return m.bytes }
