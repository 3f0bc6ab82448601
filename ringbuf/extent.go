package ringbuf

import (
	"cmp"
	"fmt"
	"os"
	"slices"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/shmfile"
)

// Extents. A message that is too large for a record lies in an extent of its
// lane's memory, which its producer alone gives out; the record names the entry in
// the lane's table and its generation. One CAS of the entry's state takes the
// message and names the consumer that holds it, and another one, by that consumer
// or, behind the take-over fence, by whoever buries it, gives the extent back. So
// extents come back in any order, each exactly once, and a stopped consumer keeps
// no more than what it holds. A table may have more entries than there is memory for:
// its producer gets that when it uses entries for the first time, and says how many it
// has used, so that whoever looks through the table looks no further.
//
//	Free -> Ready     producer, with the next generation, before it publishes the record
//	Ready -> Held     the consumer that takes the message
//	Held -> Free      it releases the message (a big one's pages are given back in
//	                  between, in state Freeing)
//	Held -> Again     it died or left, and the ring redelivers; with the next generation
//	Again -> Held     the consumer that takes it then
//	Ready -> Free     the next producer of the lane, if no record was published
//
// A generation is used once, so whoever was stopped for an hour before its CAS
// changes nothing.

// extentState is the state of an entry.
//
//	bits  0-2   phase
//	bit   3     unpunched: free, and its memory may still be allocated (big extents)
//	bit   4     redelivered
//	bits  5-16  seat of the consumer that holds it
//	bits 17-63  generation
type extentState uint64

const (
	phaseFree extentState = iota
	phaseReady
	phaseHeld
	phaseFreeing
	phaseAgain

	phaseMask   extentState = 7
	unpunched   extentState = 1 << 3
	redelivered extentState = 1 << 4
	seatShift               = 5
	seatMask    extentState = 0xfff << seatShift
	oneUse      extentState = 1 << 17 // one generation
	usesMask                = ^(oneUse - 1)
)

func (s extentState) phase() extentState      { return s & phaseMask }
func (s extentState) generation() extentState { return s & usesMask }
func (s extentState) free() extentState       { return s & usesMask } // in the same generation
func (s extentState) seat() int               { return int(s & seatMask >> seatShift) }

func heldBy(seat int) extentState { return phaseHeld | extentState(seat)<<seatShift }

// piece is an extent in use.
type piece struct {
	entry     uint32
	off, size uint64 // in the lane's extents
}

func (p piece) covers(off, size uint64) bool { return off == p.off && size <= p.size }

// zone is a range of a lane's extents, given out round and round: its pieces in
// the order in which they follow the cursor, so that what was given out longest
// ago is looked at first.
type zone struct {
	from, to uint64
	unit     uint64
	cursor   uint64
	pieces   []piece // a queue in a circle, which grows
	first, n int
}

func (z *zone) push(p piece) {
	if z.n == len(z.pieces) {
		z.pieces = append(slices.Concat(z.pieces[z.first:], z.pieces[:z.first]), make([]piece, max(z.n, 16))...)
		z.first = 0
	}
	z.pieces[(z.first+z.n)%len(z.pieces)] = p
	z.n++
}

func (z *zone) pop() piece {
	p := z.pieces[z.first]
	z.first = (z.first + 1) % len(z.pieces)
	z.n--
	return p
}

// unpush undoes the last push.
func (z *zone) unpush() {
	z.n--
	z.cursor = z.pieces[(z.first+z.n)%len(z.pieces)].off
}

// extents is a producer's book of its lane's extents. It is private, and made anew
// from the table when a producer joins.
type extents struct {
	file    *os.File
	base    int64    // where in the file the extents begin
	table   []extent // shared
	free    []uint32 // entries that are not in use
	held    zone     // stays allocated
	big     zone     // allocated while in use
	pending *zone    // whose last piece is under construction

	keep uint64 // how many bytes of big extents may stay allocated while nothing uses them
	kept piece  // what does: none of the zone's pieces overlaps it

	more func() ([]extent, error) // the table with more entries; nil: there are no more
}

