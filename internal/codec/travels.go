package codec

import (
	"encoding"
	"fmt"
	"math/big"
	"reflect"
	"strings"
)

// Travels returns an error if part of a value of type t is sure to be lost on
// the way: a type without exported fields that does not marshal itself, such as
// os.File or sync.Mutex, would arrive as its zero value, and a lock that is not
// the same one on both sides is worse than none. What an interface holds is
// seen only when it is encoded.
func Travels(t reflect.Type) error { return traveller{}.check(t, t.String()) }

// A traveller remembers the types that it has met: they may contain themselves.
type traveller map[reflect.Type]bool

var (
	ownForms = []reflect.Type{
		reflect.TypeFor[encoding.BinaryMarshaler](),
		reflect.TypeFor[interface{ MarshalCBOR() ([]byte, error) }](),
	}
	bigInt = reflect.TypeFor[big.Int]()
)

func (m traveller) check(t reflect.Type, path string) error {
	if m[t] || marshals(t) {
		return nil
	}
	m[t] = true
	switch t.Kind() {
	case reflect.Chan, reflect.Func, reflect.UnsafePointer:
		return fmt.Errorf("%s is a %v, which belongs to its process", path, t.Kind())
	case reflect.Pointer, reflect.Slice, reflect.Array:
		return m.check(t.Elem(), path)
	case reflect.Map:
		if err := m.check(t.Key(), path); err != nil {
			return err
		}
		return m.check(t.Elem(), path)
	case reflect.Struct:
		return m.checkStruct(t, path)
	}
	return nil
}

func (m traveller) checkStruct(t reflect.Type, path string) error {
	if t.Size() > 0 && !hasExported(t, traveller{}) {
		return fmt.Errorf("%s is a %v, of which nothing would arrive", path, t)
	}
	for f := range t.Fields() {
		switch {
		case f.Anonymous, !f.IsExported():
		case strings.HasPrefix(f.Tag.Get("cbor"), "-"), strings.HasPrefix(f.Tag.Get("json"), "-"): // wanted so
		default:
			if err := m.check(f.Type, path+"."+f.Name); err != nil {
				return err
			}
		}
	}
	return nil
}

// hasExported says whether a struct has fields that travel, its own or those of
// what it embeds.
func hasExported(t reflect.Type, seen traveller) bool {
	if seen[t] {
		return false
	}
	seen[t] = true
	for f := range t.Fields() {
		if f.Anonymous {
			e := f.Type
			if e.Kind() == reflect.Pointer {
				e = e.Elem()
			}
			if marshals(e) || e.Kind() == reflect.Struct && hasExported(e, seen) || e.Kind() != reflect.Struct && f.IsExported() {
				return true
			}
		} else if f.IsExported() {
			return true
		}
	}
	return false
}

func marshals(t reflect.Type) bool {
	for _, m := range ownForms {
		if t.Implements(m) || reflect.PointerTo(t).Implements(m) {
			return true
		}
	}
	return t == bigInt
}
