package semaphore

import (
	"unsafe"

	"github.com/shmkit/shmkit/internal/robust"
)

// The table of Barrier holds on every supported system.
const barrierSize = 12544

var (
	_ = [1]struct{}{}[unsafe.Sizeof(Barrier{})-barrierSize]
	_ = [1]struct{}{}[unsafe.Offsetof(Barrier{}.word)]
	_ = [1]struct{}{}[unsafe.Offsetof(Barrier{}.parties)-128]
	_ = [1]struct{}{}[unsafe.Offsetof(Barrier{}.resets)-132]
	_ = [1]struct{}{}[unsafe.Offsetof(Barrier{}.timeout)-136]
	_ = [1]struct{}{}[unsafe.Offsetof(Barrier{}.used)-144]
	_ = [1]struct{}{}[unsafe.Offsetof(Barrier{}.anchor)-152]
	_ = [1]struct{}{}[unsafe.Offsetof(Barrier{}.seats)-256]
	_ = [1]struct{}{}[unsafe.Sizeof(robust.Cell{})-48]
)

func (b *Barrier) aligned() bool { return uintptr(unsafe.Pointer(b))%8 == 0 }
