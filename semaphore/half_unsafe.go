package semaphore

import (
	"unsafe"

	"github.com/shmkit/shmkit/internal/mem"
)

// low is the half of a word to sleep on: the supported processors are
// little-endian.
func low(w *mem.Uint64) *mem.Uint32 { return (*mem.Uint32)(unsafe.Pointer(w)) }
