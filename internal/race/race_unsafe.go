//go:build race

package race

import (
	"runtime"
	"unsafe"
)

// Enabled says whether the race detector watches this program.
const Enabled = true

// Addr stands for a shared word. It must not be copied after first use.
type Addr struct{ b byte }

// Acquire orders what follows after every earlier ReleaseMerge.
func (a *Addr) Acquire() { runtime.RaceAcquire(unsafe.Pointer(&a.b)) }

// ReleaseMerge orders what came before ahead of every later Acquire.
func (a *Addr) ReleaseMerge() { runtime.RaceReleaseMerge(unsafe.Pointer(&a.b)) }

// Disable makes the detector ignore this goroutine's synchronisation until
// Enable.
func Disable() { runtime.RaceDisable() }

// Enable ends Disable.
func Enable() { runtime.RaceEnable() }
