package ringbuf

import (
	"encoding/binary"
	"fmt"
	"os"
)

// Large messages of an exclusive ring, those that do not fit it. Each lies in an
// extent of the ring's own file, behind the data: allocated when it is sent, given
// back when it is released. The ring holds a record that names the entry in the table
// of extents, and its generation. The states are those of extent.go, without Held:
// what the only consumer holds is the record at head.
//
//	Free -> Ready     producer, when the message is written, with the next generation;
//	                  then it writes the record, then it stores the tail
//	Ready -> Freeing  consumer, which releases it; it gives the pages back
//	Freeing -> Free   the same, then it stores the head
//	                  (unpunched if Options.Keep says so: the pages are the producer's)
//	Ready -> Free     the next producer, if the tail was not stored
//	Freeing -> Free   the next consumer, if the record is at head
//
// Only who has won Freeing gives pages back, and the producer uses an extent again
// only when it is Free. So a message is the next consumer's as long as it is Ready; if
// it is not, or the entry has a later generation, then it was released by one that
// died before it stored the head, and the next one skips the record. There is one such
// at most, since a head is stored for each large message.
//
// A producer that dies between allocating and storing the tail has pages that nobody
// knows of: the next one gives back whatever no message lies in (extents.rebuild).

const (
	largeTable   = 4096 // where in the head the table of extents is
	largeEntries = 256  // and how many of them
)

// largeBytes is how many bytes of extents an exclusive ring with these options has, 0
// if all its messages fit it.
func (o *Options) largeBytes() int {
	if o.MaxMessage <= o.Capacity-recordHeader {
		return 0
	}
	return 4 * roundUp(o.MaxMessage, zoneUnit)
}

// largeMemory is where the large messages of a ring are, as one process has it mapped.
type largeMemory struct {
	file  *os.File
	base  int64 // where in the file the extents begin
	table []extent
	bytes []byte // the extents
	most  uint64 // MaxMessage
	keep  uint64 // Options.Keep
}

// largeMemory returns nil if all messages fit the ring.
func (r *Ring) largeMemory() *largeMemory {
	if r.opts.largeBytes() == 0 {
		return nil
	}
	b := r.m.Bytes()
	return &largeMemory{
		file: r.file, base: int64(headSize + r.opts.Capacity), most: uint64(r.opts.MaxMessage), keep: uint64(r.opts.Keep),
		table: slotsOf[extent](b[largeTable:headSize], largeEntries),
		bytes: b[headSize+2*r.opts.Capacity:],
	}
}

// largeRecord is the record of a large message.
type largeRecord struct {
	entry      uint32
	generation extentState
}

func (r largeRecord) put(b []byte) {
	binary.LittleEndian.PutUint64(b, kindExtent|uint64(r.entry))
	binary.LittleEndian.PutUint64(b[recordHeader:], uint64(r.generation))
}

// record reads the record of a large message from b. m is nil if the ring has none.
func (m *largeMemory) record(b []byte) (r largeRecord, ok bool) {
	word := binary.LittleEndian.Uint64(b)
	if m == nil || word&kindMask != kindExtent || word&^kindMask >= uint64(len(m.table)) {
		return r, false
	}
	r = largeRecord{uint32(word &^ kindMask), extentState(binary.LittleEndian.Uint64(b[recordHeader:]))}
	return r, r.generation&^usesMask == 0
}

// span is where an extent's message lies, once its entry was checked.
type span struct{ off, n, size uint64 }

// span reads where the message in e is, and how much memory it has.
func (m *largeMemory) span(e *extent) (s span, err error) {
	s.off, s.n = e.offset.Load(), e.length.Load()
	room := uint64(len(m.bytes))
	if s.n > m.most || s.off > room-s.n || s.off%zoneUnit != 0 {
		return span{}, fmt.Errorf("%w: extent of %d bytes at %d", ErrCorrupt, s.n, s.off)
	}
	s.size = min(uint64(roundUp(int(max(s.n, 1)), zoneUnit)), room-s.off)
	return s, nil
}
