//go:build !race

package race

// Enabled says whether the race detector watches this program.
const Enabled = false

// Addr stands for a shared word. It must not be copied after first use.
type Addr struct{}

// Acquire orders what follows after every earlier ReleaseMerge.
func (a *Addr) Acquire() {}

// ReleaseMerge orders what came before ahead of every later Acquire.
func (a *Addr) ReleaseMerge() {}

// Disable makes the detector ignore this goroutine's synchronisation until
// Enable.
func Disable() {}

// Enable ends Disable.
func Enable() {}
