package shm

import "github.com/shmkit/shmkit/internal/shmfile"

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
}

// OpenOptions say how to attach. Nil means the defaults.
type OpenOptions struct {
	// Wait waits until the object exists, or the context ends.
	Wait bool
	// ReadOnly attaches without the right to write. Locks cannot be taken, and a
	// store through a pointer or slice faults.
	ReadOnly bool
}

func (o *Options) exist() Exist {
	if o == nil {
		return ExistFail
	}
	return o.Exist
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
