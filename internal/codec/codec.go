package codec

import (
	"math"

	"github.com/fxamacker/cbor/v2"
)

var (
	encMode = must(cbor.EncOptions{
		// The default keeps whole seconds only.
		Time:    cbor.TimeRFC3339Nano,
		TimeTag: cbor.EncTagRequired,
	}.EncMode())

	decMode = must(cbor.DecOptions{
		// In an `any`, integers of every width become int64 and compare equal.
		IntDec: cbor.IntDecConvertSignedOrBigInt,
		// The default of 131,072 elements is a guard for servers. Here an
		// argument may be a slice of any length; the decoder checks lengths
		// against the bytes that are there.
		MaxArrayElements: math.MaxInt32,
		MaxMapPairs:      math.MaxInt32,
		MaxNestedLevels:  1024,
		// A Go string may hold any bytes; Marshal writes them as they are.
		UTF8: cbor.UTF8DecodeInvalid,
	}.DecMode())
)

// Marshal returns v as bytes. Channels and functions give an error, and so do
// times outside the years 0 to 9999, which RFC 3339 cannot express. (Unmarshal
// reads them where others have written them as seconds.)
func Marshal(v any) ([]byte, error) { return encMode.Marshal(v) }

// Unmarshal sets the value that ptr points to from data, which must hold
// exactly one value. After an error the value may be half set.
func Unmarshal(data []byte, ptr any) error { return decMode.Unmarshal(data, ptr) }

func must[T any](v T, err error) T {
	if err != nil {
		panic(err) // the options above are constants
	}
	return v
}
