package pool

import "unsafe"

// bytesOf returns the memory of *v, which holds no pointers.
func bytesOf[T any](v *T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(v)), unsafe.Sizeof(*v))
}

// bytesIn returns the memory of the elements of *v, a slice of elements of size bytes
// without pointers. It is nil if the slice is.
func bytesIn[T any](v *T, size int) []byte {
	s := *(*[]byte)(unsafe.Pointer(v)) // its length counts elements
	if s == nil {
		return nil
	}
	return unsafe.Slice(unsafe.SliceData(s), len(s)*size)
}

// setElements makes *v, such a slice, consist of mem.
func setElements[T any](v *T, mem []byte, size int) {
	n := len(mem) / size
	*(*[]byte)(unsafe.Pointer(v)) = unsafe.Slice(unsafe.SliceData(mem), n)
}

// bytesOfText returns the memory of *v, a string.
func bytesOfText[T any](v *T) []byte {
	s := *(*string)(unsafe.Pointer(v))
	if s == "" {
		return []byte{}
	}
	return unsafe.Slice(unsafe.StringData(s), len(s))
}

// setText makes *v, a string, consist of mem, which nobody changes any more.
func setText[T any](v *T, mem []byte) {
	*(*string)(unsafe.Pointer(v)) = unsafe.String(unsafe.SliceData(mem), len(mem))
}
