package pool

import (
	"context"
	"fmt"
	"reflect"
	"sync"

	"github.com/shmkit/shmkit/internal/codec"
	"github.com/shmkit/shmkit/internal/handle"
	"github.com/shmkit/shmkit/internal/plain"
)

// A form is how values of type T lie in messages. What holds no pointers is its own
// bytes; so are strings, and slices of what holds no pointers, which are copied into
// the ring and out of it and nowhere else. All others are encoded as CBOR, where
// shared objects among them make the value travel beside the ring (see cargo).
type form[T any] struct {
	kind    formKind
	size    int  // of a plain T, or of an element
	carries bool // a coded T may hold shared objects
}

type formKind int

const (
	formPlain formKind = iota
	formSlice
	formText
	formCoded
)

func newForm[T any]() form[T] {
	t := reflect.TypeFor[T]()
	_, marshals := any(new(T)).(interface{ MarshalBinary() ([]byte, error) })
	switch {
	case marshals:
	case plain.Check(t) == nil:
		return form[T]{kind: formPlain, size: int(t.Size())}
	case t.Kind() == reflect.String:
		return form[T]{kind: formText, size: 1}
	case t.Kind() == reflect.Slice && t.Elem().Size() > 0 && plain.Check(t.Elem()) == nil:
		return form[T]{kind: formSlice, size: int(t.Elem().Size())}
	}
	return form[T]{kind: formCoded, carries: handle.Carries(t)}
}

// stride is the length of each value, -1 where it varies.
func (f *form[T]) stride() int {
	if f.kind == formPlain {
		return f.size
	}
	return -1
}

// encode returns the bytes of *v, which is not changed while they are needed. If v has
// to travel beside the ring, cargo is true and there are none.
func (f *form[T]) encode(v *T) (part []byte, cargo bool, err error) {
	switch f.kind {
	case formPlain:
		return bytesOf(v), false, nil
	case formSlice:
		return bytesIn(v, f.size), false, nil
	case formText:
		return bytesOfText(v), false, nil
	}
	if !f.carries {
		part, err = codec.Marshal(v)
		return part, false, err
	}
	part, hs, err := handle.Encode(func() ([]byte, error) { return codec.Marshal(v) })
	if len(hs) > 0 {
		for _, h := range hs {
			h.Failed() // it is sent in earnest later
		}
		return nil, true, nil
	}
	return part, false, err
}

// scratch is memory into which what is decoded as CBOR is copied first, because the
// other process can change what lies in the ring.
var scratch = sync.Pool{New: func() any { return new([]byte) }}

const keptScratch = 64 << 10

// decode sets *v from the bytes of a message, which it does not keep.
func (f *form[T]) decode(b []byte, v *T) error {
	switch f.kind {
	case formPlain:
		if len(b) != f.size {
			return fmt.Errorf("%d bytes for a %T", len(b), *v)
		}
		copy(bytesOf(v), b)
	case formSlice:
		if b == nil {
			return nil
		}
		if len(b)%f.size != 0 {
			return fmt.Errorf("%d bytes for a %T", len(b), *v)
		}
		setElements(v, append([]byte{}, b...), f.size)
	case formText:
		setText(v, append([]byte{}, b...))
	default:
		p := scratch.Get().(*[]byte)
		own := append((*p)[:0], b...)
		err := f.unmarshal(own, v)
		if cap(own) <= keptScratch {
			*p = own
			scratch.Put(p)
		}
		return err
	}
	return nil
}

func (f *form[T]) unmarshal(own []byte, v *T) error {
	if f.carries { // so that a reference is refused, and not another message's
		return handle.Decode(context.Background(), own, nil, func(b []byte) error { return codec.Unmarshal(b, v) })
	}
	return codec.Unmarshal(own, v)
}
