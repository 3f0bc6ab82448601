package mem

import "sync/atomic"

var barrier atomic.Uint32

// StoreFence orders stores before it before stores after it. amd64 keeps
// stores in order; the load keeps the compiler from dropping a store before it
// in favour of one to the same word after it.
func StoreFence() { barrier.Load() }
