package shm

import (
	"encoding/binary"
	"fmt"

	"github.com/shmkit/shmkit/internal/mem"
	"github.com/shmkit/shmkit/internal/shmfile"
)

// The bytes of a ShareableList of N items are those of Python's
// multiprocessing.shared_memory.ShareableList, which has no header. K, the size
// of the slots together, is offset[N].
//
//	offset       size     field
//	0            8        N, int64
//	8            8×(N+1)  offset[0..N] of the slots, int64, from the first slot;
//	                      multiples of 8; offset[0] is 0
//	8×(N+2)      K        the slots
//	8×(N+2)+K    8×N      formats: of package struct, in ASCII, padded with NULs
//	8×(N+2)+K+8N N        codes: what to make of the bytes, int8
//
//	item      format    code  bytes
//	int       q         0     int64
//	float     d         0     float64
//	bool      xxxxxxx?  0     the last byte is not 0
//	None      xxxxxx?x  3     anything
//	string    %ds       1     UTF-8, padded with NULs to that many bytes
//	bytes     %ds       2     the same without an encoding
//
// N and the offsets never change. Whatever is read is read once and checked
// then. In a file of just that size the list is Python's in every respect. A
// list with a lock has a trailer behind it, which Python maps and does not look
// at, from T, the list's size rounded up to 128:
//
//	offset  size  field                                       written by
//	T       8     magic                                       creator
//	T+8     8     size of the file                            creator
//	T+16    8     namespace: the creator's pid namespace      creator
//	T+128   48    lock: semaphore.Mutex                       who locks
//	T+256   8     pending: number of the item being stored,   who holds the lock
//	              from 1; 0 is none
//	T+264   8     its format                                  who holds the lock
//	T+272   8     its code                                    who holds the lock
//	T+280   8     size of its bytes                           who holds the lock
//	T+288   M     its bytes; M is the size of the largest     who holds the lock
//	              slot
const (
	trailerMagic     = "shmkit\nL"
	trailerSize      = 8
	trailerNamespace = 16
	trailerLock      = mem.Line
	trailerNote      = 2 * mem.Line
	noteWords        = 4
	noteBytes        = trailerNote + 8*noteWords
)

// mostItems is more than any memory holds, and small enough to count with.
const mostItems = 1 << 40

// listLayout says where in its memory a list has what. It holds what was read
// when the list was attached.
type listLayout struct {
	n, k int // N and K
}

func (y listLayout) slots() int   { return 8 * (y.n + 2) }
func (y listLayout) formats() int { return y.slots() + y.k }
func (y listLayout) codes() int   { return y.formats() + 8*y.n }
func (y listLayout) size() int    { return y.codes() + y.n }
func (y listLayout) trailer() int { return (y.size() + mem.Line - 1) &^ (mem.Line - 1) }

// word is the 64-bit word at an offset, which is a multiple of 8.
func word(b []byte, off int) *mem.Uint64 { return at[mem.Uint64](b, off) }

// measure reads the layout of the list in b. filled is false if that looks like
// a list that Python has made room for and not finished; err tells the same.
func measure(b []byte) (y listLayout, filled bool, err error) {
	if len(b) < 16 {
		return y, true, fmt.Errorf("%w: %d bytes", ErrTruncated, len(b))
	}
	n := int64(word(b, 0).Load())
	if n < 0 || n > mostItems {
		return y, true, fmt.Errorf("%w: %d items", ErrCorrupt, n)
	}
	y.n = int(n)
	if y.slots() > len(b) {
		return y, true, fmt.Errorf("%w: %d items in %d bytes", ErrTruncated, n, len(b))
	}
	first, k := int64(word(b, 8).Load()), int64(word(b, y.slots()-8).Load())
	if first != 0 || k < 0 || k > 8*mostItems || k%8 != 0 {
		return y, true, fmt.Errorf("%w: slots from %d to %d", ErrCorrupt, first, k)
	}
	y.k = int(k)
	switch size := y.size(); {
	case size > len(b):
		return y, true, fmt.Errorf("%w: %d of %d bytes", ErrTruncated, len(b), size)
	case size < len(b) && !y.hasTrailer(b):
		return y, k != 0, fmt.Errorf("%w: a list of %d bytes in %d: somebody else's, or not filled yet", ErrCorrupt, size, len(b))
	case y.n > 0 && word(b, y.codes()-8).Load() == 0:
		return y, false, fmt.Errorf("%w: item %d has no format: the list may be not filled yet", ErrCorrupt, y.n-1)
	}
	return y, true, nil
}

// slot returns the place of an item's bytes.
func (y listLayout) slot(b []byte, i int) (off, size int, err error) {
	from, to := word(b, 8*(i+1)).Load(), word(b, 8*(i+2)).Load()
	if from > to || to > uint64(y.k) || from%8 != 0 || to%8 != 0 {
		return 0, 0, fmt.Errorf("%w: slot %d from %d to %d of %d", ErrCorrupt, i, from, to, y.k)
	}
	return y.slots() + int(from), int(to - from), nil
}

func (y listLayout) hasTrailer(b []byte) bool {
	t := y.trailer()
	return t <= len(b)-noteBytes && word(b, t).Load() == binary.LittleEndian.Uint64([]byte(trailerMagic))
}

// checkTrailer says whether the trailer, which is there, is of this file.
func (y listLayout) checkTrailer(b []byte) error {
	t := y.trailer()
	switch size := word(b, t+trailerSize).Load(); {
	case size > uint64(len(b)):
		return fmt.Errorf("%w: %d of %d bytes", ErrTruncated, len(b), size)
	case size < uint64(len(b)):
		return fmt.Errorf("%w: %d bytes in a file of %d", ErrCorrupt, size, len(b))
	}
	ns, err := shmfile.Namespace()
	if err == nil && word(b, t+trailerNamespace).Load() != ns {
		err = ErrForeignNamespace
	}
	return err
}

// newList returns the bytes of a new list.
func newList(items []packed, locked bool) ([]byte, error) {
	y, largest := listLayout{n: len(items)}, 0
	for _, p := range items {
		y.k += p.slot()
		largest = max(largest, p.slot())
	}
	size := y.size()
	if locked {
		size = y.trailer() + noteBytes + (largest+7)&^7
	}
	b := make([]byte, size)
	binary.LittleEndian.PutUint64(b, uint64(y.n))
	off := 0
	for i, p := range items {
		copy(b[y.slots()+off:], p.bytes)
		copy(b[y.formats()+8*i:], p.format(p.slot()))
		b[y.codes()+i] = p.code
		off += p.slot()
		binary.LittleEndian.PutUint64(b[8*(i+2):], uint64(off))
	}
	if locked {
		ns, err := shmfile.Namespace()
		if err != nil {
			return nil, err
		}
		t := b[y.trailer():]
		copy(t, trailerMagic)
		binary.LittleEndian.PutUint64(t[trailerSize:], uint64(size))
		binary.LittleEndian.PutUint64(t[trailerNamespace:], ns)
	}
	return b, nil
}
