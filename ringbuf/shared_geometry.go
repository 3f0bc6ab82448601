package ringbuf

import "fmt"

// geometry says where in the file of a ring or channel for many ends is what. It
// follows from the creation options alone.
type geometry struct {
	lanes, seats int
	head         int // bytes before the first lane's memory, allocated from the start
	lane         int // bytes of a lane's memory
	table        int // entries of its table of extents
	chunk        int // bytes of a chunk of a sparse lane, 0 if lanes are not sparse
	fates        int // how many fates each chunk has, 0 if messages have none there
	words        int // where in the lane's memory the words of its chunks are, and floors
	slots        int // where in the lane's memory its records or slots are
	capacity     int // bytes of records; slots
	hold         int // where its extents are
	held         int // bytes of extents that stay allocated
	big          int // bytes of extents behind those, allocated while in use
}

// maxEnds is how many producers, or consumers, there can be.
const maxEnds = 256

const defaultEnds = 64

// ends checks o's numbers of producers and consumers, and fills in the defaults.
func (o *Options) ends() error {
	for _, x := range []struct {
		n    *int
		many bool
		what string
	}{
		{&o.Producers, o.Mode == MPSC || o.Mode == MPMC, "producers"},
		{&o.Consumers, o.Mode == SPMC || o.Mode == MPMC, "consumers"},
	} {
		switch {
		case !x.many && *x.n > 1, *x.n < 0, *x.n > maxEnds:
			return fmt.Errorf("%w: %d %s in mode %v", ErrOption, *x.n, x.what, o.Mode)
		case !x.many:
			*x.n = 1
		case *x.n == 0:
			*x.n = defaultEnds
		}
	}
	if o.Grow && o.Mode == SPSC {
		return fmt.Errorf("%w: Grow in mode %v", ErrOption, o.Mode)
	}
	if o.Redeliver && o.Mode == SPSC {
		return fmt.Errorf("%w: Redeliver in mode %v, where it is always so", ErrOption, o.Mode)
	}
	if o.Leases && o.Mode == SPSC {
		return fmt.Errorf("%w: Leases in mode %v", ErrOption, o.Mode)
	}
	return nil
}

// maxFile bounds the address space that a ring takes.
const maxFile = 1 << (30 + 13*(^uint(0)>>63)) // 8 TiB

// geometryOf says where what is, for options that ends has checked. slot is the
// size of a channel's slots, 0 for a ring.
func geometryOf(o Options, slot int) (g geometry, err error) {
	g.lanes, g.seats, g.capacity = o.Producers, o.Consumers, o.Capacity
	g.head = roundUp(sharedHead+g.seats*seatSize+g.lanes*laneSize, zoneUnit)
	if slot > 0 {
		g.lane = roundUp(o.Capacity*slot, zoneUnit)
	} else {
		if o.Capacity > mostCounted {
			return g, fmt.Errorf("%w: capacity %d of each producer", ErrSize, o.Capacity)
		}
		g.table = min(max(o.Capacity>>10, 256), 4096)
		if o.Leases {
			g.table = min(o.Capacity>>6, 1<<16)
		}
		g.words = g.table * extentSize
		g.slots = roundUp(g.words, zoneUnit)
		g.held = o.Capacity
		if o.Grow {
			g.chunk, g.held = chunkSize, 0
			words := o.Capacity / g.chunk * 8
			if o.Redeliver || o.Leases {
				g.fates = fatesIn(g.chunk)
				words *= 2
			}
			g.slots = roundUp(g.words+words, zoneUnit)
		}
		g.hold = g.slots + o.Capacity
		if o.MaxMessage > g.held/4 {
			if o.MaxMessage > maxFile/4 {
				return g, fmt.Errorf("%w: messages of %d bytes", ErrSize, o.MaxMessage)
			}
			g.big = 4 * roundUp(o.MaxMessage, zoneUnit)
		}
		if o.Grow { // as far ahead as with small messages
			g.big = max(g.big, o.Capacity)
		}
		g.lane = g.hold + g.held + g.big
	}
	if g.lane > (maxFile-g.head)/g.lanes {
		return g, fmt.Errorf("%w: %d lanes of %d bytes", ErrSize, g.lanes, g.lane)
	}
	return g, nil
}

// fixed is how much of a lane's memory has to be there before it is used.
func (g geometry) fixed() int {
	if g.chunk != 0 {
		return g.slots
	}
	return g.hold + g.held
}

func (g geometry) size() int { return g.head + g.lanes*g.lane }

// lane i's memory begins there.
func (g geometry) at(i int) int { return g.head + i*g.lane }

func roundUp(n, unit int) int { return (n + unit - 1) / unit * unit }
