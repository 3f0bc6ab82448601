package describe

import (
	"fmt"
	"reflect"

	"github.com/shmkit/shmkit/internal/plain"
	"github.com/shmkit/shmkit/internal/shmfile"
)

// Kind describes one kind of object: a whole file.
type Kind struct {
	Name string // as the header's kind says, or, of what has no header, what it is
	// Is says whether a file without a header is of this kind. Nil for those with one.
	Is func(name string, f *File) bool
	// Describe says what is behind the header. An error is about what it could not say.
	Describe func(d *Description) error
}

// Type describes one type of what lies inside of objects.
type Type struct {
	Name   string // "semaphore.Mutex"
	Layout reflect.Type
	// Describe says in n what b holds, a copy of the value's bytes.
	Describe func(d *Description, n *Node, b []byte)
}

// Set is all that can be described.
type Set struct {
	headered map[string]Kind
	others   []Kind
	types    map[string]Type
}

// NewSet makes a set. Of kinds without a header those that come first are tried first.
func NewSet(types []Type, kinds ...[]Kind) *Set {
	s := &Set{headered: map[string]Kind{}, types: map[string]Type{}}
	for _, t := range types {
		s.types[t.Name] = t
	}
	for _, some := range kinds {
		for _, k := range some {
			if k.Is == nil {
				s.headered[k.Name] = k
			} else {
				s.others = append(s.others, k)
			}
		}
	}
	return s
}

// Kind returns the describer of that name.
func (s *Set) Kind(name string) (Kind, bool) {
	k, ok := s.headered[name]
	for _, o := range s.others {
		if o.Name == name {
			return o, true
		}
	}
	return k, ok
}

// Type returns the describer of a type.
func (s *Set) Type(name string) (Type, bool) {
	t, ok := s.types[name]
	return t, ok
}

// Inside returns the layout of a type that is known by its name alone, nil if it is not
// known.
func (s *Set) Inside(l *plain.Layout) *plain.Layout {
	t, ok := s.types[l.Name]
	if !ok || int64(t.Layout.Size()) != l.Size {
		return nil
	}
	return plain.LayoutOf(t.Layout, true)
}

// Describe says what is in a file. name is that of the object, "" if it has none.
func (s *Set) Describe(name string, f *File) *Description {
	d := &Description{File: f, Kind: "file", Root: &Node{}, set: s, budget: mostNodes}
	b, err := f.Read(0, min(shmfile.HeaderSize, f.Size()))
	if err != nil {
		d.Root.Fail(err)
		return d
	}
	var describe func(*Description) error
	if shmfile.HasMagic(b) {
		describe = d.header(b)
	} else {
		for _, k := range s.others {
			if k.Is(name, f) {
				d.Kind, describe = k.Name, k.Describe
				break
			}
		}
	}
	if describe != nil {
		if err := describe(d); err != nil {
			d.Root.Fail(err)
		}
	}
	return d
}

// header says what the header says, and returns the describer of what follows.
func (d *Description) header(b []byte) func(*Description) error {
	n := d.Root.Group("header")
	d.Part("header", 0, shmfile.HeaderLayout())
	spec, err := shmfile.Read(b, d.File.Size())
	d.Spec = spec
	if err != nil {
		n.Fail(err)
		if len(b) < shmfile.HeaderSize {
			return nil
		}
	}
	n.Add("version", int(spec.Version))
	k, known := d.set.headered[spec.Kind.String()]
	kind := n.Add("kind", spec.Kind.String())
	if known {
		d.Kind = k.Name
	} else {
		kind.Set("not known to this program").Bad = true
	}
	n.Add("size", spec.Size).Set(Bytes(spec.Size))
	n.Add("fingerprint", fmt.Sprintf("%016x", spec.Fingerprint))
	n.Add("id", fmt.Sprintf("%x", spec.ID))
	if own, err := shmfile.Namespace(); err == nil && own != spec.Namespace {
		d.Foreign = true
	}
	if spec.Creator != 0 {
		d.process(n.Add("creator", spec.Creator), spec.Creator, spec.Started)
	}
	ns := n.Add("namespace", spec.Namespace)
	if d.Foreign {
		ns.Set("another pid namespace: pids and TIDs are of that one")
	}
	if err != nil && spec.Version != shmfile.Version {
		return nil
	}
	d.about(n)
	if !known {
		return nil
	}
	return k.Describe
}

// about reads the description of the object's type.
func (d *Description) about(n *Node) {
	at, size := d.Spec.About[0], d.Spec.About[1]
	if size == 0 {
		return
	}
	var b []byte
	err := fmt.Errorf("%w: %d bytes at %d", plain.ErrText, size, at)
	if size <= plain.MaxText && at <= 1<<62 {
		if b, err = d.File.Read(int64(at), int64(size)); err == nil {
			d.Part("type", int64(at), &plain.Layout{Name: "text", Size: int64(size)})
			d.Type, err = plain.Parse(string(b))
		}
	}
	if err != nil {
		n.Add("type", "not readable").Set(err.Error())
		return
	}
	n.Add("type", TypeName(d.Type))
}
