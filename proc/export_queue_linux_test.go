package proc

import (
	"context"
	"encoding/binary"
	"os"
	"syscall"
	"time"

	"github.com/shmkit/shmkit/internal/codec"
	"github.com/shmkit/shmkit/internal/handle"
)

// UnpackItem decodes a message of a Queue[any].
func UnpackItem(msg []byte) (any, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	k := newPacking[any](nil)
	v, r, err := k.unpack(ctx, msg)
	r.done()
	return v, err
}

// ForgeItem returns a message of a Queue[any] whose sender says where its descriptors
// are.
func ForgeItem(door string, files, handles int) []byte {
	bill, _ := codec.Marshal(waybill{Door: door, Token: "x", Files: files, Table: make(handle.Table, handles)})
	msg := binary.AppendUvarint([]byte{itemWithParcel}, uint64(len(bill)))
	return append(append(msg, bill...), 0xf6)
}

// TokensOf are those of the parcels that this process keeps.
func TokensOf() (tokens []string) {
	depot.Lock()
	defer depot.Unlock()
	for t := range depot.parcels {
		tokens = append(tokens, t)
	}
	return tokens
}

// What Wait asks of a queue.
func PendingOf(q any) bool { return q.(pollable).pending() }

func PollFileOf(q any) (*os.File, error) { return q.(pollable).pollFile() }

// Memory is how many bytes of memory the queue has.
func (q *queue[T]) Memory() int64 {
	info, err := q.ring.File().Stat()
	if err != nil {
		return -1
	}
	return info.Sys().(*syscall.Stat_t).Blocks * 512
}
