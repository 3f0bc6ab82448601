package proc

import (
	"context"
	"os"
	"time"
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

// What Wait asks of a queue.
func PendingOf(q any) bool { return q.(pollable).pending() }

func PollFileOf(q any) (*os.File, error) { return q.(pollable).pollFile() }
