package describe

import "unsafe"

// aligned returns n bytes that begin at a multiple of 8.
func aligned(n int64) []byte {
	words := make([]uint64, (n+7)/8)
	if n == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(words))), n)
}

// At lays a T over the beginning of a copy that Read has returned. ok is false if that
// is too short.
func At[T any](b []byte) (v *T, ok bool) {
	if len(b) < int(unsafe.Sizeof(*v)) {
		return nil, false
	}
	return (*T)(unsafe.Pointer(unsafe.SliceData(b))), true
}

// SizeOf is the size of a T in bytes.
func SizeOf[T any]() int64 { var v T; return int64(unsafe.Sizeof(v)) }
