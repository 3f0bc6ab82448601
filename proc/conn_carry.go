package proc

import (
	"encoding"
	"reflect"
	"sync"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/shmkit/shmkit/internal/codec"
	"github.com/shmkit/shmkit/internal/handle"
)

// Encoding with handles takes turns with all other goroutines of the process
// (see package handle). Values whose type cannot hold one are spared that.

// carries says, of each type that was sent or received, whether its values may
// hold shared objects.
var carries sync.Map // reflect.Type: bool

func mayCarry(t reflect.Type) bool {
	if known, ok := carries.Load(t); ok {
		return known.(bool)
	}
	found := findCarrier(t, map[reflect.Type]bool{})
	carries.Store(t, found)
	return found
}

var marshalers = []reflect.Type{
	reflect.TypeFor[encoding.BinaryMarshaler](), reflect.TypeFor[encoding.BinaryUnmarshaler](),
	reflect.TypeFor[cbor.Marshaler](), reflect.TypeFor[cbor.Unmarshaler](),
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

// encodeCarried returns v as bytes, and the handles that go with them.
func encodeCarried(v any) ([]byte, []handle.Handle, error) {
	if v == nil || !mayCarry(reflect.TypeOf(v)) {
		data, err := codec.Marshal(v)
		return data, nil, err
	}
	return handle.Encode(func() ([]byte, error) { return codec.Marshal(v) })
}

// decodeCarried sets what ptr points to from the bytes and handles of a message,
// and closes the handles' files.
func decodeCarried(data []byte, hs []handle.Handle, ptr any) error {
	if len(hs) == 0 && ptr != nil && !mayCarry(reflect.TypeOf(ptr)) {
		return codec.Unmarshal(data, ptr)
	}
	return handle.Decode(data, hs, func(b []byte) error { return codec.Unmarshal(b, ptr) })
}
