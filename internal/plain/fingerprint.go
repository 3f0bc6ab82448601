package plain

import (
	"hash/fnv"
	"reflect"
	"strconv"
)

// Fingerprint condenses the layout of a plain type into 64 bits: kinds, sizes,
// array lengths, and the names and offsets of fields, in order. Two programs
// that compute the same fingerprint read the same bytes in the same way.
//
// The names of types and packages do not count, because the program that opens
// a segment seldom imports the one that created it. Fields that occupy no bytes
// do not count either. The types of sync/atomic count by their name: their
// insides may change with the Go release, their bytes cannot.
//
// The description is hashed with FNV-1a. It contains nothing that differs
// between the supported processors. It guards against mistakes; whoever wants
// to can make two layouts collide.
func Fingerprint(t reflect.Type) uint64 {
	return fingerprint(t, map[reflect.Type]uint64{})
}

// fingerprint hashes a description in which each nested type is represented by
// its own fingerprint, so that a type is described once, however often it is
// repeated.
func fingerprint(t reflect.Type, known map[reflect.Type]uint64) uint64 {
	if sum, ok := known[t]; ok {
		return sum
	}
	d := strconv.AppendUint(nil, uint64(t.Size()), 10)
	d = append(d, ' ')
	d = append(d, t.Kind().String()...)
	nested := func(e reflect.Type) {
		d = append(d, ' ')
		d = strconv.AppendUint(d, fingerprint(e, known), 16)
	}
	switch {
	case t.PkgPath() == "sync/atomic":
		d = append(d, " atomic "...)
		d = append(d, t.Name()...)
	case t.Kind() == reflect.Array:
		d = append(d, ' ')
		d = strconv.AppendInt(d, int64(t.Len()), 10)
		nested(t.Elem())
	case t.Kind() == reflect.Struct:
		for i := range t.NumField() {
			f := t.Field(i)
			if f.Type.Size() == 0 {
				continue
			}
			d = append(d, '\n')
			d = strconv.AppendQuote(d, f.Name)
			d = append(d, " @"...)
			d = strconv.AppendUint(d, uint64(f.Offset), 10)
			nested(f.Type)
		}
	}
	h := fnv.New64a()
	h.Write(d)
	known[t] = h.Sum64()
	return known[t]
}
