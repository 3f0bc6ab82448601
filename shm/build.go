package shm

import (
	"context"
	"fmt"
	"os"

	"github.com/shmkit/shmkit/internal/mem"
	"github.com/shmkit/shmkit/internal/shmfile"
)

// creator is shmfile.Create or its like.
type creator func(name string, size int64, o shmfile.Options) (f *os.File, created bool, err error)

// build makes the file of a new object of size bytes and maps it, for init to fill,
// or opens an existing one if o says so: then m is nil.
func build(create creator, name string, size int64, o *Options, init func([]byte)) (f *os.File, m *mem.Mapping, err error) {
	fo, huge, err := o.create(name)
	if err != nil {
		return nil, nil, err
	}
	if huge != HugeNone && name == "" {
		fo.Huge = true
		if f, m, err = buildOnce(create, name, size, fo, init); err == nil || huge == HugeOnly {
			return f, m, err
		}
		fo.Huge = false
	}
	if huge == HugeNone {
		return buildOnce(create, name, size, fo, init)
	}
	fo.Prepare = func(f *os.File) {
		if m, err := mem.Map(f, int(size), mem.Options{}); err == nil {
			adviseHuge(m.Bytes())
			m.Close() // the pages stay
		}
	}
	return buildOnce(create, name, size, fo, init)
}

func buildOnce(create creator, name string, size int64, fo shmfile.Options, init func([]byte)) (f *os.File, m *mem.Mapping, err error) {
	fo.Fill = func(f *os.File) (err error) {
		o := mem.Options{Truncatable: name != ""}
		if fo.Huge {
			o.HugePage = shmfile.HugePage(f)
		}
		if m, err = mem.Map(f, int(size), o); err == nil {
			init(m.Bytes())
		}
		return err
	}
	f, created, err := create(name, size, fo)
	if !created && m != nil {
		m.Close() // of a file that nobody else has seen
		m = nil
	}
	return f, m, err
}

// create attaches to a new object, which init fills after the header, or to an
// existing one if o says so. It returns how many values the object holds.
func (a *attachment) create(name string, s shape, o *Options, init func([]byte)) (n int, err error) {
	if err := o.scope().check(); err != nil {
		return 0, fmt.Errorf("shm: %v: %w", s.kind, err)
	}
	spec, err := s.spec()
	var head []byte
	if err == nil && s.n == 0 {
		err = fmt.Errorf("%w: no elements", ErrSize)
	}
	if err == nil {
		err = o.whole()
	}
	if err == nil {
		head, err = shmfile.NewHeader(spec)
	}
	if err != nil {
		return 0, fmt.Errorf("shm: %v: %w", s.kind, err)
	}
	f, m, err := build(shmfile.Create, name, spec.Size, o, func(b []byte) {
		copy(b, head)
		copy(b[spec.About[0]:], s.about())
		init(b)
	})
	if err != nil {
		return 0, fmt.Errorf("shm: %v: %w", s.kind, err)
	}
	if m != nil {
		if err := a.attach(s.kind.String(), name, f, m, spec.Size); err != nil {
			return 0, err
		}
		return s.n, o.scope().admit(a)
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
