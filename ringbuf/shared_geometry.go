package ringbuf

import "fmt"

// geometry says where in the file of a ring or channel for many ends is what. It
// follows from the creation options alone.
type geometry struct {
	lanes, seats int
	head         int // bytes before the first lane's memory, allocated from the start
	lane         int // bytes of a lane's memory
	table        int // entries of its table of extents
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
	if o.Redeliver && o.Mode == SPSC {
		return fmt.Errorf("%w: Redeliver in mode %v, where it is always so", ErrOption, o.Mode)
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
		g.table = min(max(o.Capacity>>10, 256), 4096)
		g.slots = roundUp(g.table*extentSize, zoneUnit)
		g.hold = g.slots + o.Capacity
		g.held = o.Capacity
		if o.MaxMessage > g.held/4 {
			if o.MaxMessage > maxFile/4 {
				return g, fmt.Errorf("%w: messages of %d bytes", ErrSize, o.MaxMessage)
			}
			g.big = 4 * roundUp(o.MaxMessage, zoneUnit)
		}
		g.lane = g.hold + g.held + g.big
	}
	if g.lane > (maxFile-g.head)/g.lanes {
		return g, fmt.Errorf("%w: %d lanes of %d bytes", ErrSize, g.lanes, g.lane)
	}
	return g, nil
}

func (g geometry) size() int { return g.head + g.lanes*g.lane }

// lane i's memory begins there.
func (g geometry) at(i int) int { return g.head + i*g.lane }

func roundUp(n, unit int) int { return (n + unit - 1) / unit * unit }
