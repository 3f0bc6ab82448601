//go:build linux && (amd64 || arm64)

package mem

import (
	"fmt"
	"sync"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The arena is one reservation of 2n bytes: segments are mapped in the first
// half, their shadows lie n bytes behind them. Nothing of it costs memory
// until it is mapped. n is the largest of arenaSizes that the machine grants
// (39-bit address spaces) and that leaves the program most of RLIMIT_AS;
// where none is, segments are mapped wherever the kernel likes and have no
// shadow.
var arenaSizes = []uintptr{16 << 40, 1 << 40, 64 << 30, 4 << 30, 256 << 20}

// arenaShare is the part of a limited address space that the arena may take.
const arenaShare = 16

var (
	arenaOnce sync.Once
	arenaSize atomic.Uintptr // set before arenaBase
	arenaBase atomic.Uintptr // 0: no arena (yet)
)

// Shadow returns the private memory that belongs to the shared word at p, or
// nil when p is not in the arena. It is zero until written, and has room for
// 16 bytes if words that have shadows in use are at least 16 bytes apart.
func Shadow(p unsafe.Pointer) unsafe.Pointer {
	base := arenaBase.Load()
	size := arenaSize.Load()
	if base != 0 && uintptr(p)-base < size {
		return unsafe.Add(p, size)
	}
	return nil
}

// ShadowDistance is the constant distance of every shadow, 0 without arena.
func ShadowDistance() uintptr {
	arenaOnce.Do(reserveArena)
	return arenaSize.Load()
}

func reserveArena() {
	var limit unix.Rlimit
	limited := unix.Getrlimit(unix.RLIMIT_AS, &limit) == nil && limit.Cur != unix.RLIM_INFINITY
	for _, n := range arenaSizes {
		if limited && uint64(2*n) > limit.Cur/arenaShare {
			continue
		}
		p, err := unix.MmapPtr(-1, 0, nil, 2*n, unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE)
		if err != nil {
			continue
		}
		_ = unix.Madvise(unsafe.Slice((*byte)(p), 2*n), unix.MADV_DONTDUMP)
		arenaSize.Store(n)
		arenaBase.Store(uintptr(p))
		return
	}
}

// space hands out page ranges of the arena. A closed range is not used again
// before the arena has been handed out once, so that an access through an old
// slice meets zeros and not another segment; then the oldest goes first.
var space struct {
	sync.Mutex
	next    uintptr // offset of the first byte never handed out
	closed  []span  // oldest first
	live    []*Mapping
	retired []*Mapping // on their way from live to closed, or back
}

type span struct{ off, size uintptr }

// takeSpan returns the offset in the arena of size bytes, false if there is no
// such room.
func takeSpan(size uintptr) (uintptr, bool) {
	arenaOnce.Do(reserveArena)
	total := arenaSize.Load()
	space.Lock()
	defer space.Unlock()
	if total-space.next >= size {
		off := space.next
		space.next += size
		return off, true
	}
	for i, s := range space.closed {
		if s.size >= size {
			if rest := s.size - size; rest > 0 {
				space.closed[i] = span{s.off + size, rest}
			} else {
				space.closed = append(space.closed[:i], space.closed[i+1:]...)
			}
			return s.off, true
		}
	}
	return 0, false
}

func giveSpan(off, size uintptr) {
	space.Lock()
	defer space.Unlock()
	space.closed = append(space.closed, span{off, size})
}

// zeroFixed puts private zero memory over [p, p+n).
func zeroFixed(p unsafe.Pointer, n uintptr) error {
	_, err := unix.MmapPtr(-1, 0, p, n, unix.PROT_READ|unix.PROT_WRITE,
		unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE|unix.MAP_FIXED)
	if err != nil {
		return fmt.Errorf("map zero memory: %w", err)
	}
	return nil
}
