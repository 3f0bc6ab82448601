package robust

import "github.com/shmkit/shmkit/internal/mem"

// An Anchor lies in a struct in shared memory of which each process keeps
// something to itself: its seat in the struct's table, who waits. The anchor's
// own bytes are not used; they find the process's Local.
type Anchor struct {
	_ [2]mem.Uint64
}

// Local is what this process keeps to itself about a struct in shared memory.
type Local interface {
	// Leave is called when the memory is about to go. It gives back what the
	// process holds for as long as it takes part, and returns ErrBusy if it is
	// in use. A process that has left may come again, with a new Local.
	Leave() error
}
