package shm

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/shmkit/shmkit/internal/robust"
	"github.com/shmkit/shmkit/internal/shmfile"
	"github.com/shmkit/shmkit/semaphore"
)

// ShareableList is a list of fixed length whose items are of different types
// and may change them: integers (int64), floats (float64), booleans, strings,
// bytes and nil. A named one is byte for byte that of Python's
// multiprocessing.shared_memory.ShareableList: either side may create it, read it
// and change it. (A Python before 3.13 removes the name of what it has only
// attached to when it exits, unless resource_tracker.unregister is called.) Go
// programs among themselves are better served by a Value or Array.
//
// Every item has a slot, which never grows: 8 bytes, or those of the string or
// bytes that it was created with, rounded up to 8, and 8 more if that is exact.
// Python counts characters where it should count bytes, so a slot that it made
// can be too small for what it put there; reading that is ErrCorrupt. A list does
// not keep NULs at the end of strings and bytes. Python drops them silently; here
// they are refused, with ErrValue.
//
// An index may be negative, and counts from the end then: -1 is the last item.
//
// # With a lock, and without
//
// Python has no lock for its lists, and stores an item in three steps: format,
// code, bytes. So does a list without ListOptions.Locked. Whoever reads an item
// while another stores it may get one that never was there, or ErrCorrupt, and a
// process that dies in the middle leaves that. Only a number that replaces one
// of the same type is one store.
//
// A list with a lock has it behind the list, where Python does not look. Its
// methods take turns among all processes, and an item changes as a whole: who is
// killed while storing has stored it or not. Nothing needs to be repaired. Python
// can use such a list, but knows nothing of the lock: what it stores may be seen
// in part, and it may see in part what is stored here. So while Go programs
// store, let Python only read, or agree on turns by other means, such as a
// semaphore.Named. The same holds for who is attached read-only.
//
// It implements encoding.TextMarshaler with its name, and, as an argument of
// package proc, encoding.BinaryMarshaler.
type ShareableList struct {
	attachment
	bytes  []byte
	layout listLayout
	mutex  *semaphore.Mutex // nil if it has none
}

// ListOptions of NewShareableList. Nil means the defaults.
type ListOptions struct {
	// Exist says what to do when the name is taken. With ExistOpen the list that is
	// there keeps its items, and its lock if it has one.
	Exist Exist
	// Mode and Group are those of Options.
	Mode  fs.FileMode
	Group int
	// Locked gives the list a lock, for the processes that use this package. The
	// file is larger then: by some 400 bytes and the size of the largest slot.
	Locked bool
	// Owner says when the name goes, and Scope what the list goes with. See Options.
	Owner Owner
	Scope *Scope
}

// NewShareableList creates a list, anonymous if name is empty. The items are
// copied; all types of Go's integers, floats, booleans, strings and byte slices
// will do. To copy a list, pass what its Items returns.
//
// Errors: ErrValue and ErrTooLong for an item, ErrName, ErrExist, ErrBusy,
// ErrNoSpace, ErrNoDirectory, with ExistOpen those of OpenShareableList, and the
// system's.
func NewShareableList(name string, o *ListOptions, items ...any) (*ShareableList, error) {
	if o == nil {
		o = new(ListOptions)
	}
	if err := o.Scope.check(); err != nil {
		return nil, fmt.Errorf("shm: list: %w", err)
	}
	slots := make([]packed, len(items))
	for i, v := range items {
		var err error
		if slots[i], err = pack(v); err != nil {
			return nil, fmt.Errorf("shm: list: item %d: %w", i, err)
		}
	}
	b, err := newList(slots, o.Locked)
	if err != nil {
		return nil, fmt.Errorf("shm: list: %w", err)
	}
	f, _, err := shmfile.Create(name, int64(len(b)), shmfile.Options{
		Exist: o.Exist, Owner: o.Scope.owner(o.Owner), Mode: o.Mode, Group: o.Group,
		Fill: func(f *os.File) error { _, err := f.WriteAt(b, 0); return err },
	})
	if err != nil {
		return nil, fmt.Errorf("shm: list: %w", err)
	}
	l := new(ShareableList)
	if err := l.attachList(context.Background(), name, f, false); err != nil {
		return nil, err
	}
	if err := o.Scope.admit(&l.attachment); err != nil {
		return nil, err
	}
	return l, nil
}

