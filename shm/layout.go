package shm

import (
	"github.com/shmkit/shmkit/internal/mem"
	"github.com/shmkit/shmkit/internal/shmfile"
)

// Everything but a segment and a list (list_layout.go) begins with the header of package shmfile. What
// follows:
//
//	Object[T]  offset      size       field
//	              128  sizeof(T)  the T
//
//	Array[T]   offset         size  field
//	              128           48  lock: semaphore.Mutex, of glibc's layout
//	              256  n×sizeof(T)  the elements, as in a Go or C array
//
//	Value[T]   offset       size  field                       written by
//	              128         48  lock: semaphore.Mutex       who locks
//	              256          8  commits: number of stores   who holds the lock
//	              384  sizeof(T)  slot 0: current while       who holds the lock, while
//	                              commits is even             commits is odd
//	           384 +s  sizeof(T)  slot 1: current while       who holds the lock, while
//	                              commits is odd              commits is even
//
// where s, the stride of the slots, is sizeof(T) rounded up to 128: what one
// process reads while another writes lies on other cache lines. A header's
// sizes are {n, sizeof(T)}; n is 1 for an object and a value. Behind all that lies the
// text that describes T, where the header says.
const (
	objectOffset   = shmfile.HeaderSize
	lockOffset     = shmfile.HeaderSize
	elementsOffset = lockOffset + mem.Line
	commitsOffset  = lockOffset + mem.Line
	slotsOffset    = commitsOffset + mem.Line
)

// slotStride is the distance of a value's two slots, for values of size bytes.
func slotStride(size int) int { return (size + mem.Line - 1) &^ (mem.Line - 1) }
