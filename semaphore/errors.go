package semaphore

import (
	"errors"

	"github.com/shmkit/shmkit/internal/robust"
)

// Errors of Lock and its kin. None of them leaves the lock held.
var (
	// ErrOwnerDied says that the process which held the lock died, so that
	// what the lock protects may be half changed. Every attempt gives it until
	// somebody repairs it (Mutex.LockRepair).
	ErrOwnerDied = errors.New("semaphore: owner died")

	// ErrNotRecoverable says that a C process took over from a dead owner and
	// gave up (it unlocked without pthread_mutex_consistent). It is final.
	ErrNotRecoverable = errors.New("semaphore: state not recoverable")

	// ErrLocked is returned by TryLock when somebody holds the lock.
	ErrLocked = errors.New("semaphore: locked")

	// ErrTooManyProcesses says that as many living processes take part as there
	// is room for.
	ErrTooManyProcesses = errors.New("semaphore: too many processes")

	// ErrBusy is returned by Forget when this process holds a lock in the memory.
	ErrBusy = robust.ErrBusy
)
