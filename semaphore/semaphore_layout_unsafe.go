package semaphore

import (
	"structs"
	"unsafe"

	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/mem"
	"github.com/shmkit/shmkit/internal/robust"
)

// sem is glibc's sem_t on 64-bit systems (struct new_sem of nptl's internaltypes.h,
// with __HAVE_64B_ATOMICS), and what Go puts into its unused bytes.
//
//	off size field   written by
//	  0   8  data    everybody: low half the value, which is the word to sleep on;
//	                 high half how many wait
//	  8   4  private initialiser: 128, processes share it
//	 12   4  pad     nobody
//	 16   4  max     initialiser, Open: most permits; 0 is SEM_VALUE_MAX. For Go only
//	 20   4  spare   nobody
//	 24   8  turn    Go: whose turn it is to wait for more than one permit
type sem struct {
	_       structs.HostLayout
	data    mem.Uint64
	private mem.Uint32
	_       uint32
	max     mem.Uint32
	_       uint32
	turn    robust.Claim
}

// Values of sem's fields.
const (
	semShared   = 128        // LLL_SHARED
	semMax      = 0x7fffffff // SEM_VALUE_MAX
	semWaiter   = 1 << 32    // one who waits, in data
	semSize     = 32
	semAligned  = 8
	semHalfBits = 32
)

var (
	_ = [1]struct{}{}[unsafe.Sizeof(Semaphore{})-semSize]
	_ = [1]struct{}{}[unsafe.Alignof(Semaphore{})-semAligned]
	_ = [1]struct{}{}[unsafe.Offsetof(sem{}.private)-8]
	_ = [1]struct{}{}[unsafe.Offsetof(sem{}.max)-16]
	_ = [1]struct{}{}[unsafe.Offsetof(sem{}.turn)-24]
)

// value is the low half of data: the supported processors are little-endian.
func (s *Semaphore) value() *mem.Uint32 { return (*mem.Uint32)(unsafe.Pointer(&s.sem.data)) }

func (s *Semaphore) aligned() bool { return uintptr(unsafe.Pointer(s))%semAligned == 0 }

// spinner returns the state of adaptive spinning for s in this process.
func (s *Semaphore) spinner() *futex.Spinner {
	if at := mem.Shadow(unsafe.Pointer(s)); at != nil {
		return (*futex.Spinner)(at)
	}
	return new(futex.Spinner)
}

// semaphoreAt returns the semaphore at the beginning of b, which lies at the
// beginning of a page.
func semaphoreAt(b []byte) *Semaphore { return (*Semaphore)(unsafe.Pointer(&b[:semSize][0])) }

func bytesOfSemaphore(s *Semaphore) []byte { return unsafe.Slice((*byte)(unsafe.Pointer(s)), semSize) }
