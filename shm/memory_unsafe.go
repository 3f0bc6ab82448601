package shm

import (
	"unsafe"

	"github.com/shmkit/shmkit/internal/mem"
)

// at returns the T at an offset of b. The caller has checked bounds and
// alignment.
func at[T any](b []byte, off int) *T {
	return (*T)(unsafe.Add(unsafe.Pointer(unsafe.SliceData(b)), off))
}

// slice returns n consecutive T from an offset of b. The caller has checked
// bounds and alignment.
func slice[T any](b []byte, off, n int) []T {
	return unsafe.Slice(at[T](b, off), n)
}

// words returns the n 64-bit words from an offset of b, which is a multiple of 8.
func words(b []byte, off, n int) []mem.Uint64 { return slice[mem.Uint64](b, off, n) }

// bytesOf returns the bytes of a plain value.
func bytesOf[T any](v *T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(v)), unsafe.Sizeof(*v))
}

// sizeOf and alignOf are those of T, in bytes.
func sizeOf[T any]() int  { var v T; return int(unsafe.Sizeof(v)) }
func alignOf[T any]() int { var v T; return int(unsafe.Alignof(v)) }

// overlaps says whether some of b lies in [lo, hi).
func overlaps(b []byte, lo, hi uintptr) bool {
	from := uintptr(unsafe.Pointer(unsafe.SliceData(b)))
	return from < hi && lo < from+uintptr(len(b))
}

// offsetIn returns how far behind the beginning of b an address lies.
func offsetIn(b []byte, addr uintptr) int64 {
	return int64(addr - uintptr(unsafe.Pointer(unsafe.SliceData(b))))
}

// within says whether b covers an address.
func within(b []byte, addr uintptr) bool {
	return addr-uintptr(unsafe.Pointer(unsafe.SliceData(b))) < uintptr(len(b))
}
