//go:build !explore && (race || !(amd64 || arm64))

package mem

// StoreRelease sets the word: whoever loads x also sees every store made
// before it. The race detector does not see assembly, and other processors
// have none here: both get the stronger store of sync/atomic.
func (w *Uint32) StoreRelease(x uint32) { w.v.Store(x) }

// StoreRelease sets the word: whoever loads x also sees every store made
// before it.
func (w *Uint64) StoreRelease(x uint64) { w.v.Store(x) }

// StoreRelaxed sets the word in one piece and orders nothing.
func (w *Uint64) StoreRelaxed(x uint64) { w.v.Store(x) }

// StoreRelaxed sets the word in one piece and orders nothing.
func (w *Uint32) StoreRelaxed(x uint32) { w.v.Store(x) }
