package shm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/shmkit/shmkit/internal/handle"
	"github.com/shmkit/shmkit/internal/shmfile"
)

// send puts the attachment among the handles of the message under way.
func (a *attachment) send() ([]byte, error) {
	if !a.open.Load() {
		return nil, fmt.Errorf("send %s: %w", a, ErrClosed)
	}
	ref, err := handle.Put(handle.Handle{Kind: "shm." + a.kind, Name: a.name, File: a.file}, handle.Options{})
	if err != nil {
		return nil, fmt.Errorf("send %s: %w", a, err)
	}
	return ref, nil
}

// receive takes over the file of the handle that ref stands for.
func (a *attachment) receive(kind string, ref []byte) (name string, f *os.File, err error) {
	if a.m != nil {
		return "", nil, fmt.Errorf("receive into %s: %w", a, ErrBusy)
	}
	h, err := handle.Get(ref)
	if err != nil {
		return "", nil, fmt.Errorf("receive %s: %w", kind, err)
	}
	switch {
	case h.Kind != "shm."+kind:
		err = fmt.Errorf("%w: %s", ErrKind, h.Kind)
	case h.File == nil:
		err = fmt.Errorf("%w: it came without a descriptor", ErrCorrupt)
	case filepath.IsAbs(h.Name):
		err = shmfile.CheckPath(h.Name)
	case h.Name != "":
		err = shmfile.CheckName(h.Name)
	}
	if err != nil {
		if h.File != nil {
			h.File.Close()
		}
		return "", nil, fmt.Errorf("receive %s: %w", kind, err)
	}
	return h.Name, shmfile.Adopt(h.File, h.Name), nil
}

// receiveShape receives an object of a shape. If that is gone, because its sender has
// ended, a stays closed; whoever decodes the message is told by handle.Decode.
func (a *attachment) receiveShape(s shape, ref []byte) (n int, ok bool, err error) {
	name, f, err := a.receive(s.kind.String(), ref)
	if errors.Is(err, handle.ErrGone) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, err
	}
	n, err = a.identify(name, f, s)
	return n, err == nil, err
}

// MarshalBinary is called when the segment is an argument of another process,
// which gets a handle of its own. It returns ErrNotTravelling anywhere else.
func (s *Segment) MarshalBinary() ([]byte, error) { return s.send() }

// UnmarshalBinary attaches a new Segment to the one that arrived.
func (s *Segment) UnmarshalBinary(ref []byte) error {
	name, f, err := s.receive("segment", ref)
	if errors.Is(err, handle.ErrGone) {
		return nil // closed: whoever decodes is told
	}
	if err != nil {
		return err
	}
	return s.attachRaw(name, f)
}

// MarshalBinary is called when the object is an argument of another process,
// which gets a handle of its own. It returns ErrNotTravelling anywhere else.
func (o *Object[T]) MarshalBinary() ([]byte, error) { return o.send() }

// UnmarshalBinary attaches a new Object to the one that arrived.
func (o *Object[T]) UnmarshalBinary(ref []byte) error {
	_, _, err := o.receiveShape(objectShape[T](), ref)
	return err
}

// MarshalBinary is called when the value is an argument of another process,
// which gets a handle of its own. It returns ErrNotTravelling anywhere else.
func (v *Value[T]) MarshalBinary() ([]byte, error) { return v.send() }

// UnmarshalBinary attaches a new Value to the one that arrived.
func (v *Value[T]) UnmarshalBinary(ref []byte) error {
	_, ok, err := v.receiveShape(valueShape[T](), ref)
	if ok {
		v.place()
	}
	return err
}

// MarshalBinary is called when the array is an argument of another process,
// which gets a handle of its own. It returns ErrNotTravelling anywhere else.
func (a *Array[T]) MarshalBinary() ([]byte, error) { return a.send() }

// UnmarshalBinary attaches a new Array to the one that arrived.
func (a *Array[T]) UnmarshalBinary(ref []byte) error {
	n, ok, err := a.receiveShape(arrayShape[T](0), ref)
	if ok {
		a.place(n)
	}
	return err
}

// MarshalBinary is called when the list is an argument of another process,
// which gets a handle of its own. It returns ErrNotTravelling anywhere else.
func (l *ShareableList) MarshalBinary() ([]byte, error) { return l.send() }

// UnmarshalBinary attaches a new ShareableList to the one that arrived.
func (l *ShareableList) UnmarshalBinary(ref []byte) error {
	name, f, err := l.receive("list", ref)
	if errors.Is(err, handle.ErrGone) {
		return nil // closed: whoever decodes is told
	}
	if err != nil {
		return err
	}
	return l.attachList(context.Background(), name, f, false)
}
