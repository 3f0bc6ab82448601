package shm

import (
	"context"
	"fmt"
	"os"

	"github.com/shmkit/shmkit/internal/mem"
	"github.com/shmkit/shmkit/internal/shmfile"
)

// create attaches to a new object, which init fills after the header, or to an
// existing one if o says so. It returns how many values the object holds.
func (a *attachment) create(name string, s shape, o *Options, init func([]byte)) (n int, err error) {
	if err := o.scope().check(); err != nil {
		return 0, fmt.Errorf("shm: %v: %w", s.kind, err)
	}
	spec, err := s.spec()
	if err == nil && s.n == 0 {
		err = fmt.Errorf("%w: no elements", ErrSize)
	}
	if err != nil {
		return 0, fmt.Errorf("shm: %v: %w", s.kind, err)
	}
	var m *mem.Mapping
	f, created, err := shmfile.Create(name, spec.Size, shmfile.Options{
		Exist: o.exist(), Owner: o.owner(),
		Fill: func(f *os.File) error {
			head, err := shmfile.NewHeader(spec)
			if err != nil {
				return err
			}
			m, err = mem.Map(f, int(spec.Size), mem.Options{Truncatable: name != ""})
			if err != nil {
				return err
			}
			copy(m.Bytes(), head)
			copy(m.Bytes()[spec.About[0]:], s.about())
			init(m.Bytes())
			return nil
		},
	})
	if created {
		if err := a.attach(s.kind.String(), name, f, m, spec.Size); err != nil {
			return 0, err
		}
		return s.n, o.scope().admit(a)
	}
	if m != nil {
		m.Close() // of a file that nobody else has seen
	}
	if err != nil {
		return 0, fmt.Errorf("shm: %v: %w", s.kind, err)
	}
	if s.kind == shmfile.KindArray {
		s.n = 0 // it keeps its length
	}
	if n, err = a.identify(name, f, s); err != nil {
		return 0, err
	}
	return n, o.scope().admit(a)
}

// find attaches to the named object.
func (a *attachment) find(ctx context.Context, name string, s shape, o *OpenOptions) (n int, err error) {
	if _, err := s.spec(); err != nil {
		return 0, fmt.Errorf("shm: %v: %w", s.kind, err)
	}
	f, err := shmfile.Open(ctx, name, o.file())
	if err != nil {
		return 0, fmt.Errorf("shm: %v: %w", s.kind, err)
	}
	return a.identify(name, f, s)
}

// identify takes over f and attaches to it if it holds what s says.
func (a *attachment) identify(name string, f *os.File, s shape) (n int, err error) {
	spec, err := s.spec()
	if err == nil {
		spec, err = shmfile.Identify(f, spec)
	}
	if err == nil {
		n, err = s.count(spec)
	}
	if err != nil {
		shmfile.Abandon(f)
		return 0, fmt.Errorf("shm: %v: %w", s.kind, err)
	}
	return n, a.attach(s.kind.String(), name, f, nil, spec.Size)
}
