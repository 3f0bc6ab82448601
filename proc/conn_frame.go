package proc

import (
	"encoding/binary"
	"fmt"

	"github.com/shmkit/shmkit/internal/codec"
	"github.com/shmkit/shmkit/internal/handle"
	"github.com/shmkit/shmkit/internal/mem"
	"github.com/shmkit/shmkit/ringbuf"
)

// A message in the ring, little endian:
//
//	offset  size  field
//	0       1     kind
//	1       3     zero
//	4       4     n, the size of the list
//	8             the body
//	end-n   n     the list of what came beside it, in CBOR; none for most messages
const frameHeader = 8

type messageKind byte

const (
	kindBytes messageKind = iota + 1 // SendBytes
	kindValue                        // Send
	kindFile                         // SendFile: the body is the file's name
)

// besides lists what belongs to a message and does not lie in the ring.
type besides struct {
	Number  uint64 // of the message, by which its descriptors are known
	Files   int    // how many descriptors: the handles' first, then perhaps a lifeline
	Handles handle.Table
}

func (b *besides) encode() ([]byte, error) { return codec.Marshal(b) }

func (b *besides) decode(data []byte) error {
	if err := codec.Unmarshal(data, b); err != nil {
		return fmt.Errorf("%w: %w: %w", ErrDescriptors, ringbuf.ErrCorrupt, err)
	}
	// Each descriptor is somebody's: more than there can be are not asked for.
	if b.Files < 0 || b.Files > len(b.Handles)+1 {
		return fmt.Errorf("%w: %w: %d for %d handles", ErrDescriptors, ringbuf.ErrCorrupt, b.Files, len(b.Handles))
	}
	return nil
}

func frameSize(body, list []byte) int { return frameHeader + len(body) + len(list) }

// putFrame writes a message into room, which has its size.
func putFrame(room []byte, kind messageKind, body, list []byte) {
	binary.LittleEndian.PutUint64(room, uint64(kind)|uint64(len(list))<<32)
	mem.Copy(room[frameHeader:], body)
	copy(room[frameHeader+len(body):], list)
}

// frame is a message where it lies. The other end may change the bytes.
type frame struct {
	kind       messageKind
	body, list []byte
}

func parseFrame(b []byte) (f frame, err error) {
	if len(b) < frameHeader {
		return f, fmt.Errorf("%w: message of %d bytes", ringbuf.ErrCorrupt, len(b))
	}
	head := binary.LittleEndian.Uint64(b) // once: it may change
	rest, n := b[frameHeader:], head>>32
	f.kind = messageKind(head)
	if f.kind < kindBytes || f.kind > kindFile || head&0xffffff00 != 0 ||
		n > uint64(len(rest)) || f.kind == kindFile && n == 0 {
		return f, fmt.Errorf("%w: message of %d bytes begins with %x", ringbuf.ErrCorrupt, len(b), head)
	}
	f.body, f.list = rest[:len(rest)-int(n)], rest[len(rest)-int(n):]
	return f, nil
}
