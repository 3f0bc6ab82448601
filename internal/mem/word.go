//go:build !explore

package mem

import "sync/atomic"

// Uint32 is a 32-bit word in shared memory. The zero value is 0.
type Uint32 struct{ v atomic.Uint32 }

// Load returns the word's value with acquire ordering.
func (w *Uint32) Load() uint32 { return w.v.Load() }

// Store sets the word with sequentially consistent ordering.
func (w *Uint32) Store(x uint32) { w.v.Store(x) }

// Swap sets the word and returns what it held.
func (w *Uint32) Swap(x uint32) uint32 { return w.v.Swap(x) }

// CompareAndSwap sets the word to x if it holds old, and says whether it did.
func (w *Uint32) CompareAndSwap(old, x uint32) bool { return w.v.CompareAndSwap(old, x) }

// Add adds x and returns the new value.
func (w *Uint32) Add(x uint32) uint32 { return w.v.Add(x) }

// Uint64 is a 64-bit word in shared memory. The zero value is 0.
type Uint64 struct{ v atomic.Uint64 }

// Load returns the word's value with acquire ordering.
func (w *Uint64) Load() uint64 { return w.v.Load() }

// Store sets the word with sequentially consistent ordering.
func (w *Uint64) Store(x uint64) { w.v.Store(x) }

// Swap sets the word and returns what it held.
func (w *Uint64) Swap(x uint64) uint64 { return w.v.Swap(x) }

// CompareAndSwap sets the word to x if it holds old, and says whether it did.
func (w *Uint64) CompareAndSwap(old, x uint64) bool { return w.v.CompareAndSwap(old, x) }

// Add adds x and returns the new value.
func (w *Uint64) Add(x uint64) uint64 { return w.v.Add(x) }
