//go:build amd64 || arm64

package mem

// Fence orders every access before it before every access after it, stores
// before loads included (LOCK ADD on amd64, DMB ISH on arm64).
func Fence()

// LoadFence orders loads before it before all accesses after it (nothing on
// amd64, DMB ISHLD on arm64). A seqlock's reader needs it.
func LoadFence()

// Pause tells the processor n times that this is a spin loop (PAUSE, YIELD).
func Pause(n uint32)
