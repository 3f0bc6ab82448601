//go:build amd64

package mem

import (
	"unsafe"

	"golang.org/x/sys/cpu"
)

// bigCopy is the length from which Copy moves with REP MOVSB, copyPiece the
// longest move between two points at which the scheduler may take over.
const (
	bigCopy   = 2 << 10
	copyPiece = 1 << 20
)

// Copy is copy for memory that another processor has written, or is going to
// read. From 2 KiB up it uses REP MOVSB: with ERMS the processor then overwrites
// destination lines without reading them from the other core first, which the
// vector loop of the built-in copy does.
func Copy(dst, src []byte) int {
	if len(src) < bigCopy {
		return copy(dst, src)
	}
	return copyBig(dst, src)
}

func copyBig(dst, src []byte) int {
	n := min(len(dst), len(src))
	if n < bigCopy || !cpu.X86.HasERMS {
		return copy(dst, src)
	}
	for i := 0; i < n; i += copyPiece {
		repmovs(unsafe.SliceData(dst[i:]), unsafe.SliceData(src[i:]), uintptr(min(copyPiece, n-i)))
	}
	return n
}

//go:noescape
func repmovs(dst, src *byte, n uintptr)
