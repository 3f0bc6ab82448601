package shm

import (
	"fmt"
	"reflect"

	"github.com/shmkit/shmkit/internal/plain"
)

// View returns a window of type T on the segment, at an offset in bytes. It
// shares the segment's fate: see Bytes and Close. Stores through a window on a
// read-only segment fault.
//
// Errors: *TypeError, ErrRange, ErrUnaligned, ErrClosed.
func View[T any](s *Segment, off int) (*T, error) {
	if err := checkView[T](s, off, 1); err != nil {
		return nil, err
	}
	return at[T](s.Bytes(), off), nil
}

// ViewSlice returns a window on n consecutive values of type T. See View.
func ViewSlice[T any](s *Segment, off, n int) ([]T, error) {
	if err := checkView[T](s, off, n); err != nil {
		return nil, err
	}
	return slice[T](s.Bytes(), off, n), nil
}

func checkView[T any](s *Segment, off, n int) error {
	t := reflect.TypeFor[T]()
	if err := plain.Check(t); err != nil {
		return fmt.Errorf("shm: view: %w", err)
	}
	if !s.open.Load() {
		return fmt.Errorf("shm: view of %s: %w", s, ErrClosed)
	}
	size := sizeOf[T]()
	if off < 0 || n < 0 || off > s.Size() || size > 0 && n > (s.Size()-off)/size {
		return fmt.Errorf("shm: view of %d × %v at %d of %s: %w", n, t, off, s, ErrRange)
	}
	if off%alignOf[T]() != 0 { // the mapping itself is aligned to a page
		return fmt.Errorf("shm: view of %v at %d of %s: %w", t, off, s, ErrUnaligned)
	}
	return nil
}
