package proc

import (
	"github.com/shmkit/shmkit/internal/handle"
	"github.com/shmkit/shmkit/internal/wireerr"
	"github.com/shmkit/shmkit/ringbuf"
	"github.com/shmkit/shmkit/semaphore"
	"github.com/shmkit/shmkit/shm"
)

// A RemoteError is an error that a function returned in another process, or its panic. It
// has the text of the original, and it is, for errors.Is, each error of RegisterError that
// the original was, each of this library's, those of package context, io.EOF,
// io.ErrUnexpectedEOF, those of io/fs, and numbers of the system (syscall.Errno).
type RemoteError = wireerr.Error

// RegisterError names an error, so that in other processes of this program, too, a
// RemoteError is that error for errors.Is, and returns it. Assign the result to a
// package-level variable: it must be registered in both. It panics when the name is empty
// or taken.
//
//	var ErrBusy = proc.RegisterError("busy", errors.New("busy"))
func RegisterError(name string, err error) error { return wireerr.Register(name, err) }

// Tasks and methods return these of this library.
var _ = registerAll(map[string]error{
	"handle.ErrGone": handle.ErrGone,

	"semaphore.ErrOwnerDied": semaphore.ErrOwnerDied, "semaphore.ErrNotRecoverable": semaphore.ErrNotRecoverable,
	"semaphore.ErrLocked": semaphore.ErrLocked, "semaphore.ErrNotHeld": semaphore.ErrNotHeld,
	"semaphore.ErrRelock": semaphore.ErrRelock, "semaphore.ErrTooManyProcesses": semaphore.ErrTooManyProcesses,
	"semaphore.ErrNotInitialized": semaphore.ErrNotInitialized, "semaphore.ErrBroken": semaphore.ErrBroken,
	"semaphore.ErrNoPermits": semaphore.ErrNoPermits, "semaphore.ErrOverflow": semaphore.ErrOverflow,

	"shm.ErrRange": shm.ErrRange, "shm.ErrUnaligned": shm.ErrUnaligned, "shm.ErrReadOnly": shm.ErrReadOnly,

	"ringbuf.ErrOption": ringbuf.ErrOption, "ringbuf.ErrTooManyProcesses": ringbuf.ErrTooManyProcesses,
	"ringbuf.ErrFull": ringbuf.ErrFull, "ringbuf.ErrEmpty": ringbuf.ErrEmpty, "ringbuf.ErrTooLarge": ringbuf.ErrTooLarge,
	"ringbuf.ErrPeerDied": ringbuf.ErrPeerDied, "ringbuf.ErrNoConsumer": ringbuf.ErrNoConsumer,
	"ringbuf.ErrNoServer": ringbuf.ErrNoServer, "ringbuf.ErrDone": ringbuf.ErrDone,

	"proc.ErrNoMain": ErrNoMain, "proc.ErrNotRegistered": ErrNotRegistered, "proc.ErrArgument": ErrArgument,
	"proc.ErrDaemon": ErrDaemon, "proc.ErrNotPassed": ErrNotPassed, "proc.ErrRunning": ErrRunning,
	"proc.ErrSelf": ErrSelf, "proc.ErrStatusLost": ErrStatusLost, "proc.ErrItem": ErrItem,
	"proc.ErrTaskDone": ErrTaskDone, "proc.ErrOneWay": ErrOneWay, "proc.ErrTooLong": ErrTooLong,
	"proc.ErrMessageKind": ErrMessageKind, "proc.ErrDescriptors": ErrDescriptors, "proc.ErrNotWaitable": ErrNotWaitable,
})

func registerAll(named map[string]error) int {
	for name, err := range named {
		wireerr.Register(name, err)
	}
	return len(named)
}
