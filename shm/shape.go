package shm

import (
	"fmt"
	"math"
	"reflect"

	"github.com/shmkit/shmkit/internal/plain"
	"github.com/shmkit/shmkit/internal/shmfile"
	"github.com/shmkit/shmkit/semaphore"
)

// shape is how an object holds its values of type t: the first at an offset,
// each taking stride bytes. n is their number; in what is opened, 0 stands for
// any.
type shape struct {
	kind   shmfile.Kind
	t      reflect.Type
	offset int
	stride int
	n      int
}

// spec is what the header of a new object of this shape says.
func (s shape) spec() (shmfile.Spec, error) {
	if err := plain.Check(s.t); err != nil {
		return shmfile.Spec{}, err
	}
	if s.n < 0 || s.n > s.most() {
		return shmfile.Spec{}, fmt.Errorf("%w: %d × %v", ErrSize, s.n, s.t)
	}
	size, about := s.size(s.n), len(s.about())
	return shmfile.Spec{
		Kind:        s.kind,
		Fingerprint: plain.Fingerprint(s.t),
		Size:        int64(size + about),
		Sizes:       [2]uint64{uint64(s.n), uint64(s.t.Size())},
		About:       [2]uint64{uint64(size), uint64(about)},
	}, nil
}

// about describes t, for programs that were not compiled with it. It lies behind the
// values.
func (s shape) about() string { return plain.Text(s.t) }

func (s shape) size(n int) int { return s.offset + n*s.stride }

// most is the largest n whose size can be computed.
func (s shape) most() int { return (math.MaxInt - plain.MaxText - s.offset) / max(s.stride, 1) }

// count returns how many values an object holds, from its header, which may lie.
func (s shape) count(h shmfile.Spec) (int, error) {
	n := h.Sizes[0]
	if n == 0 || n > uint64(s.most()) || s.n != 0 && n != uint64(s.n) ||
		h.Sizes[1] != uint64(s.t.Size()) || h.Size < int64(s.size(int(n))) || h.Size-int64(s.size(int(n))) > plain.MaxText {
		return 0, fmt.Errorf("%w: %d × %d bytes in a file of %d", ErrCorrupt, n, h.Sizes[1], h.Size)
	}
	return int(n), nil
}

// isMutex and isRecursive find the locks that constructors initialise: all zero
// they would do for Go, but C programs look at the kind.
func isMutex(t reflect.Type) bool     { return t == reflect.TypeFor[semaphore.Mutex]() }
func isRecursive(t reflect.Type) bool { return t == reflect.TypeFor[semaphore.RecursiveMutex]() }

// synchronises finds everything of package semaphore.
func synchronises(t reflect.Type) bool {
	return t.PkgPath() == reflect.TypeFor[semaphore.Mutex]().PkgPath()
}

// initMutexes initialises every Mutex in the values of a new object, and then
// every RecursiveMutex, which contains a Mutex.
func (s shape) initMutexes(b []byte) {
	for off := range plain.Find(s.t, s.n, isMutex) {
		at[semaphore.Mutex](b, s.offset+int(off)).Init()
	}
	for off := range plain.Find(s.t, s.n, isRecursive) {
		at[semaphore.RecursiveMutex](b, s.offset+int(off)).Init()
	}
}
