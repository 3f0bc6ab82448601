package semaphore_test

import (
	"unsafe"

	"github.com/shmkit/shmkit/semaphore"
)

func mutexAt(b []byte) *semaphore.Mutex { return (*semaphore.Mutex)(unsafe.Pointer(&b[0])) }
