package semaphore

import (
	"errors"
	"os"

	"github.com/shmkit/shmkit/internal/robust"
	"github.com/shmkit/shmkit/internal/shmfile"
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

	// ErrNotHeld says that the caller does not hold the lock that it must hold.
	ErrNotHeld = errors.New("semaphore: lock is not held")

	// ErrRelock says that a wait on a Cond has ended, and that its lock could not
	// be locked again: it is not held. The error wraps the reason too.
	ErrRelock = errors.New("semaphore: lock again after a wait")

	// ErrTooManyProcesses says that as many living processes take part as there
	// is room for.
	ErrTooManyProcesses = errors.New("semaphore: too many processes")

	// ErrBusy says that this process holds a lock in the memory, or waits there: of
	// Forget, and of what may be called only by a process that does not wait.
	ErrBusy = robust.ErrBusy
)

// Errors of the arguments, and of what lies in the memory.
var (
	// ErrInvalid is os.ErrInvalid: a count that is negative, 0 where there must
	// be one, or larger than can ever be.
	ErrInvalid = os.ErrInvalid

	// ErrNotInitialized says that nobody has called Init.
	ErrNotInitialized = errors.New("semaphore: not initialized")

	// ErrCorrupt says that the memory holds what no operation leaves there.
	ErrCorrupt = shmfile.ErrCorrupt
)

// ErrBroken is returned by Barrier.Wait when not all parties came: one died, gave
// up, or failed in the action, or somebody called Abort or Reset.
var ErrBroken = errors.New("semaphore: barrier is broken")

// Errors of counting. The call has changed nothing.
var (
	// ErrNoPermits is returned by TryAcquire when there are not enough permits.
	ErrNoPermits = errors.New("semaphore: not enough permits")

	// ErrOverflow is returned by Release when there would be more permits than
	// the maximum, by Holder.Lock for one level too many, and by Cond.Wait for one
	// goroutine too many.
	ErrOverflow = errors.New("semaphore: more than the maximum")
)

// Errors of named semaphores.
var (
	// ErrName is returned for a name that cannot be a semaphore's.
	ErrName = shmfile.ErrName
	// ErrExist is fs.ErrExist: the name is taken.
	ErrExist = shmfile.ErrExist
	// ErrNotExist is fs.ErrNotExist: there is no semaphore of that name.
	ErrNotExist = shmfile.ErrNotExist
	// ErrForeign is returned for a file that is not a glibc sem_t.
	ErrForeign = shmfile.ErrForeign
	// ErrTruncated is returned when somebody has made the file smaller.
	ErrTruncated = shmfile.ErrTruncated
	// ErrClosed is os.ErrClosed: this handle, or the memory of the lock, has been
	// closed by this process.
	ErrClosed = os.ErrClosed
)
