package semaphore

import "unsafe"

// The table of Once holds on every supported system.
var (
	_ = [1]struct{}{}[unsafe.Sizeof(Once{})-56]
	_ = [1]struct{}{}[unsafe.Offsetof(Once{}.done)]
	_ = [1]struct{}{}[unsafe.Offsetof(Once{}.mutex)-8]
)
