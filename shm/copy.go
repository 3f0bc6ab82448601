package shm

import (
	"fmt"
	"io"
	"os"

	"github.com/shmkit/shmkit/internal/shmfile"
)

// ReadAt copies bytes of the segment, from off on, to p, and returns how many:
// fewer than len(p) only with an error, io.EOF where the segment ends before. Where
// an access through Bytes would fault it returns an error. Nothing keeps others from
// storing meanwhile.
//
// Errors: io.EOF, ErrRange (off is negative), ErrTruncated, ErrNoSpace (a hole of a
// sparse segment, and there is no memory), ErrClosed. After an error p may have
// changed.
func (s *Segment) ReadAt(p []byte, off int64) (n int, err error) {
	b, err := s.beginCopy("read", off)
	if err != nil {
		return 0, err
	}
	defer s.calls.RUnlock()
	if off >= int64(len(b)) {
		return 0, io.EOF
	}
	if err := s.copying(b, func() error { n = copy(p, b[off:]); return nil }); err != nil {
		return 0, err
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// WriteAt copies p to the segment, from off on. It does not grow it.
//
// Errors: ErrRange (it does not fit; nothing has changed), ErrReadOnly, and those of
// ReadAt, after which any part of it may have been stored.
func (s *Segment) WriteAt(p []byte, off int64) (n int, err error) {
	b, err := s.beginCopy("write", off)
	if err != nil {
		return 0, err
	}
	defer s.calls.RUnlock()
	switch {
	case s.readOnly:
		return 0, fmt.Errorf("write %s: %w", s, ErrReadOnly)
	case off > int64(len(b)) || len(p) > len(b)-int(off):
		return 0, fmt.Errorf("write %d bytes at %d of %s: %w", len(p), off, s, ErrRange)
	}
	if err := s.copying(b, func() error { n = copy(b[off:], p); return nil }); err != nil {
		return 0, err
	}
	return n, nil
}

// beginCopy keeps Close away until calls is unlocked.
func (s *Segment) beginCopy(verb string, off int64) ([]byte, error) {
	if off < 0 {
		return nil, fmt.Errorf("%s at %d of %s: %w", verb, off, s, ErrRange)
	}
	s.calls.RLock()
	if !s.open.Load() {
		s.calls.RUnlock()
		return nil, fmt.Errorf("%s %s: %w", verb, s, ErrClosed)
	}
	return s.memory(), nil
}

// copying is guard for what accesses b.
func (s *Segment) copying(b []byte, f func() error) error {
	if s.truncatable || s.holes.Load() {
		return s.guardIn(b, f)
	}
	return f()
}

// Reserve gives n bytes of a sparse segment memory, from off on, so that no access
// to them fails for want of it. What they hold stays.
//
// Errors: ErrRange, ErrNoSpace, ErrReadOnly, ErrClosed, and the system's. Some may
// have got memory then.
func (s *Segment) Reserve(off, n int) error {
	return s.part("reserve", off, n, func() error { return shmfile.Allocate(s.file, int64(off), int64(n)) })
}

// Release gives the memory of n bytes back to the system, from off on. They become
// zero, for everybody, and the segment is sparse. Both numbers must be multiples of
// the page size (os.Getpagesize), or reach to the end.
//
// Errors: ErrRange, ErrUnaligned, ErrReadOnly, ErrClosed, and the system's.
func (s *Segment) Release(off, n int) error {
	page := os.Getpagesize()
	if off%page != 0 || n%page != 0 && off+n != s.Size() {
		return fmt.Errorf("release %d bytes at %d of %s: %w", n, off, s, ErrUnaligned)
	}
	return s.part("release", off, n, func() error {
		s.holes.Store(true)
		return shmfile.Punch(s.file, int64(off), int64(n+page-1)&^int64(page-1))
	})
}

// part does something with a part of the file.
func (s *Segment) part(verb string, off, n int, do func() error) error {
	if err := s.beginCall(); err != nil {
		return fmt.Errorf("%s: %w", verb, err)
	}
	defer s.endCall()
	if off < 0 || n <= 0 || off > s.Size() || n > s.Size()-off {
		return fmt.Errorf("%s %d bytes at %d of %s: %w", verb, n, off, s, ErrRange)
	}
	if err := do(); err != nil {
		return fmt.Errorf("%s %d bytes at %d of %s: %w", verb, n, off, s, err)
	}
	return nil
}
