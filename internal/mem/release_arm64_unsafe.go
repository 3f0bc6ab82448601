//go:build !explore && !race && arm64

package mem

import "unsafe"

// StoreRelease sets the word: whoever loads x also sees every store made
// before it. It may be overtaken by a later load; where that matters the
// caller adds Fence.
func (w *Uint32) StoreRelease(x uint32) { storeRelease32((*uint32)(unsafe.Pointer(w)), x) }

// StoreRelease sets the word: whoever loads x also sees every store made
// before it. It may be overtaken by a later load; where that matters the
// caller adds Fence.
func (w *Uint64) StoreRelease(x uint64) { storeRelease64((*uint64)(unsafe.Pointer(w)), x) }

// StoreRelaxed sets the word in one piece and orders nothing.
func (w *Uint64) StoreRelaxed(x uint64) { *(*uint64)(unsafe.Pointer(w)) = x }

// StoreRelaxed sets the word in one piece and orders nothing.
func (w *Uint32) StoreRelaxed(x uint32) { *(*uint32)(unsafe.Pointer(w)) = x }

//go:noescape
func storeRelease32(p *uint32, x uint32)

//go:noescape
func storeRelease64(p *uint64, x uint64)
