package plain

import (
	"iter"
	"reflect"
)

// Find yields the byte offset of every value of a wanted type within n values
// of type t that lie one after the other, as in an array. It does not look
// inside a value that is wanted. Wanted types have a size: what occupies no
// bytes is never found.
//
// The type is examined once. What is kept is a plan as large as the type's
// declaration, not as large as its values: an array of a million wanted values
// is one entry, and an array that holds none costs nothing to pass.
func Find(t reflect.Type, n int, wanted func(reflect.Type) bool) iter.Seq[uintptr] {
	f := finder{wanted: wanted, known: map[reflect.Type][]place{}}
	places := f.repeat(t, n)
	return func(yield func(uintptr) bool) { each(places, 0, yield) }
}

// place is one wanted value, or a regular row of things that contain some.
type place struct {
	offset uintptr // of the first, from the start of the enclosing value
	count  int
	stride uintptr
	inside []place // nil: the place is itself a wanted value
}

func each(places []place, base uintptr, yield func(uintptr) bool) bool {
	for _, p := range places {
		at := base + p.offset
		for range p.count {
			if p.inside == nil {
				if !yield(at) {
					return false
				}
			} else if !each(p.inside, at, yield) {
				return false
			}
			at += p.stride
		}
	}
	return true
}

type finder struct {
	wanted func(reflect.Type) bool
	known  map[reflect.Type][]place
}

func (f *finder) repeat(t reflect.Type, n int) []place {
	inside := f.find(t)
	if len(inside) == 0 || n <= 0 {
		return nil
	}
	return []place{{count: n, stride: t.Size(), inside: inside}}
}

func (f *finder) find(t reflect.Type) []place {
	if t.Size() == 0 {
		return nil
	}
	if places, ok := f.known[t]; ok {
		return places
	}
	var places []place
	switch {
	case f.wanted(t):
		places = []place{{count: 1}}
	case t.Kind() == reflect.Array:
		places = f.repeat(t.Elem(), t.Len())
	case t.Kind() == reflect.Struct:
		for i := range t.NumField() {
			field := t.Field(i)
			if inside := f.find(field.Type); len(inside) > 0 {
				places = append(places, place{offset: field.Offset, count: 1, inside: inside})
			}
		}
	}
	f.known[t] = places
	return places
}
