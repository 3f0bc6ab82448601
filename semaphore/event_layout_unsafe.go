package semaphore

import (
	"unsafe"

	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/mem"
)

// The table of Event holds on every supported system.
var (
	_ = [1]struct{}{}[unsafe.Sizeof(Event{})-8]
	_ = [1]struct{}{}[unsafe.Offsetof(Event{}.word)]
)

// low is the half of the word to sleep on: the supported processors are
// little-endian.
func (e *Event) low() *mem.Uint32 { return (*mem.Uint32)(unsafe.Pointer(&e.word)) }

func (e *Event) aligned() bool { return uintptr(unsafe.Pointer(e))%8 == 0 }

// closed says whether this process has closed the memory of e, which is zero
// then, or is about to.
func (e *Event) closed() bool {
	live, _ := mem.Find(unsafe.Pointer(e))
	return !live && mem.Shadow(unsafe.Pointer(e)) != nil
}

// spinner returns this process's state of adaptive spinning for e: in e's shadow,
// or own if e has none.
func (e *Event) spinner(own *futex.Spinner) *futex.Spinner {
	if p := mem.Shadow(unsafe.Pointer(e)); p != nil {
		return (*futex.Spinner)(p)
	}
	return own
}
