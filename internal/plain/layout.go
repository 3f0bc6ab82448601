package plain

import (
	"math/bits"
	"reflect"
	"strings"
)

// Layout is what a type's values look like in memory: a tree of basic values,
// arrays and structs. It is for showing bytes to people.
//
// A Layout that comes from Parse is sound whatever it was made from: sizes fit, and
// fields lie in their struct and do not overlap.
type Layout struct {
	// Name is that of a basic type ("int64", "atomic.Uint32"), or of a type that is
	// not looked into ("semaphore.Mutex"). A struct's is what it was declared as, ""
	// if it has none; an array has none.
	Name   string
	Size   int64
	Elem   *Layout // of an array
	Len    int64   // of an array
	Fields []Field // of a struct, in ascending order; without those of no size
}

// Field is one of a struct's.
type Field struct {
	Name   string
	Offset int64
	Layout *Layout
}

// Basic says whether l is neither an array nor a struct.
func (l *Layout) Basic() bool { return l.Elem == nil && l.Fields == nil }

// basics are the types whose values can be told from their bytes, with their sizes.
var basics = map[string]int64{
	"bool": 1, "int8": 1, "uint8": 1, "int16": 2, "uint16": 2, "int32": 4, "uint32": 4,
	"int64": 8, "uint64": 8, "int": 8, "uint": 8, "float32": 4, "float64": 8,
	"complex64": 8, "complex128": 16,
	"atomic.Bool": 4, "atomic.Int32": 4, "atomic.Uint32": 4, "atomic.Int64": 8, "atomic.Uint64": 8,
}

// locks is the package whose types have describers of their own.
const locks = "github.com/shmkit/shmkit/semaphore"

// LayoutOf returns the layout of a plain type. Types of package semaphore are not
// looked into unless inside says so.
func LayoutOf(t reflect.Type, inside bool) *Layout {
	return (&layouts{inside, map[reflect.Type]*Layout{}}).of(t)
}

type layouts struct {
	inside bool
	known  map[reflect.Type]*Layout
}

func (k *layouts) of(t reflect.Type) *Layout {
	if l := k.known[t]; l != nil {
		return l
	}
	l := &Layout{Size: int64(t.Size())}
	k.known[t] = l
	pkg := t.PkgPath()
	switch {
	case pkg == "sync/atomic":
		l.Name = "atomic." + t.Name()
	case pkg == locks && !k.inside && t.Kind() == reflect.Struct:
		l.Name = "semaphore." + t.Name()
	case t.Kind() == reflect.Array && t.Size() > 0:
		l.Elem, l.Len = k.of(t.Elem()), int64(t.Len())
	case t.Kind() == reflect.Struct && t.Size() > 0:
		for i := range t.NumField() {
			if f := t.Field(i); f.Type.Size() > 0 {
				l.Fields = append(l.Fields, Field{f.Name, int64(f.Offset), k.of(f.Type)})
			}
		}
		if w := l.word(); w != nil {
			*l = *w
			break
		}
		l.Name = t.Name()
	default:
		l.Name = t.Kind().String()
	}
	return l
}

// word returns the atomic in a struct that is nothing but that, as the words of
// package mem are.
func (l *Layout) word() *Layout {
	if len(l.Fields) == 1 && l.Fields[0].Name == "v" && strings.HasPrefix(l.Fields[0].Layout.Name, "atomic.") {
		return l.Fields[0].Layout
	}
	return nil
}

// mostSize is more than any memory has.
const mostSize = 1 << 47

// array returns the layout of n values, nil if that cannot be.
func array(n int64, elem *Layout) *Layout {
	if n < 0 || elem == nil {
		return nil
	}
	high, size := bits.Mul64(uint64(n), uint64(elem.Size))
	if high != 0 || size > mostSize {
		return nil
	}
	return &Layout{Size: int64(size), Elem: elem, Len: n}
}

// fits says whether a field may follow those that a struct of that size has.
func (l *Layout) fits(f Field) bool {
	end := int64(0)
	if n := len(l.Fields); n > 0 {
		end = l.Fields[n-1].Offset + l.Fields[n-1].Layout.Size
	}
	return f.Layout != nil && f.Layout.Size > 0 && f.Offset >= end && f.Offset <= l.Size && f.Layout.Size <= l.Size-f.Offset
}
