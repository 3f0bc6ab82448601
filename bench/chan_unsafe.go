package main

import "unsafe"

// numberIn returns the number in an item of a Chan: its first eight bytes. T is
// uint64 or word64.
func numberIn[T any](v *T) *uint64 { return (*uint64)(unsafe.Pointer(v)) }

// bytesOf is the memory of v.
func bytesOf[T any](v *T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(v)), unsafe.Sizeof(*v))
}
