//go:build explore

package mem

import "sync/atomic"

// Observer is told about every access to a word. Package explore runs the
// code of several simulated processes, and switches between them at Before.
type Observer interface {
	// Before is called before the access is made. It may panic: the process
	// has died before the access.
	Before(word any)
	// After is called when the access was made, with what the code learns
	// from it (0 for stores).
	After(op string, word any, learnt uint64)
}

// Explorer, if not nil, observes all accesses. Set while no code runs.
var Explorer Observer

func before(word any) {
	if Explorer != nil {
		Explorer.Before(word)
	}
}

func after(op string, word any, learnt uint64) {
	if Explorer != nil {
		Explorer.After(op, word, learnt)
	}
}

// Uint32 is a 32-bit word in shared memory. The zero value is 0.
type Uint32 struct{ v atomic.Uint32 }

// Load returns the word's value.
func (w *Uint32) Load() uint32 {
	before(w)
	x := w.v.Load()
	after("load", w, uint64(x))
	return x
}

// Store sets the word.
func (w *Uint32) Store(x uint32) {
	before(w)
	w.v.Store(x)
	after("store", w, 0)
}

// StoreRelease is Store: exploration assumes sequential consistency.
func (w *Uint32) StoreRelease(x uint32) { w.Store(x) }

// StoreRelaxed is Store: exploration assumes sequential consistency.
func (w *Uint32) StoreRelaxed(x uint32) { w.Store(x) }

// Swap sets the word and returns what it held.
func (w *Uint32) Swap(x uint32) uint32 {
	before(w)
	old := w.v.Swap(x)
	after("swap", w, uint64(old))
	return old
}

// CompareAndSwap sets the word to x if it holds old, and says whether it did.
func (w *Uint32) CompareAndSwap(old, x uint32) bool {
	before(w)
	ok := w.v.CompareAndSwap(old, x)
	after("cas", w, bit(ok))
	return ok
}

// Add adds x and returns the new value.
func (w *Uint32) Add(x uint32) uint32 {
	before(w)
	sum := w.v.Add(x)
	after("add", w, uint64(sum))
	return sum
}

// Uint64 is a 64-bit word in shared memory. The zero value is 0.
type Uint64 struct{ v atomic.Uint64 }

// Load returns the word's value.
func (w *Uint64) Load() uint64 {
	before(w)
	x := w.v.Load()
	after("load", w, x)
	return x
}

// Store sets the word.
func (w *Uint64) Store(x uint64) {
	before(w)
	w.v.Store(x)
	after("store", w, 0)
}

// StoreRelease is Store: exploration assumes sequential consistency.
func (w *Uint64) StoreRelease(x uint64) { w.Store(x) }

// StoreRelaxed is Store: exploration assumes sequential consistency.
func (w *Uint64) StoreRelaxed(x uint64) { w.Store(x) }

// Swap sets the word and returns what it held.
func (w *Uint64) Swap(x uint64) uint64 {
	before(w)
	old := w.v.Swap(x)
	after("swap", w, old)
	return old
}

// CompareAndSwap sets the word to x if it holds old, and says whether it did.
func (w *Uint64) CompareAndSwap(old, x uint64) bool {
	before(w)
	ok := w.v.CompareAndSwap(old, x)
	after("cas", w, bit(ok))
	return ok
}

// Add adds x and returns the new value.
func (w *Uint64) Add(x uint64) uint64 {
	before(w)
	sum := w.v.Add(x)
	after("add", w, sum)
	return sum
}

func bit(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}
