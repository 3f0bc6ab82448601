package shm

import (
	"unsafe"

	"github.com/shmkit/shmkit/semaphore"
)

// The numbers of the table in layout.go, or this does not compile.
var (
	_ = [1]struct{}{}[objectOffset-128]
	_ = [1]struct{}{}[lockOffset-128]
	_ = [1]struct{}{}[elementsOffset-256]
	_ = [1]struct{}{}[commitsOffset-256]
	_ = [1]struct{}{}[slotsOffset-384]
	_ = [1]struct{}{}[unsafe.Sizeof(semaphore.Mutex{})-48]
)
