//go:build linux && (amd64 || arm64)

package mem

import (
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// abroad are the closed ranges outside of the arena, which there are when it is full or
// the machine grants none. They stay zero memory, as closed ranges in it do, until there
// are more of them than an arena would have: then the oldest go.
var abroad zeros

type zeros struct {
	mu     sync.Mutex
	ranges []zeroRange // the oldest first
	bytes  uintptr
}

type zeroRange struct {
	at   unsafe.Pointer
	size uintptr
}

// mostAbroad is how many ranges stay at most: each may be a map of its own, of which a
// process may have some 65 000.
const mostAbroad = 4096

func (z *zeros) add(at unsafe.Pointer, size uintptr) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.ranges = append(z.ranges, zeroRange{at, size})
	z.bytes += size
	most := max(ShadowDistance(), arenaSizes[len(arenaSizes)-1])
	for z.bytes > most || len(z.ranges) > mostAbroad {
		oldest := z.ranges[0]
		z.ranges = z.ranges[1:]
		z.bytes -= oldest.size
		_ = unix.MunmapPtr(oldest.at, oldest.size) // it fails where it stays, harmlessly
	}
}
