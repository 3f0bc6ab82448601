package shm

import (
	"context"
	"fmt"
	"os"

	"github.com/shmkit/shmkit/internal/shmfile"
)

// Segment is raw shared memory: bytes, zero at first, whose meaning and
// synchronisation are up to its users. A named segment is byte for byte
// Python's multiprocessing.shared_memory.SharedMemory of the same name and
// size. (A Python before 3.13 removes the name of what it has only attached to
// when it exits, unless resource_tracker.unregister is called.)
//
// It implements encoding.TextMarshaler with its name, and, as an argument of
// package proc, encoding.BinaryMarshaler.
type Segment struct{ attachment }

// Create creates a segment of size bytes, anonymous if name is empty.
//
// Errors: ErrSize, ErrName, ErrExist, ErrBusy, ErrNoSpace, ErrNoDirectory, and
// the system's.
func Create(name string, size int, o *Options) (*Segment, error) {
	if err := o.scope().check(); err != nil {
		return nil, fmt.Errorf("shm: segment: %w", err)
	}
	f, _, err := shmfile.Create(name, int64(size), shmfile.Options{Exist: o.exist(), Owner: o.owner()})
	if err != nil {
		return nil, fmt.Errorf("shm: segment: %w", err)
	}
	s := new(Segment)
	if err := s.attachRaw(name, f); err != nil {
		return nil, err
	}
	if err := o.scope().admit(&s.attachment); err != nil {
		return nil, err
	}
	return s, nil
}

// Open attaches to a named segment, whoever created it. Its size is the file's.
//
// Errors: ErrName, ErrNotExist, ErrNoDirectory, ErrForeign (not a regular
// file), ErrTruncated (an empty one), ErrBusy, the system's, and with Wait
// those of ctx.
func Open(ctx context.Context, name string, o *OpenOptions) (*Segment, error) {
	s := new(Segment)
	if err := s.openRaw(ctx, name, o); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *Segment) openRaw(ctx context.Context, name string, o *OpenOptions) error {
	f, err := shmfile.Open(ctx, name, o.file())
	if err != nil {
		return fmt.Errorf("shm: segment: %w", err)
	}
	return s.attachRaw(name, f)
}

// attachRaw takes over f.
func (s *Segment) attachRaw(name string, f *os.File) error {
	size, err := shmfile.Size(f)
	if err == nil && size == 0 {
		err = fmt.Errorf("%s: %w: empty", f.Name(), ErrTruncated)
	}
	if err != nil {
		shmfile.Abandon(f)
		return fmt.Errorf("shm: segment: %w", err)
	}
	return s.attach("segment", name, f, nil, size)
}

// Bytes returns the memory. In a named segment an access faults if somebody has
// truncated the file; in an anonymous one none ever does.
func (s *Segment) Bytes() []byte {
	if s.m == nil {
		return nil
	}
	return s.m.Bytes()
}

// Size returns the number of bytes.
func (s *Segment) Size() int { return len(s.Bytes()) }

// Sync does nothing for memory, and waits for the disk where the file is on
// one.
func (s *Segment) Sync() error { return s.pages("sync", s.m.Sync) }

// Mlock keeps the segment out of swap, within RLIMIT_MEMLOCK, until Close.
func (s *Segment) Mlock() error { return s.pages("lock", s.m.Lock) }

// Prefault maps all pages now, so that no later access waits for the kernel.
func (s *Segment) Prefault() error {
	return s.pages("prefault", func() error { return prefault(s.Bytes(), s.readOnly) })
}

// pages does something with the mapping that must not meet Close.
func (s *Segment) pages(verb string, do func() error) error {
	s.closing.Lock()
	defer s.closing.Unlock()
	if !s.open.Load() {
		return fmt.Errorf("%s %s: %w", verb, s, ErrClosed)
	}
	if err := do(); err != nil {
		return fmt.Errorf("%s %s: %w", verb, s, err)
	}
	return nil
}

// MarshalText returns the segment's name, by which another process can attach.
// An anonymous segment has none: ErrName.
func (s *Segment) MarshalText() ([]byte, error) { return s.text() }

// UnmarshalText attaches a new Segment to the one of that name. It fails like
// Open, with ErrNotExist if the name is gone.
func (s *Segment) UnmarshalText(name []byte) error {
	if s.m != nil {
		return fmt.Errorf("unmarshal into %s: %w", s, ErrBusy)
	}
	return s.openRaw(context.Background(), string(name), nil)
}
