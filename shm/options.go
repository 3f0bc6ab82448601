package shm

import (
	"fmt"
	"io/fs"

	"github.com/shmkit/shmkit/internal/shmfile"
)

// Exist says what a constructor does when the name is taken.
type Exist = shmfile.Exist

const (
	// ExistFail returns ErrExist. It is the default.
	ExistFail = shmfile.Fail
	// ExistOpen opens what is there and leaves it as it is. A Segment keeps its
	// size and an Array its length; use Size and Len.
	ExistOpen = shmfile.OpenExisting
	// ExistReplace puts a new object in the place of the old one, or returns
	// ErrBusy if a process uses that. For a moment the name leads nowhere. Programs
	// that do not open it through this library, such as Python, are not noticed;
	// they keep what they have attached.
	ExistReplace = shmfile.Replace
)

// Options of constructors. Nil means the defaults.
type Options struct {
	Exist Exist
	// Owner says when the name goes. With ExistOpen, an object that is there keeps its
	// own rule.
	Owner Owner
	// Scope is what the object goes with: it is closed with it, and if it was made here
	// its name is removed then, as with OwnerCreator, which Owner need not say.
	Scope *Scope

	// Mode is the permissions of the file, exactly these bits, whatever the umask
	// is; 0 is 0600. Group, if it is not 0, is the id of the group that the file is
	// given to; a process without privileges can give it to its own groups only.
	// What exists keeps what it has.
	Mode  fs.FileMode
	Group int

	// Seal makes an anonymous object that only this handle can store in, for
	// consumers that cannot cheat: whoever it travels to is attached read-only, and
	// the kernel refuses to let anybody write to the memory, or map it for that, in
	// any way (F_SEAL_FUTURE_WRITE, Linux 5.1). When this handle is closed, or the
	// process ends, it stays for ever as it is then. A process that may trace this
	// one (ptrace(2)) can still make it store.
	Seal bool

	// Huge asks for huge pages; see Huge. They cost fewer misses in the page table
	// for large memory that is accessed at random, and up to a page (2 MiB on most
	// machines) of memory that is not used.
	Huge Huge

	// Sparse leaves a Segment without memory at first; each page of it gets some
	// when it is first stored in. That costs the promise that memory is there: where
	// the system, or a named one's file system, has none left, an access through a
	// slice faults (SIGBUS), and ReadAt and WriteAt return ErrNoSpace. Segment's
	// Reserve gives a part memory in advance.
	Sparse bool

	// Grow lets an anonymous Segment grow (Segment.Grow). Without it, its size is
	// sealed. Named ones can always grow.
	Grow bool
}

// OpenOptions say how to attach. Nil means the defaults.
type OpenOptions struct {
	// Wait waits until the object exists, or the context ends.
	Wait bool
	// ReadOnly attaches without the right to write. Locks cannot be taken, and a
	// store through a pointer or slice faults.
	ReadOnly bool
}

// create returns the options for the file of a new object.
func (o *Options) create(name string) (f shmfile.Options, huge Huge, err error) {
	if o == nil {
		return f, HugeNone, nil
	}
	f = shmfile.Options{Exist: o.Exist, Owner: o.owner(), Mode: o.Mode, Group: o.Group, Seal: o.Seal, Growable: o.Grow && name == ""}
	if o.Sparse {
		f.Allocate = shmfile.None
	}
	switch {
	case o.Huge < HugeNone || o.Huge > HugeOnly:
		err = fmt.Errorf("%w: Huge is %d", ErrOptions, o.Huge)
	case o.Seal && o.Grow:
		err = fmt.Errorf("%w: nobody could store in what is added to sealed memory", ErrOptions)
	case o.Huge != HugeNone && (o.Sparse || o.Grow):
		err = fmt.Errorf("%w: huge pages are allocated at once, and for a fixed size", ErrOptions)
	case o.Huge == HugeOnly && name != "":
		err = fmt.Errorf("%w: huge pages cannot be reserved for a file with a name", ErrOptions)
	}
	return f, o.Huge, err
}

// whole refuses what only a Segment can be.
func (o *Options) whole() error {
	if o != nil && (o.Sparse || o.Grow) {
		return fmt.Errorf("%w: only a Segment can be sparse, or grow", ErrOptions)
	}
	return nil
}

func (o *Options) owner() Owner {
	if o == nil {
		return OwnerNone
	}
	return o.Scope.owner(o.Owner)
}

func (o *Options) scope() *Scope {
	if o == nil {
		return nil
	}
	return o.Scope
}

func (o *OpenOptions) file() shmfile.OpenOptions {
	if o == nil {
		return shmfile.OpenOptions{}
	}
	return shmfile.OpenOptions{Wait: o.Wait, ReadOnly: o.ReadOnly}
}

// Unlink removes a name from /dev/shm, whatever has it. Whoever is attached
// stays so; the memory is freed with the last of them. It returns ErrNotExist
// when there is no such name, and ErrBusy while a process that is stopped is about to
// remove it.
func Unlink(name string) error { return shmfile.Unlink(name) }
