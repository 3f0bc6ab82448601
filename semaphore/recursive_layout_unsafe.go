package semaphore

import (
	"unsafe"

	"github.com/shmkit/shmkit/internal/robust"
)

// A RecursiveMutex is a robust.Cell, whose table says who writes what. Its Count
// is written by the holder alone, whose private count it repeats.
var (
	_ = [1]struct{}{}[unsafe.Sizeof(RecursiveMutex{})-48]
	_ = [1]struct{}{}[unsafe.Sizeof(RecursiveMutex{})-unsafe.Sizeof(robust.Cell{})]
)
