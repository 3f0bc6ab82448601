//go:build !explore && !race && amd64

package mem

import "unsafe"

// StoreRelease sets the word: whoever loads x also sees every store made
// before it. It may be overtaken by a later load; where that matters the
// caller adds Fence.
//
// On amd64 an ordinary store is a release store, and the compiler keeps stores
// in order; see keep. A call to three lines of assembly would cost more than 1 ns.
func (w *Uint32) StoreRelease(x uint32) {
	*(*uint32)(unsafe.Pointer(w)) = x
	keep()
}

// StoreRelease sets the word: whoever loads x also sees every store made
// before it. It may be overtaken by a later load; where that matters the
// caller adds Fence.
func (w *Uint64) StoreRelease(x uint64) {
	*(*uint64)(unsafe.Pointer(w)) = x
	keep()
}

// StoreRelaxed sets the word in one piece and orders nothing.
func (w *Uint32) StoreRelaxed(x uint32) { *(*uint32)(unsafe.Pointer(w)) = x }

// StoreRelaxed sets the word in one piece and orders nothing.
func (w *Uint64) StoreRelaxed(x uint64) { *(*uint64)(unsafe.Pointer(w)) = x }
