package handle

import (
	"encoding"
	"reflect"
	"sync"
	"time"
)

// carries says, of each type that was sent or received, whether its values may
// hold shared objects.
var carries sync.Map // reflect.Type: bool

// Carries says whether values of type t may hold shared objects, or anything else that
// writes and reads itself. Encoding takes turns with all other goroutines of the process;
// values that cannot hold any are spared that.
func Carries(t reflect.Type) bool {
	if known, ok := carries.Load(t); ok {
		return known.(bool)
	}
	found := findCarrier(t, map[reflect.Type]bool{})
	carries.Store(t, found)
	return found
}

var marshalers = []reflect.Type{
	reflect.TypeFor[encoding.BinaryMarshaler](), reflect.TypeFor[encoding.BinaryUnmarshaler](),
	reflect.TypeFor[interface{ MarshalCBOR() ([]byte, error) }](), reflect.TypeFor[interface{ UnmarshalCBOR([]byte) error }](),
}

// findCarrier looks for a type that writes or reads itself, or an interface. seen
// ends recursion.
func findCarrier(t reflect.Type, seen map[reflect.Type]bool) bool {
	if seen[t] {
		return false
	}
	seen[t] = true
	if t == reflect.TypeFor[time.Time]() { // the codec has its own form for it
		return false
	}
	if t.Kind() == reflect.Interface {
		return true
	}
	for _, m := range marshalers {
		if t.Implements(m) || reflect.PointerTo(t).Implements(m) {
			return true
		}
	}
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array:
		return findCarrier(t.Elem(), seen)
	case reflect.Map:
		return findCarrier(t.Key(), seen) || findCarrier(t.Elem(), seen)
	case reflect.Struct:
		for i := range t.NumField() {
			if findCarrier(t.Field(i).Type, seen) {
				return true
			}
		}
	}
	return false
}
