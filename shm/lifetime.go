package shm

import "github.com/shmkit/shmkit/internal/shmfile"

// Owner says when the name of an object goes without an Unlink.
type Owner = shmfile.Owner

const (
	// OwnerNone: the name stays until Unlink. It is the default.
	OwnerNone = shmfile.OwnerNone
	// OwnerCreator: the name goes when the handle that made the object is closed, or
	// its process ends with proc.Exit, though others may go on using what they have
	// open. If the creator is killed, it is as with OwnerUsers.
	OwnerCreator = shmfile.OwnerCreator
	// OwnerUsers: the name goes when the last process that has the object open closes
	// it, or ends with proc.Exit. Programs that do not open it through this library,
	// such as Python, are not noticed; they keep what they have attached. Processes of
	// another user of the machine may not remove the name: if one of them is the last,
	// the name is left to Sweep.
	OwnerUsers = shmfile.OwnerUsers
)

// Info is what List tells about a file in /dev/shm.
type Info = shmfile.Info

// SweepOptions of Sweep. Nil means the defaults.
type SweepOptions = shmfile.SweepOptions

// List tells about all regular files in /dev/shm, in the order of their names: the
// objects of this library, what Python and others have made, and named semaphores,
// whose names begin with "sem.". It takes no locks and changes nothing; objects that
// come or go meanwhile may be missing. What cannot be read has an Info.Err.
//
// Errors: ErrNoDirectory.
func List() ([]Info, error) { return shmfile.List() }

// Sweep removes the orphans of this user: objects with an owner rule that nobody
// uses, because those who did were killed. It returns them as they were. Orphans that
// it had to leave have an Info.Err: a program that takes no locks, such as one in
// Python, maps them, or may do so and belongs to another user. Nothing else is touched.
//
// An orphan is also removed by the next constructor that is given its name with
// ExistFail or ExistReplace. All that may run at the same time, in any number of
// processes, with others that open, create and close objects of the same names: no name
// is removed whose object is in use.
//
// Errors: ErrNoDirectory, and the system's; what was swept until then is returned.
func Sweep(o *SweepOptions) ([]Info, error) { return shmfile.Sweep(o) }
