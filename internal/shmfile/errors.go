package shmfile

import (
	"errors"
	"io/fs"

	"github.com/shmkit/shmkit/internal/robust"
)

// Errors of the arguments.
var (
	// ErrName is returned for a name that cannot be a file's: empty where one is
	// needed, ".", "..", longer than 255 bytes, or with a slash or NUL in it.
	ErrName = errors.New("invalid name")
	// ErrSize is returned for a size that is not positive, or is larger than any
	// memory.
	ErrSize = errors.New("invalid size")
	// ErrOptions is returned for options that contradict each other or the object.
	ErrOptions = errors.New("options that do not go together")
)

// Errors of creating and finding.
var (
	// ErrExist is returned when the name is taken.
	ErrExist = fs.ErrExist
	// ErrNotExist is returned when there is no object of that name.
	ErrNotExist = fs.ErrNotExist
	// ErrNoSpace is returned when there is not enough memory, or not enough of it
	// left in /dev/shm. It comes with the system's own error, such as ENOSPC.
	ErrNoSpace = errors.New("not enough shared memory")
	// ErrNoDirectory is returned when this system has no usable /dev/shm. Named
	// objects need it, anonymous ones do not.
	ErrNoDirectory = errors.New("no usable directory for named shared memory")
	// ErrBusy is returned by Replace when somebody uses the object, and by Open
	// while somebody replaces it.
	ErrBusy = robust.ErrBusy
)

// ErrSealed is returned by what a seal forbids: growing a memfd that was not made to
// grow.
var ErrSealed = errors.New("sealed")

// Errors of what was found, in the order in which they are looked for.
var (
	// ErrTruncated is returned for a file that is shorter than it has to be.
	ErrTruncated = errors.New("truncated")
	// ErrForeign is returned for a file that is not one of ours.
	ErrForeign = errors.New("not a shared object of this library")
	// ErrVersion is returned for an object of another version of the format.
	ErrVersion = errors.New("another version of the format")
	// ErrKind is returned for an object of another kind, such as a ring where an
	// array was expected.
	ErrKind = errors.New("another kind of object")
	// ErrForeignNamespace is returned for an object that was created in another
	// pid namespace: thread ids, by which its owners are known, mean nothing here.
	ErrForeignNamespace = errors.New("created in another pid namespace")
	// ErrLayout is returned when the object holds a type of another layout.
	ErrLayout = errors.New("another layout")
	// ErrCorrupt is returned for contents that contradict themselves.
	ErrCorrupt = errors.New("corrupt")
)
