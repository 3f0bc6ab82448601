package semaphore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/shmkit/shmkit/internal/mem"
	"github.com/shmkit/shmkit/internal/shmfile"
)

// Exist says what Open does when the name is taken. It is the Exist of package
// shm.
type Exist = shmfile.Exist

const (
	// ExistFail returns ErrExist. It is the default.
	ExistFail = shmfile.Fail
	// ExistOpen opens what is there and leaves its value as it is.
	ExistOpen = shmfile.OpenExisting
	// ExistReplace puts a new semaphore in the place of the old one, or returns
	// ErrBusy if a process uses that. For a moment the name leads nowhere.
	// Programs in C and Python are not noticed; they keep what they have opened.
	ExistReplace = shmfile.Replace
)

// OpenOptions say what Open does. Nil is the zero value: open what is there.
type OpenOptions struct {
	// Create makes the semaphore, with Value permits, as O_CREAT does. What
	// happens if the name is taken says Exist.
	Create bool
	Exist  Exist
	Value  int
	// Max is how many permits there can be, 0 for as many as fit. It binds Go
	// programs only. C and Python cannot store theirs: what they made gets the
	// Max of the first Go program that opens it with one.
	Max int
	// Owner says when the name of what this Open makes goes; default OwnerNone. A
	// semaphore that is there keeps its own rule.
	Owner Owner
}

// Owner says when the name goes without an Unlink. It is the Owner of package shm.
type Owner = shmfile.Owner

const (
	// OwnerNone: the name stays until Unlink. It is the default.
	OwnerNone = shmfile.OwnerNone
	// OwnerCreator: the name goes when the Named that made the semaphore is closed, or
	// its process ends with proc.Exit. If it is killed, it is as with OwnerUsers.
	OwnerCreator = shmfile.OwnerCreator
	// OwnerUsers: the name goes when the last process that has the semaphore open
	// closes it, or ends with proc.Exit. Programs in C and Python are not noticed; they
	// keep what they have opened.
	OwnerUsers = shmfile.OwnerUsers
)

// filePrefix is what glibc puts before the name.
const filePrefix = "sem."

const maxSemName = 255 - len(filePrefix)

// fileName returns the name of the file in /dev/shm. As in sem_open, leading
// slashes do not count.
func fileName(name string) (string, error) {
	bare := strings.TrimLeft(name, "/")
	switch {
	case bare == "":
		return "", fmt.Errorf("%w: %q is empty", ErrName, name)
	case len(bare) > maxSemName:
		return "", fmt.Errorf("%w: %d bytes, the limit is %d", ErrName, len(bare), maxSemName)
	}
	return filePrefix + bare, shmfile.CheckName(filePrefix + bare)
}

// Open opens the named semaphore, or makes it, as o says. The name is that of
// sem_open: leading slashes do not count, others and NUL are not allowed, and it
// may have 251 bytes. A semaphore is made in a file without a name and published
// when it is whole; its mode is 0600. The errors are ErrName; ErrInvalid for a
// value or maximum; ErrNotExist, ErrExist, ErrBusy; ErrForeign for a file that
// is no sem_t; ErrCorrupt; and what the system says.
func Open(name string, o *OpenOptions) (*Named, error) {
	if o == nil {
		o = &OpenOptions{}
	}
	file, err := fileName(name)
	if err != nil {
		return nil, fmt.Errorf("open semaphore: %w", err)
	}
	n := &Named{name: name}
	if err := n.attach(file, o); err != nil {
		return nil, fmt.Errorf("open semaphore %q: %w", name, err)
	}
	return n, nil
}

func (n *Named) attach(file string, o *OpenOptions) error {
	// The bytes of a new one; they also say whether the counts are possible.
	var fresh Semaphore
	if err := fresh.Init(o.Value, o.Max); err != nil {
		return err
	}
	var f *os.File
	var err error
	if o.Create {
		f, _, err = shmfile.Create(file, semSize, shmfile.Options{Exist: o.Exist, Owner: o.Owner, Fill: func(f *os.File) error {
			_, err := f.WriteAt(bytesOfSemaphore(&fresh), 0)
			return err
		}})
	} else {
		f, err = shmfile.Open(context.Background(), file, shmfile.OpenOptions{})
	}
	if err != nil {
		return err
	}
	if err := n.mmap(f); err != nil {
		shmfile.Abandon(f)
		return err
	}
	n.sem = semaphoreAt(n.m.Bytes())
	n.done, n.stop = context.WithCancel(context.Background())
	n.open = true
	if err := n.call(func() error { return n.sem.adopt(o.Max) }); err != nil {
		err = errors.Join(err, n.Close())
		shmfile.Abandon(f)
		return err
	}
	if shmfile.Ruled(f) {
		n.file = f
		return nil
	}
	return shmfile.Close(f) // the mapping keeps the file, and its locks
}

func (n *Named) mmap(f *os.File) error {
	size, err := shmfile.Size(f)
	if err != nil {
		return err
	}
	if size != semSize {
		return fmt.Errorf("%w: file of %d bytes, a sem_t has %d", ErrForeign, size, semSize)
	}
	n.m, err = mem.Map(f, semSize, mem.Options{Truncatable: true})
	return err
}

// adopt checks a semaphore that was found, and gives it a maximum if it has none.
func (s *Semaphore) adopt(max int) error {
	switch err := s.check(); {
	case errors.Is(err, ErrNotInitialized):
		return fmt.Errorf("%w: not a sem_t that processes share", ErrForeign)
	case err != nil:
		return err
	}
	if max > 0 {
		s.sem.max.CompareAndSwap(0, uint32(max))
	}
	return nil
}

// Unlink removes the name, whoever made the semaphore. Those who have it open
// keep it. It returns ErrNotExist when there is no such name, and ErrBusy while a
// process that is stopped is about to remove it.
func Unlink(name string) error {
	file, err := fileName(name)
	if err == nil {
		err = shmfile.Unlink(file)
	}
	if err != nil {
		return fmt.Errorf("unlink semaphore: %w", err)
	}
	return nil
}
