//go:build explore

package explore

import (
	"fmt"
	"strings"
	"unsafe"

	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/mem"
)

// newMemory returns memory that is aligned like mapped memory as far as any
// structure asks for it.
func newMemory(n int) []byte {
	const align = mem.Line
	b := make([]byte, n+align)
	skip := -int(uintptr(unsafe.Pointer(&b[0]))) & (align - 1)
	return b[skip : skip+n : skip+n]
}

// At returns the T that lies at offset off of the shared memory.
func At[T any](w *World, off int) *T {
	var t T
	if off < 0 || off%int(unsafe.Alignof(t)) != 0 || off+int(unsafe.Sizeof(t)) > len(w.mem) {
		panic(fmt.Sprintf("explore: no %T at %d of %d bytes", t, off, len(w.mem)))
	}
	return (*T)(unsafe.Pointer(&w.mem[off]))
}

// Bytes returns the shared memory.
func (w *World) Bytes() []byte { return w.mem }

// offset returns where a word lies in the shared memory; false if it does not.
func (r *run) offset(w any) (uintptr, bool) {
	var at unsafe.Pointer
	switch w := w.(type) {
	case *mem.Uint32:
		at = unsafe.Pointer(w)
	case *mem.Uint64:
		at = unsafe.Pointer(w)
	}
	off := uintptr(at) - uintptr(unsafe.Pointer(&r.world.mem[0]))
	return off, off < uintptr(len(r.world.mem))
}

func (r *run) shared(w any) bool {
	_, ok := r.offset(w)
	return ok
}

// word prints a word of the shared memory: its offset and what it holds.
type word struct {
	r *run
	w any
}

func (w word) String() string {
	var holds uint64
	w.r.quietly(w.r.acting, func() bool {
		switch w := w.w.(type) {
		case *mem.Uint32:
			holds = uint64(w.Load())
		case *mem.Uint64:
			holds = w.Load()
		}
		return true
	})
	off, _ := w.r.offset(w.w)
	return fmt.Sprintf("[%d]=%#x", off, holds)
}

// wordList prints what a process sleeps on.
type wordList struct {
	r     *run
	words []futex.Word
}

func (l wordList) String() string {
	var s []string
	for _, w := range l.words {
		s = append(s, fmt.Sprintf("%v while %#x", word{l.r, w.Addr}, w.Val))
	}
	return strings.Join(s, ", ")
}
