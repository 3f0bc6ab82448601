package proc

import (
	"fmt"
	"os"
	"reflect"
	"syscall"
)

// waiting is one call of Wait.
type waiting struct {
	sources []source
	files   bool // there are sources that only the kernel can tell of
	silent  bool // there are sources that may change without an event
}

// source is one argument of Wait.
type source struct {
	arg   Waitable
	end   pollable        // nil for a file
	raw   syscall.RawConn // nil for an end
	ready bool

	fd   int // being watched, -1 before
	same int // the source that gets this one's events: the same descriptor twice
}

func newWaiting(args []Waitable) (*waiting, error) {
	w := &waiting{sources: make([]source, len(args))}
	for i, arg := range args {
		s := &w.sources[i]
		s.arg, s.fd, s.same = arg, -1, i
		if err := s.init(); err != nil {
			return nil, w.failed(i, err)
		}
		w.files = w.files || s.raw != nil
		w.silent = w.silent || !s.ends()
	}
	return w, nil
}

func (s *source) init() (err error) {
	if v := reflect.ValueOf(s.arg); !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil() {
		return ErrNotWaitable
	}
	switch x := s.arg.(type) {
	case *Process:
		if x.self {
			return ErrSelf
		}
		s.end = processEnd{x}
	case *ParentProcess:
		s.end = parentEnd{x}
	case *Conn:
		if !x.Readable() {
			return ErrOneWay
		}
		s.end = x
	case pollable:
		s.end = x
	case syscall.Conn:
		s.raw, err = x.SyscallConn()
	default:
		return ErrNotWaitable
	}
	return err
}

// ends says whether the source is a process, whose descriptor is this call's own and says
// all.
func (s *source) ends() bool {
	switch s.end.(type) {
	case processEnd, parentEnd:
		return true
	}
	return false
}

// failed says which argument an error is about.
func (w *waiting) failed(i int, err error) error {
	return fmt.Errorf("wait for argument %d (%T): %w", i+1, w.sources[i].arg, err)
}

// look asks all that can be asked without the kernel, and says whether any source is
// ready.
func (w *waiting) look() (found bool) {
	for i := range w.sources {
		s := &w.sources[i]
		if s.end != nil && s.end.pending() {
			s.ready = true
		}
		found = found || s.ready
	}
	return found
}

// closed returns an error if a file was closed: the kernel does not tell.
func (w *waiting) closed() error {
	for i := range w.sources {
		s := &w.sources[i]
		if s.raw != nil && s.raw.Control(func(uintptr) {}) != nil {
			return w.failed(i, ErrClosed)
		}
	}
	return nil
}

// list returns what is ready.
func (w *waiting) list() (list []Waitable) {
	for i := range w.sources {
		s := &w.sources[i]
		if s.ready || w.sources[s.same].ready {
			list = append(list, s.arg)
		}
	}
	return list
}

// processEnd and parentEnd are processes as Wait sees them. The files are the caller's.
type (
	processEnd struct{ *Process }
	parentEnd  struct{ *ParentProcess }
)

func (p processEnd) pending() bool               { return !p.Alive() }
func (p processEnd) pollFile() (*os.File, error) { return p.pidFile() }

func (p parentEnd) pending() bool               { return !p.Alive() }
func (p parentEnd) pollFile() (*os.File, error) { return p.pidFile() }
