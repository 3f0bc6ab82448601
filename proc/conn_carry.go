package proc

import (
	"reflect"

	"github.com/shmkit/shmkit/internal/codec"
	"github.com/shmkit/shmkit/internal/handle"
)

// Encoding with handles takes turns with all other goroutines of the process
// (see package handle). Values whose type cannot hold one are spared that.

// encodeCarried returns v as bytes, and the handles that go with them.
func encodeCarried(v any) ([]byte, []handle.Handle, error) {
	if v == nil || !handle.Carries(reflect.TypeOf(v)) {
		data, err := codec.Marshal(v)
		return data, nil, err
	}
	return handle.Encode(func() ([]byte, error) { return codec.Marshal(v) })
}

// decodeCarried sets what ptr points to from the bytes and handles of a message,
// and closes the handles' files.
func decodeCarried(data []byte, hs []handle.Handle, ptr any) error {
	if len(hs) == 0 && ptr != nil && !handle.Carries(reflect.TypeOf(ptr)) {
		return codec.Unmarshal(data, ptr)
	}
	return handle.Decode(data, hs, func(b []byte) error { return codec.Unmarshal(b, ptr) })
}
