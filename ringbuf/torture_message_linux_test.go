//go:build !explore

package ringbuf

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/rand/v2"

	"github.com/shmkit/shmkit/internal/mem"
)

// tortureID says whose message it is: its queue, the life that sent it, for the how
// manieth time that life was a producer there, and which of its messages it is.
type tortureID uint64

func newTortureID(queue, life, join, seq int) tortureID {
	return tortureID(queue)<<60 | tortureID(life)<<40 | tortureID(join)<<20 | tortureID(seq)
}

func (id tortureID) queue() int { return int(id >> 60) }
func (id tortureID) life() int  { return int(id>>40) & 0xfffff }
func (id tortureID) join() int  { return int(id>>20) & 0xfffff }
func (id tortureID) seq() int   { return int(id) & 0xfffff }

func (id tortureID) String() string {
	return fmt.Sprintf("message %d of life %d (join %d) in queue %d", id.seq(), id.life(), id.join(), id.queue())
}

// A message of at least 16 bytes is numbered: it begins with its ID, its length and
// a checksum of all the rest. Shorter ones are blank: only their number is known.
const tortureHead = 16

var tortureSums = crc32.MakeTable(crc32.Castagnoli)

func tortureSum(b []byte) uint32 {
	return crc32.Update(crc32.Checksum(b[:12], tortureSums), tortureSums, b[tortureHead:])
}

// torturePut writes the message of that ID to b, not too fast: some are killed here.
func torturePut(b []byte, id tortureID, pause uint32) {
	if len(b) < tortureHead {
		for i := range b {
			b[i] = tortureBlank(len(b))
		}
		return
	}
	body := b[tortureHead:]
	text := cut(int(id), len(body))
	half := copy(body, text[:len(body)/2])
	mem.Pause(pause)
	copy(body[half:], text[half:])
	binary.LittleEndian.PutUint64(b, uint64(id))
	binary.LittleEndian.PutUint32(b[8:], uint32(len(b)))
	binary.LittleEndian.PutUint32(b[12:], tortureSum(b))
}

func tortureBlank(n int) byte { return byte(n) ^ 0x5a }

// tortureGet checks b, and says which message it is; blank ones have no ID.
func tortureGet(b []byte) (id tortureID, blank bool, err error) {
	if len(b) < tortureHead {
		for i := range b {
			if b[i] != tortureBlank(len(b)) {
				return 0, true, fmt.Errorf("a blank message is spoilt: %x", b)
			}
		}
		return 0, true, nil
	}
	id = tortureID(binary.LittleEndian.Uint64(b))
	if n := binary.LittleEndian.Uint32(b[8:]); n != uint32(len(b)) {
		return id, false, fmt.Errorf("%v has %d bytes and says %d", id, len(b), n)
	}
	if sum := binary.LittleEndian.Uint32(b[12:]); sum != tortureSum(b) {
		return id, false, fmt.Errorf("%v of %d bytes is spoilt: checksum %x instead of %x", id, len(b), tortureSum(b), sum)
	}
	return id, false, nil
}

// tortureLargest is larger than a ring's capacity.
const tortureLargest = 150_000

// tortureSize is of every kind that there is: blank, in a record, at the limit of
// those, in an extent, beyond a quarter of the capacity. In a rush it is small.
func tortureSize(r *rand.Rand, rush bool) int {
	if rush {
		if r.IntN(10) == 0 {
			return inlineMost + r.IntN(inlineMost)
		}
		return tortureHead + r.IntN(32)
	}
	switch k := r.IntN(100); {
	case k < 10:
		return r.IntN(tortureHead)
	case k < 60:
		return tortureHead + r.IntN(200)
	case k < 70:
		return inlineMost - 8 + r.IntN(16)
	case k < 85:
		return inlineMost + r.IntN(minCapacity/4-inlineMost)
	case k < 95:
		return minCapacity/4 + r.IntN(minCapacity*3/4)
	}
	return minCapacity + r.IntN(tortureLargest-minCapacity+1)
}

// tortureValue is what channels carry.
type tortureValue struct {
	id  tortureID
	pad [4]uint64
	sum uint64
}

func newTortureValue(id tortureID) (v tortureValue) {
	v.id = id
	for i := range v.pad {
		v.pad[i] = hash(int(id) + i)
		v.sum += v.pad[i] ^ uint64(id)
	}
	return v
}

func (v tortureValue) check() error {
	if v != newTortureValue(v.id) {
		return fmt.Errorf("value %v is spoilt: %+v", v.id, v)
	}
	return nil
}
