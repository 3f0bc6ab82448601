package semaphore

import "github.com/shmkit/shmkit/internal/robust"

// Forget must be called before memory that did not come from package shm, and
// in which this process has used locks, is unmapped or put to other use: the
// kernel reads it when the process dies. If this process holds one of the
// locks, Forget changes nothing and returns an error that wraps ErrBusy. Locks
// may be used again after Forget as long as the memory is mapped.
func Forget(b []byte) error { return robust.Forget(b) }