// OpenShareableList attaches to a named list, whoever created it. Python makes
// room for a list under its name and then fills it; with Wait, a list that looks
// like that is waited for, too.
//
// Errors: ErrName, ErrNotExist, ErrNoDirectory, ErrBusy; those of what was found:
// ErrForeign (not a regular file), ErrTruncated, ErrCorrupt (no list, or not
// filled yet), ErrForeignNamespace (it has a lock); the system's, and with Wait
// those of ctx. The items are looked at when they are used.
func OpenShareableList(ctx context.Context, name string, o *OpenOptions) (*ShareableList, error) {
	f, err := shmfile.Open(ctx, name, o.file())
	if err != nil {
		return nil, fmt.Errorf("shm: list: %w", err)
	}
	l := new(ShareableList)
	if err := l.attachList(ctx, name, f, o != nil && o.Wait); err != nil {
		return nil, err
	}
	return l, nil
}

// attachList takes over f. With wait it waits until somebody has filled it.
func (l *ShareableList) attachList(ctx context.Context, name string, f *os.File, wait bool) error {
	size, err := shmfile.Size(f)
	if err == nil && size == 0 {
		err = fmt.Errorf("%w: empty", ErrTruncated)
	}
	if err != nil {
		shmfile.Abandon(f)
		return fmt.Errorf("shm: list: %w", err)
	}
	if err := l.attach("list", name, f, nil, size); err != nil {
		return err
	}
	filled, err := l.place()
	for wait && (!filled || err == nil && !l.coded()) {
		// Nobody tells when Python has filled it; it takes microseconds.
		select {
		case <-ctx.Done():
			l.detach()
			if err == nil {
				err = fmt.Errorf("%w: not filled yet", ErrCorrupt)
			}
			return fmt.Errorf("shm: list: open %q: %w while waiting: %w", name, ctx.Err(), err)
		case <-time.After(time.Millisecond):
			filled, err = l.place()
		}
	}
	if err != nil {
		l.detach()
		return fmt.Errorf("shm: list: %s: %w", f.Name(), err)
	}
	return nil
}

// place finds the list in the memory.
func (l *ShareableList) place() (filled bool, err error) {
	b, filled := l.m.Bytes(), true
	l.bytes = b
	err = l.guard(func() (err error) {
		if l.layout, filled, err = measure(b); err != nil || len(b) == l.layout.size() {
			return err
		}
		return l.layout.checkTrailer(b)
	})
	if err == nil && len(b) > l.layout.size() {
		l.mutex = at[semaphore.Mutex](b, l.layout.trailer()+trailerLock)
	}
	return filled, err
}

// coded says whether the codes have been written, which Python does last, from the
// first to the last: whether the last item that needs one has it.
func (l *ShareableList) coded() bool {
	coded := true
	_ = l.looking(func() error {
		for i := l.layout.n - 1; i >= 0; i-- {
			format := l.format(i)
			if format == formatInt || format == formatFloat || format == formatBool {
				continue
			}
			coded = l.bytes[l.layout.codes()+i] != codeNumber
			break
		}
		return nil
	})
	return coded
}

// detach undoes attach: as a list this handle has never been.
func (l *ShareableList) detach() {
	_ = robust.Unmap(l.m) // nothing is locked
	l.stop()
	l.open.Store(false)
	shmfile.Abandon(l.file)
	l.m, l.bytes, l.layout = nil, nil, listLayout{}
}

// Len returns the number of items.
func (l *ShareableList) Len() int { return l.layout.n }

// Locked says whether the list has a lock.
func (l *ShareableList) Locked() bool { return l.mutex != nil }

// MarshalText returns the list's name, by which another process can attach. An
// anonymous list has none: ErrName.
func (l *ShareableList) MarshalText() ([]byte, error) { return l.text() }

// UnmarshalText attaches a new ShareableList to the one of that name. It fails
// like OpenShareableList, with ErrNotExist if the name is gone.
func (l *ShareableList) UnmarshalText(name []byte) error {
	if l.m != nil {
		return fmt.Errorf("unmarshal into %s: %w", &l.attachment, ErrBusy)
	}
	f, err := shmfile.Open(context.Background(), string(name), shmfile.OpenOptions{})
	if err != nil {
		return fmt.Errorf("shm: list: %w", err)
	}
	return l.attachList(context.Background(), string(name), f, false)
}
