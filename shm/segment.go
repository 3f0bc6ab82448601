package shm

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"

	"github.com/shmkit/shmkit/internal/mem"
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
type Segment struct {
	attachment
	sparse bool        // it was created so by this handle
	holes  atomic.Bool // perhaps there is no memory for all of it
}

// Create creates a segment of size bytes, anonymous if name is empty.
//
// Errors: ErrSize, ErrName, ErrOptions, ErrExist, ErrBusy, ErrNoSpace,
// ErrNoDirectory, and the system's.
func Create(name string, size int, o *Options) (*Segment, error) {
	s := new(Segment)
	if err := s.create(shmfile.Create, name, size, o); err != nil {
		return nil, err
	}
	return s, nil
}

// create attaches to a new segment, or to an existing one if o says so.
func (s *Segment) create(create creator, name string, size int, o *Options) error {
	if err := o.scope().check(); err != nil {
		return fmt.Errorf("shm: segment: %w", err)
	}
	f, m, err := build(create, name, int64(size), o, func([]byte) {})
	if err != nil {
		return fmt.Errorf("shm: segment: %w", err)
	}
	if m == nil {
		err = s.attachRaw(name, f)
	} else {
		s.sparse = o != nil && o.Sparse
		s.holes.Store(s.sparse)
		err = s.attach("segment", name, f, m, int64(size))
	}
	if err != nil {
		return err
	}
	return o.scope().admit(&s.attachment)
}

// Open attaches to a named segment, whoever created it. Its size is the file's.
//
// Errors: ErrName, ErrNotExist, ErrNoDirectory, ErrForeign (not a regular
// file), ErrTruncated (an empty one), ErrBusy, the system's, and with Wait
// those of ctx.
func Open(ctx context.Context, name string, o *OpenOptions) (*Segment, error) {
	s := new(Segment)
	if err := s.openRaw(ctx, shmfile.Open, name, o); err != nil {
		return nil, err
	}
	return s, nil
}

// opener is shmfile.Open or its like.
type opener func(ctx context.Context, name string, o shmfile.OpenOptions) (*os.File, error)

func (s *Segment) openRaw(ctx context.Context, open opener, name string, o *OpenOptions) error {
	f, err := open(ctx, name, o.file())
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
	s.lookForHoles(f, size)
	return s.attach("segment", name, f, nil, size)
}

// Bytes returns the memory. In a named segment an access faults if somebody has
// truncated the file; in an anonymous one none ever does. So does an access to a
// sparse one when memory has ended.
func (s *Segment) Bytes() []byte { return s.memory() }

// Size returns the number of bytes that this handle has mapped, those of Bytes. The
// segment may have grown since, see Refresh.
func (s *Segment) Size() int { return len(s.Bytes()) }

// Sync writes what is in the memory to the disk, if the file is on one (see
// CreateFile), and returns when it is there (msync(2) with MS_SYNC). What is stored
// meanwhile may be there or not. For memory it does nothing.
func (s *Segment) Sync() error { return s.pages("sync", (*mem.Mapping).Sync) }

// Mlock keeps the segment out of swap until Close, and its pages in this process's
// page table, so that no access waits for the kernel. All of a sparse segment gets
// memory. The limit for all that a process without privileges has locked is
// RLIMIT_MEMLOCK, and the error says so.
func (s *Segment) Mlock() error {
	return s.pages("lock", func(m *mem.Mapping) error { return memlockError(m.Lock()) })
}

// Prefault maps all pages now, so that no later access waits for the kernel: about
// 0.1 µs a page once, and 8 bytes of page table a page. It does not keep them.
// It gives all of a sparse segment memory, unless that is attached read-only.
func (s *Segment) Prefault() error {
	return s.pages("prefault", func(m *mem.Mapping) error { return prefault(m.Bytes(), s.readOnly) })
}

// pages does something with the mapping that must not meet Close.
func (s *Segment) pages(verb string, do func(*mem.Mapping) error) error {
	s.closing.Lock()
	defer s.closing.Unlock()
	if !s.open.Load() {
		return fmt.Errorf("%s %s: %w", verb, s, ErrClosed)
	}
	m := s.m
	if g := s.grown.latest.Load(); g != nil {
		m = g
	}
	if err := do(m); err != nil {
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
	open := opener(shmfile.Open)
	if filepath.IsAbs(string(name)) { // of CreateFile or OpenFile
		open = shmfile.OpenPath
	}
	return s.openRaw(context.Background(), open, string(name), nil)
}
