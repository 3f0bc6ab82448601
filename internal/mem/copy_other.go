//go:build !amd64

package mem

// Copy is copy for memory that another processor has written, or is going to
// read.
func Copy(dst, src []byte) int { return copy(dst, src) }
