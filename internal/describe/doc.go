// Package describe shows people what lies in shared memory. It has the parts that
// all describers have in common; each kind of object and each type of lock has a
// describer of its own, in its own package, because it alone knows its bytes.
//
// # Nothing is disturbed
//
// A describer never takes a lock, never joins, never maps and never writes. It reads
// with pread(2) from a descriptor that was opened for reading only, into private
// memory, and looks at the copy. So a file that is truncated under it is an error and
// not a fault, a sealed file is as good as another, and holes stay holes: reading one
// through a mapping would give it memory.
//
// The price: what is read in one piece is not of one instant, and not even a word has
// to be, though in practice words are. It is for show.
//
// # Nothing is believed
//
// Each piece is read once, with its bounds checked first; from then on it cannot
// change. Garbage makes a description that says what is wrong, and says the rest: an
// error of one part is that part's. How much is read and how much is said is bounded,
// whatever the bytes say.
//
// A Description belongs to one goroutine.
package describe
