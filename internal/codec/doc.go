// Package codec turns Go values into bytes for another process and back.
//
// The format is CBOR (RFC 8949): compact, typed, with keys of any type, and
// readable from other languages. Struct fields follow the rules of
// encoding/json: only exported ones travel, and `cbor` or `json` tags name
// them. Shared objects among the fields travel through internal/handle.
//
// Concurrency: both functions may be called from many goroutines. Death: no
// state is shared with anybody. Trust: Unmarshal bounds nesting; it believes
// lengths only as far as there are bytes.
//
//	data, err := codec.Marshal(value)
//	if err != nil {
//		return err
//	}
//	var back Value
//	err = codec.Unmarshal(data, &back)
package codec
