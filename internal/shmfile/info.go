package shmfile

import (
	"io/fs"
	"time"
)

// Info is what can be told about a file in /dev/shm without touching it.
type Info struct {
	Name string
	// Kind is what the header says: "value", "ring"; without one "semaphore" if the
	// name and the size are those of a named semaphore, "segment" if it is ours
	// otherwise (so a ShareableList is a segment), "file" if it is unknown.
	Kind      string
	Size      int64       // bytes
	Allocated int64       // bytes of memory really used
	Mode      fs.FileMode // permissions
	UID, GID  int
	// Created is when the file was made, zero where the kernel does not keep that for
	// shared memory (Linux before 5.19).
	Created time.Time
	// Ours says that it has our header, or an owner rule, or is used by a process
	// through this library.
	Ours bool
	// Owner is the rule by which the name goes. OwnerCreator is told while the
	// creator has the object open; from then on the rule is OwnerUsers.
	Owner Owner
	// Creator is the pid of the process that made it, if the header or the creator's
	// lock tells, 0 otherwise.
	Creator int
	// Attached are the pids of those that use it through this library, in ascending
	// order. A process in another pid namespace has the pid that it has there.
	Attached []int
	// Orphan says that nobody uses it and its owner rule says that it should be gone.
	Orphan bool
	// Err says why not everything could be told, what is wrong with the header, or why
	// Sweep left an orphan.
	Err error
}

// SweepOptions of Sweep. Nil means the defaults.
type SweepOptions struct {
	// DryRun removes nothing.
	DryRun bool
	// Match says which orphans are meant; nil is all.
	Match func(Info) bool
}
