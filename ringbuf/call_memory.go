package ringbuf

import (
	"fmt"

	"github.com/shmkit/shmkit/internal/mem"
)

// The bytes of a request or reply lie in the slot, if there are few, so that a
// call moves one or two cache lines each way. Others lie in a range of the file
// that belongs to the slot: the first page of a range has memory from the first
// use of the slot on, the rest of it for as long as a call needs it. Whoever
// writes there allocates first, since otherwise running out of memory would be a
// SIGBUS. Only the client gives memory back, or who has its seat after it.

// Which of a slot's ranges.
const (
	callRequest = iota
	callReply
)

// at returns where the range of a slot begins.
func (b *callBoard) at(client, slot, which int) uint64 {
	return uint64((client*callSlots+slot)*2+which) * b.span
}

// put writes p as the request or reply of a slot. It fits. The error is what
// allocating gives; then the slot is as it was.
func (b *callBoard) put(client, slot, which int, p []byte) error {
	s := &b.clients[client].slots[slot]
	n := uint64(len(p))
	switch {
	case n <= callInline:
		copy(s.inline[:], p)
	default:
		at := b.at(client, slot, which)
		if n > callPage {
			if err := b.allocate(at+callPage, callPages(n)-callPage); err != nil {
				return err
			}
		}
		mem.Copy(b.data[at:at+n], p)
	}
	s.length.StoreRelaxed(n)
	return nil
}

// get appends the n bytes of the request or reply of a slot, n at most
// MaxMessage, to buf.
func (b *callBoard) get(buf []byte, client, slot, which int, n uint64) []byte {
	if n <= callInline {
		return append(buf, b.clients[client].slots[slot].inline[:n]...)
	}
	at := b.at(client, slot, which)
	if uint64(cap(buf)-len(buf)) < n {
		return append(buf, b.data[at:at+n]...)
	}
	old := len(buf)
	buf = buf[:old+int(n)]
	mem.Copy(buf[old:], b.data[at:at+n])
	return buf
}

// furnish gives a slot the memory that it keeps.
func (b *callBoard) furnish(client, slot int) error {
	if b.span == 0 {
		return nil
	}
	for _, which := range []int{callRequest, callReply} {
		if err := b.allocate(b.at(client, slot, which), callPage); err != nil {
			return fmt.Errorf("memory of a slot: %w", err)
		}
	}
	return nil
}

// trim gives back what a slot keeps only for the length of a call.
func (b *callBoard) trim(client, slot, which int) {
	if b.span > callPage {
		b.punch(b.at(client, slot, which)+callPage, b.span-callPage)
	}
}

// strip gives back all memory of a slot.
func (b *callBoard) strip(client, slot int) {
	if b.span > 0 {
		b.punch(b.at(client, slot, callRequest), 2*b.span)
	}
}

func callPages(n uint64) uint64 { return (n + callPage - 1) &^ (callPage - 1) }
