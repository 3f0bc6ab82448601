package shm

import (
	"errors"
	"os"

	"github.com/shmkit/shmkit/internal/handle"
	"github.com/shmkit/shmkit/internal/plain"
	"github.com/shmkit/shmkit/internal/shmfile"
)

// TypeError reports a type that cannot live in shared memory. Path names the
// field, as in "Account.log[].next", and Reason says what it is, as "pointer".
type TypeError = plain.Error

// Errors of the arguments.
var (
	// ErrName is returned for a name that cannot be a file's: empty where one is
	// needed, ".", "..", longer than 255 bytes, or with a slash or NUL in it.
	ErrName = shmfile.ErrName
	// ErrSize is returned for a size or length that is not positive, or larger
	// than any memory.
	ErrSize = shmfile.ErrSize
	// ErrOptions is returned for options that contradict each other, or the object.
	ErrOptions = shmfile.ErrOptions
	// ErrRange is returned for an index or window outside the memory.
	ErrRange = errors.New("out of range")
	// ErrUnaligned is returned for a window at an offset that its type does not
	// allow.
	ErrUnaligned = errors.New("not aligned for its type")
	// ErrValue is returned for a value that a ShareableList cannot hold.
	ErrValue = errors.New("not a value for a list")
	// ErrTooLong is returned for a string or bytes that are too long for a slot of
	// a ShareableList.
	ErrTooLong = errors.New("too long")
	// ErrAbsent is returned for a value that is not in a ShareableList.
	ErrAbsent = errors.New("not in the list")
)

// Errors of creating and opening. None of them leaves anything behind.
var (
	// ErrExist is fs.ErrExist: the name is taken.
	ErrExist = shmfile.ErrExist
	// ErrNotExist is fs.ErrNotExist: there is nothing of that name.
	ErrNotExist = shmfile.ErrNotExist
	// ErrNoSpace is returned when there is not enough memory, or not enough of it
	// left in /dev/shm. It comes with the system's own error, such as ENOSPC.
	ErrNoSpace = shmfile.ErrNoSpace
	// ErrNoDirectory is returned for a name when this system has no usable
	// /dev/shm. Anonymous objects do not need it.
	ErrNoDirectory = shmfile.ErrNoDirectory
	// ErrBusy is returned by a constructor that would replace what somebody uses,
	// by Open while somebody replaces it, and by Close while this process holds a
	// lock in the memory. Nothing has changed.
	ErrBusy = shmfile.ErrBusy
	// ErrForeign is returned for a file that is not one of this library's.
	ErrForeign = shmfile.ErrForeign
	// ErrVersion is returned for an object of another version of the format.
	ErrVersion = shmfile.ErrVersion
	// ErrKind is returned for an object of another kind.
	ErrKind = shmfile.ErrKind
	// ErrLayout is returned for an object that holds another type.
	ErrLayout = shmfile.ErrLayout
	// ErrForeignNamespace is returned for an object that was created in another
	// pid namespace.
	ErrForeignNamespace = shmfile.ErrForeignNamespace
	// ErrCorrupt is returned for contents that contradict themselves.
	ErrCorrupt = shmfile.ErrCorrupt
)

// Errors of use.
var (
	// ErrTruncated is returned when somebody has made the file smaller than what
	// it holds.
	ErrTruncated = shmfile.ErrTruncated
	// ErrClosed is os.ErrClosed: this handle is closed, or was never opened.
	ErrClosed = os.ErrClosed
	// ErrReadOnly is returned by what stores or locks, on a read-only attachment.
	ErrReadOnly = errors.New("attached read-only")
	// ErrSealed is returned by Grow for an anonymous segment that was not created to
	// grow.
	ErrSealed = shmfile.ErrSealed
	// ErrNotTravelling is returned when a handle is marshalled in binary form
	// other than as an argument of another process.
	ErrNotTravelling = handle.ErrNotTravelling
)
