package pool

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"

	"github.com/shmkit/shmkit/internal/mem"
	"github.com/shmkit/shmkit/ringbuf"
)

// A batch in the ring of requests: all numbers are little-endian.
//
//	off size field
//	  0    8 seq      see board.go
//	  8    8 timeout  of each task, in nanoseconds; 0 is none
//	 16    4 first    the number of the first task within the whole batch
//	 20    4 count    of tasks
//	 24    4 stride   length of each argument, or varies
//	 28    2 name     length of the task's name
//	 30    2 flags    1: the argument, of the only task, comes beside the ring
//	 32      name, then the arguments; where the lengths vary, each with its length in
//	         8 bytes in front, all ones for a nil slice
const (
	batchHeader = 32
	varies      = math.MaxUint32
	nilLength   = math.MaxUint64
	flagCargo   = 1
)

// batchFrame is a batch's message, decoded.
type batchFrame struct {
	seq          uint64
	timeout      time.Duration
	first, count int
	stride       int // -1: lengths vary
	name         string
	cargo        bool
	rest         []byte // arguments that were not read yet
}

// put writes the message into room, which has its size.
func (f *batchFrame) put(room, flat []byte, parts [][]byte) {
	le := binary.LittleEndian
	le.PutUint64(room, f.seq)
	le.PutUint64(room[8:], uint64(f.timeout))
	le.PutUint32(room[16:], uint32(f.first))
	le.PutUint32(room[20:], uint32(f.count))
	le.PutUint32(room[24:], uint32(f.stride)) // -1 is varies
	le.PutUint16(room[28:], uint16(len(f.name)))
	var flags uint16
	if f.cargo {
		flags = flagCargo
	}
	le.PutUint16(room[30:], flags)
	at := batchHeader + copy(room[batchHeader:], f.name)
	mem.Copy(room[at:], flat)
	for _, p := range parts {
		n := uint64(len(p))
		if p == nil {
			n = nilLength
		}
		le.PutUint64(room[at:], n)
		at += 8
		at += mem.Copy(room[at:], p)
	}
}

func parseBatch(b []byte) (f batchFrame, name []byte, err error) {
	le := binary.LittleEndian
	if len(b) < batchHeader {
		return f, nil, fmt.Errorf("%w: batch of %d bytes", ringbuf.ErrCorrupt, len(b))
	}
	f.seq, f.timeout = le.Uint64(b), time.Duration(le.Uint64(b[8:]))
	f.first, f.count = int(le.Uint32(b[16:])), int(le.Uint32(b[20:]))
	f.stride = -1
	if s := le.Uint32(b[24:]); s != varies {
		f.stride = int(s)
	}
	n := int(le.Uint16(b[28:]))
	f.cargo = le.Uint16(b[30:]) == flagCargo
	if n > len(b)-batchHeader || f.first > maxTasks || f.count > maxTasks {
		return f, nil, fmt.Errorf("%w: batch of %d bytes", ringbuf.ErrCorrupt, len(b))
	}
	f.rest = b[batchHeader+n:]
	return f, b[batchHeader : batchHeader+n], nil
}

// argument returns the next argument, nil for a nil slice.
func (f *batchFrame) argument() ([]byte, error) {
	n := uint64(f.stride)
	if f.stride < 0 {
		if len(f.rest) < 8 {
			return nil, fmt.Errorf("%w: no length", ringbuf.ErrCorrupt)
		}
		n = binary.LittleEndian.Uint64(f.rest)
		f.rest = f.rest[8:]
		if n == nilLength {
			return nil, nil
		}
	}
	if n > uint64(len(f.rest)) {
		return nil, fmt.Errorf("%w: argument of %d bytes, of which %d are there", ringbuf.ErrCorrupt, n, len(f.rest))
	}
	a := f.rest[:n:n]
	f.rest = f.rest[n:]
	return a, nil
}

// An answer in the ring of results.
//
//	off size field
//	  0    8 seq    of the batch
//	  8    4 index  of the first task that it is about
//	 12    2 count  of tasks, whose results have one length each
//	 14    1 kind
//	 16      the result or results, the error, or nothing
const answerHeader = 16

type answerKind uint8

const (
	answerValue   answerKind = iota + 1 // the result
	answerNil                           // the result is a nil slice
	answerCargo                         // the result comes beside the ring
	answerError                         // the task returned an error
	answerSkipped                       // the batch was revoked
	answerRun                           // the results of count tasks, side by side
	answerReady                         // the initializer is through
	answerBroken                        // the initializer returned an error
)

type answer struct {
	seq   uint64
	index int
	count int
	kind  answerKind
	body  []byte
}

func (a *answer) put(room []byte) {
	le := binary.LittleEndian
	le.PutUint64(room, a.seq)
	le.PutUint32(room[8:], uint32(a.index))
	le.PutUint32(room[12:], uint32(a.count)|uint32(a.kind)<<16)
}

func parseAnswer(b []byte) (a answer, err error) {
	le := binary.LittleEndian
	if len(b) < answerHeader {
		return a, fmt.Errorf("%w: answer of %d bytes", ringbuf.ErrCorrupt, len(b))
	}
	w := le.Uint32(b[12:])
	a = answer{seq: le.Uint64(b), index: int(le.Uint32(b[8:])), count: int(w & 0xffff), kind: answerKind(w >> 16), body: b[answerHeader:]}
	if a.kind < answerValue || a.kind > answerBroken {
		return a, fmt.Errorf("%w: answer of kind %d", ringbuf.ErrCorrupt, a.kind)
	}
	return a, nil
}
