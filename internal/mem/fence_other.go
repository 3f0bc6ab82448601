//go:build !amd64 && !arm64

package mem

import "sync/atomic"

var fence atomic.Uint32

// Fence orders every access before it before every access after it.
func Fence() { fence.Add(1) }

// LoadFence orders loads before it before all accesses after it.
func LoadFence() { fence.Add(1) }

// StoreFence orders stores before it before stores after it.
func StoreFence() { fence.Add(1) }

// Pause spends the time of about n spin hints.
func Pause(n uint32) {
	for range n {
		fence.Load()
	}
}
