package manager

import (
	"errors"
	"fmt"

	"github.com/shmkit/shmkit/internal/handle"
	"github.com/shmkit/shmkit/internal/wireerr"
	"github.com/shmkit/shmkit/proc"
)

func known(name, text string) error {
	return wireerr.Register("manager."+name, errors.New("manager: "+text))
}

// Of managers.
var (
	// ErrManagerGone is the error of every call to a manager that has ended, in whatever
	// way, at once, also of those that wait.
	ErrManagerGone = known("ErrManagerGone", "the manager has ended")

	// ErrClosed is returned after Close of a proxy or a manager.
	ErrClosed = proc.ErrClosed

	// ErrOption is returned for an option that is out of its range.
	ErrOption = known("ErrOption", "no such option")

	// ErrTooManyObjects says that Options.MaxObjects live.
	ErrTooManyObjects = known("ErrTooManyObjects", "too many objects")

	// ErrNotOwner is returned for the Shutdown of a manager that another process has
	// started.
	ErrNotOwner = known("ErrNotOwner", "another process has started the manager")

	// ErrAuth is returned when a manager and a process that connects do not have the same
	// key.
	ErrAuth = known("ErrAuth", "authentication failed")
)

// Of proxies.
var (
	// ErrGone says that the object has died: nobody held it any more, or the process that
	// sent it ended before it arrived.
	ErrGone = wireerr.Register("manager.ErrGone", fmt.Errorf("manager: %w", handle.ErrGone))

	// ErrArgument says that a value cannot travel, or cannot be put into a manager, such
	// as a proxy of another one, or an object in shared memory.
	ErrArgument = proc.ErrArgument

	// ErrValue says that a value that an object holds cannot be decoded as what was
	// asked for.
	ErrValue = known("ErrValue", "value of another type")

	// ErrKind is returned for a proxy that arrives as one of another kind.
	ErrKind = known("ErrKind", "object of another kind")

	// ErrMethod says that a type has no such method, or it is not exposed, or has other
	// arguments.
	ErrMethod = known("ErrMethod", "no such method")

	// ErrProtocol says that the manager and this process do not understand each other.
	ErrProtocol = known("ErrProtocol", "message that cannot be understood")
)

// Of containers.
var (
	// ErrKey says that there is no such key, attribute or element.
	ErrKey = known("ErrKey", "no such key")

	// ErrIndex says that an index is out of range.
	ErrIndex = known("ErrIndex", "index out of range")

	// ErrChanged says that keys came or went while they were iterated over.
	ErrChanged = known("ErrChanged", "changed during iteration")

	// ErrEmpty is returned instead of waiting for an item, and for the last of none.
	ErrEmpty = known("ErrEmpty", "empty")

	// ErrFull is returned instead of waiting for room.
	ErrFull = known("ErrFull", "full")
)

// errExhausted is the end of an iteration.
var errExhausted = known("errExhausted", "iteration has ended")

// Of locks.
var (
	// ErrNotHeld is returned for the release of what is not held, or not by the caller.
	ErrNotHeld = known("ErrNotHeld", "not held")

	// ErrLocked is returned instead of waiting.
	ErrLocked = known("ErrLocked", "locked")

	// ErrBroken is returned by a barrier that was broken.
	ErrBroken = known("ErrBroken", "barrier is broken")

	// ErrTaskDone is returned for more tasks done than were got.
	ErrTaskDone = known("ErrTaskDone", "no task is unfinished")
)

// Of lists.
var (
	// ErrTooLong says that a container would have more elements than it may.
	ErrTooLong = known("ErrTooLong", "too many elements")
)
