package shm

import (
	"context"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/shmkit/shmkit/internal/mem"
	"github.com/shmkit/shmkit/internal/shmfile"
)

// growth is what an attachment has mapped after its first map, because the file has
// grown. Each map is of the whole file, at an address of its own, and all of them
// stay until Close: pointers and slices lead somewhere. The bytes are the same.
type growth struct {
	mu     sync.Mutex // guards all
	all    []*mem.Mapping
	latest atomic.Pointer[mem.Mapping] // nil: the first map is the latest
}

// each calls do with every map, until it fails.
func (g *growth) each(first *mem.Mapping, do func(*mem.Mapping) error) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, m := range slices.Concat(g.all, []*mem.Mapping{first}) {
		if err := do(m); err != nil {
			return err
		}
	}
	return nil
}

// Grow makes the segment at least size bytes long, for everybody, and maps it; it
// never makes it shorter. What is added is zero. Its memory is there before anybody
// sees the new size, unless this handle has created it sparse. Several may grow it at once, in
// any number of processes, and die at any instant of that.
//
// Slices and windows that were taken before stay valid until Close, and so do those
// of other processes; they lead to the same memory. Bytes and Size are the new ones
// from then on. Other handles see them after Refresh, or when they attach. (The new
// slice has another address. A lock in the memory belongs to the address through
// which it was taken: a process must unlock it through that one.)
//
// A named segment can always grow, an anonymous one if it was created with
// Options.Grow. ctx bounds the wait for others that grow it.
//
// Errors: ErrSize, ErrNoSpace, ErrSealed, ErrReadOnly, ErrClosed, ErrTruncated,
// ctx's, and the system's. The segment is as long as it was then; only after an error
// of mapping may it have grown.
func (s *Segment) Grow(ctx context.Context, size int) error {
	if err := s.beginCall(); err != nil {
		return err
	}
	defer s.endCall()
	err := s.wait(ctx, func(ctx context.Context) error {
		return shmfile.Grow(ctx, s.file, int64(size), s.sparse)
	})
	if err != nil {
		return fmt.Errorf("%s: %w", s, err)
	}
	return s.refresh()
}

// Refresh maps all of a segment that others have grown, and returns its size. What
// Grow says about slices and locks holds here too.
//
// Errors: ErrClosed; ErrTruncated, if it is shorter than what this handle has
// mapped; the system's.
func (s *Segment) Refresh() (size int, err error) {
	s.calls.RLock()
	defer s.calls.RUnlock()
	if !s.open.Load() {
		return 0, fmt.Errorf("refresh %s: %w", s, ErrClosed)
	}
	if err := s.refresh(); err != nil {
		return s.Size(), err
	}
	return s.Size(), nil
}

// refresh must not meet Close.
func (s *Segment) refresh() error {
	s.grown.mu.Lock()
	defer s.grown.mu.Unlock()
	size, err := shmfile.Size(s.file)
	have := int64(s.Size())
	switch {
	case err != nil:
		return fmt.Errorf("refresh %s: %w", s, err)
	case size < have:
		return fmt.Errorf("refresh %s: %w: %d bytes are left", s, ErrTruncated, size)
	case size == have:
		return nil
	}
	m, err := mem.Map(s.file, int(size), s.mapped())
	if err != nil {
		return fmt.Errorf("refresh %s: %w", s, err)
	}
	s.lookForHoles(s.file, size)
	s.grown.all = append(s.grown.all, m)
	s.grown.latest.Store(m)
	return nil
}

// lookForHoles notes whether there is memory for all of the file.
func (s *Segment) lookForHoles(f *os.File, size int64) {
	if n, err := shmfile.Allocated(f); err == nil && n < size {
		s.holes.Store(true)
	}
}
