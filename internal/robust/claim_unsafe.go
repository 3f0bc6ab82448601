package robust

import (
	"structs"
	"unsafe"

	"github.com/shmkit/shmkit/internal/mem"
)

// Claim is one word that says which process has something, taken and named by
// one CAS. The kernel knows nothing of it: that its holder has died is found
// out by Free, which the look of those who wait for it asks.
//
//	off size field written by
//	  0   8  who   holder: its ident, with the TID of a keeper. While the low
//	               half is 0 nobody holds the claim, whatever the other says.
type Claim struct {
	_   structs.HostLayout
	who mem.Uint64
}

var _ = [1]struct{}{}[unsafe.Sizeof(Claim{})-8]

// Word is the half of c to sleep on: it is 0 while nobody holds c.
func (c *Claim) Word() *mem.Uint32 { return (*mem.Uint32)(unsafe.Pointer(&c.who)) }
