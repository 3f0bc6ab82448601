package ringbuf

import (
	"context"
	"os"
)

// A channel with many ends is made of the lanes and seats of a ring with many ends
// (shared.go). A lane's memory is its slots; indices count eighths of a slot, so that
// bit 0 of a lane's cut is free. A value is received by the move of the head, after it
// was copied out: it is never held, and cannot be received again. How goroutines
// share a handle is in turns.go.

// chanMany is both sides of a channel with many ends, as one handle has it.
type chanMany[T any] struct {
	s     *shared
	send  manySender[T]
	recv  manyReceiver[T]
	close context.CancelFunc
}

// slotSize is the room that a value takes in a lane.
func slotSize[T any]() int { return max(sizeOf[T](), 1) }

// init lays the channel of that geometry over b.
func (m *chanMany[T]) init(b []byte, f *os.File, g geometry, o Options, guarded bool) {
	life, cancel := context.WithCancel(context.Background())
	m.s, m.close = sharedOf(b, f, g, o), cancel
	m.send.init(m.s, life, guarded)
	m.recv.init(m.s, life, guarded)
}

// leave is Chan.Close.
func (m *chanMany[T]) leave() {
	// Before the first leaves, so that the other does not take it for the peer's
	// leaving.
	m.send.shut()
	m.recv.shut()
	m.close()
	m.send.end.close()
	m.recv.end.close()
}

// stats are in values, while indices count eighths of slots.
func (m *chanMany[T]) stats() Stats {
	return m.s.stats(recordUnit)
}