func (x *extents) init(file *os.File, base int64, table []extent, g geometry) {
	*x = extents{file: file, base: base, table: table, free: make([]uint32, 0, len(table))}
	x.held = zone{to: uint64(g.held), unit: 64}
	if g.big > 0 {
		x.big = zone{from: uint64(g.held), to: uint64(g.held + g.big), unit: zoneUnit}
	}
	x.held.cursor, x.big.cursor = x.held.from, x.big.from
}

// rebuild makes the book from the table. published are the entries, with their
// generations, whose records are published and not taken; every other one that is
// ready was never published.
func (x *extents) rebuild(published map[uint32]extentState) error {
	used := make([]piece, 0, len(x.table))
	for i := range x.table {
		e, entry := &x.table[i], uint32(i)
		s := extentState(e.state.Load())
		if g, ok := published[entry]; s.phase() == phaseReady && (!ok || g != s.generation()) {
			if !e.state.CompareAndSwap(uint64(s), uint64(s.free()|unpunched)) {
				return fmt.Errorf("%w: extent %d was not published, and changes", ErrCorrupt, i)
			}
			s = s.free() | unpunched
		}
		if s.phase() == phaseFree {
			x.free = append(x.free, entry)
			continue
		}
		off, n := e.offset.Load(), e.length.Load()
		z := x.zoneOf(off)
		if n > z.to || off < z.from || off > z.to-n || off%z.unit != 0 {
			return fmt.Errorf("%w: extent %d at %d of %d bytes", ErrCorrupt, i, off, n)
		}
		used = append(used, piece{entry, off, z.round(n)})
	}
	slices.SortFunc(used, func(a, b piece) int { return cmp.Compare(a.off, b.off) })
	end := x.big.from
	for i, p := range used {
		if i > 0 && p.off < used[i-1].off+used[i-1].size {
			return fmt.Errorf("%w: extents %d and %d overlap", ErrCorrupt, used[i-1].entry, p.entry)
		}
		z := x.zoneOf(p.off)
		z.push(p)
		if z == &x.big {
			if err := x.punch(end, p.off); err != nil {
				return err
			}
			end = p.off + p.size
		}
	}
	return x.punch(end, x.big.to)
}

func (x *extents) zoneOf(off uint64) *zone {
	if off >= x.held.to && x.big.to > 0 {
		return &x.big
	}
	return &x.held
}

func (z *zone) round(n uint64) uint64 { return (max(n, 1) + z.unit - 1) / z.unit * z.unit }

func (x *extents) punch(from, to uint64) error {
	if from >= to {
		return nil
	}
	return shmfile.Punch(x.file, x.base+int64(from), int64(to-from))
}

// take begins an extent for a message of n bytes, and returns where it lies. It
// returns ErrFull when there is no room.
func (x *extents) take(n uint64) (off uint64, err error) {
	x.abort()
	if len(x.free) == 0 {
		if err := x.sweep(); err != nil {
			return 0, err
		}
	}
	// What is large goes where memory is given back only if it must: a consumer that
	// holds little may lie in the middle of what stays.
	z := &x.held
	if size := z.round(n); size > z.to || !x.find(z, size) {
		if z = &x.big; n <= x.held.to/4 || z.to == 0 || !x.reuse(z.round(n)) && !x.find(z, z.round(n)) {
			return 0, ErrFull
		}
	}
	off, size := z.cursor, z.round(n)
	if z == &x.big && !x.kept.covers(off, size) {
		x.giveKept()
		if err := shmfile.Allocate(x.file, x.base+int64(off), int64(size)); err != nil {
			_ = x.punch(off, off+size)
			return 0, err
		}
		crashpoint.Hit("extent.allocated")
	} else if z == &x.big {
		_ = x.punch(off+size, off+x.kept.size)
		x.kept = piece{}
	}
	z.push(piece{x.free[len(x.free)-1], off, size})
	z.cursor = off + size
	x.pending = z
	return off, nil
}

// find moves the cursor to where size bytes are free, over what is in use.
func (x *extents) find(z *zone, size uint64) bool {
	for passed := 0; ; {
		end := z.to
		if z.n > 0 && z.pieces[z.first].off >= z.cursor {
			end = z.pieces[z.first].off
		}
		switch {
		case size <= end-z.cursor:
			return true
		case end == z.to: // nothing lies between here and the end
			if z.n == 0 && z.cursor == z.from {
				return false
			}
			z.cursor = z.from
		case x.retire(z):
		case passed >= z.n:
			return false
		default:
			p := z.pop()
			z.cursor = p.off + p.size
			z.push(p)
			passed++
		}
	}
}

// retire takes the first piece out of the book if it has been given back.
func (x *extents) retire(z *zone) bool {
	p := z.pieces[z.first]
	e := &x.table[p.entry]
	s := extentState(e.state.Load()) // acquire: extent
	if s.phase() != phaseFree {
		return false
	}
	z.pop()
	x.free = append(x.free, p.entry)
	if z == &x.big && s&unpunched != 0 {
		x.retain(p)
	}
	return true
}

// retain keeps the memory of p, which is free, for the next big message, or gives it back:
// if it is too much, or others are in use, which would be kept in their turn.
func (x *extents) retain(p piece) {
	x.giveKept()
	if p.size > x.keep || x.big.n > 0 {
		_ = x.punch(p.off, p.off+p.size)
		return
	}
	x.kept = p
}

// giveAll gives back what is kept, and what was left to be.
func (x *extents) giveAll() {
	for x.big.n > 0 && x.retire(&x.big) {
	}
	x.giveKept()
}

// giveKept gives back what is kept.
func (x *extents) giveKept() {
	_ = x.punch(x.kept.off, x.kept.off+x.kept.size)
	x.kept = piece{}
}

// reuse moves the cursor to what is kept, if size bytes fit there and no piece of the
// zone is in use, so that their order does not matter.
func (x *extents) reuse(size uint64) bool {
	z := &x.big
	for x.keep > 0 && z.n > 0 && x.retire(z) {
	}
	if z.n > 0 || size > x.kept.size {
		return false
	}
	z.cursor = x.kept.off
	return true
}

// sweep looks for entries that have been given back, in both zones. Where more may be
// used it takes some of those if there are few; else it is content with one, for there
// may be many to look at.
func (x *extents) sweep() error {
	enough := 1
	if x.more != nil {
		enough = len(x.table)/8 + 1
	}
	for _, z := range []*zone{&x.held, &x.big} {
		for range z.n {
			if len(x.free) >= enough {
				return nil
			}
			if !x.retire(z) {
				p := z.pop()
				z.cursor = p.off + p.size
				z.push(p)
			}
		}
	}
	if x.more != nil && len(x.free) < enough {
		if err := x.grow(); len(x.free) == 0 {
			return err
		}
	}
	if len(x.free) == 0 {
		return ErrFull
	}
	return nil
}

// grow begins to use more entries, the first of them first.
func (x *extents) grow() error {
	n := len(x.table)
	table, err := x.more()
	if err == ErrFull {
		x.more = nil
	}
	if err != nil {
		return err
	}
	x.table = table
	for k := len(table) - 1; k >= n; k-- {
		x.free = append(x.free, uint32(k))
	}
	return nil
}

// commit makes the extent under construction a message of n bytes, and returns
// its entry and generation.
func (x *extents) commit(n uint64) (entry uint32, generation extentState) {
	z := x.pending
	x.trim(n)
	x.pending = nil
	entry = x.free[len(x.free)-1]
	x.free = x.free[:len(x.free)-1]
	e := &x.table[entry]
	last := &z.pieces[(z.first+z.n-1)%len(z.pieces)]
	generation = extentState(e.state.Load()).generation() + oneUse
	e.offset.Store(last.off)
	e.length.Store(n)
	e.state.StoreRelease(uint64(generation | phaseReady)) // release: extent
	crashpoint.Hit("extent.ready")
	return entry, generation
}

// trim makes the extent under construction, if there is one, one for n bytes.
func (x *extents) trim(n uint64) {
	z := x.pending
	if z == nil {
		return
	}
	last := &z.pieces[(z.first+z.n-1)%len(z.pieces)]
	if used := z.round(n); used < last.size { // whoever releases it gives back no more than that
		if z == &x.big {
			_ = x.punch(last.off+used, last.off+last.size)
		}
		last.size, z.cursor = used, last.off+used
	}
}

// abort gives up the extent under construction.
func (x *extents) abort() {
	if z := x.pending; z != nil {
		x.pending = nil
		last := z.pieces[(z.first+z.n-1)%len(z.pieces)]
		z.unpush()
		if z == &x.big {
			x.retain(last)
		}
	}
}
