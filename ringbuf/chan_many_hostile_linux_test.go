package ringbuf

import (
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/testproc"
)

// spoilLanes writes garbage into a word of the head: indices, presences and counts.
func spoilLanes(s *shared, rnd *rand.Rand) {
	at := 256 + rnd.IntN(sharedHead+len(s.seats)*seatSize+len(s.lanes)*laneSize-256)&^7
	old := binary.LittleEndian.Uint64(s.bytes[at:])
	w := wordAt(s.bytes[at:])
	switch rnd.IntN(4) {
	case 0:
		w.Store(rnd.Uint64())
	case 1:
		w.Store(old + uint64(rnd.IntN(64)) - 32)
	case 2:
		w.Store(uint64(rnd.IntN(3)))
	case 3:
		l := &s.lanes[rnd.IntN(len(s.lanes))]
		l.tail.Store(l.head.Load() + uint64(rnd.IntN(5))*recordUnit)
	}
}

// A hostile peer writes garbage wherever processes write: every call ends, by itself if
// it does not wait and with its context otherwise, with a documented error or a value.
func TestManyChanHostile(t *testing.T) {
	eachManyChan(t, func(t *testing.T, o *Options) {
		for round := range 8 {
			opts := *o
			if o.Mode != SPMC {
				opts.Producers = 3
			}
			if o.Mode != MPSC {
				opts.Consumers = 3
			}
			c := channel[uint64](t, 16, &opts)
			ctx, cancel := context.WithTimeout(context.Background(), 30*time.Millisecond)
			var stop atomic.Bool
			var peer, all sync.WaitGroup
			peer.Go(func() {
				rnd := rand.New(rand.NewPCG(uint64(round), 7))
				for !stop.Load() {
					spoilLanes(c.many.s, rnd)
				}
			})
			handles := []*Chan[uint64]{c}
			d, err := OpenChanFile[uint64](dup(t, c.File()))
			require.NoError(t, err)
			handles = append(handles, d)
			check := func(err error) bool {
				if err != nil && !expected(err) && !errors.Is(err, ErrTooManyProcesses) {
					t.Errorf("unexpected: %v", err)
				}
				return ctx.Err() == nil
			}
			for _, h := range handles {
				for range 2 {
					all.Go(func() {
						values := make([]uint64, 20)
						for check(h.Send(ctx, 1)) && check(h.TrySend(2)) {
							n, err := h.SendBatch(ctx, values)
							if n > len(values) {
								t.Error("more than there was")
							}
							check(err)
						}
					})
					all.Go(func() {
						values := make([]uint64, 20)
						for {
							_, err := h.Recv(ctx)
							check(err)
							_, err = h.TryRecv()
							check(err)
							n, err := h.RecvBatch(ctx, values)
							if n > len(values) || n == 0 && err == nil {
								t.Error("error XOR values")
							}
							h.Len()
							_ = h.String()
							if !check(err) {
								return
							}
						}
					})
				}
			}
			testproc.Within(t, all.Wait)
			stop.Store(true)
			peer.Wait()
			cancel()
			// Close may say that the garbage looks like a role of this process.
			for _, h := range handles {
				testproc.Within(t, func() { h.Close() })
			}
			for i := range c.many.s.lanes {
				c.many.s.lanes[i].Word.Store(0)
			}
			for x := range c.many.s.seats {
				c.many.s.seats[x].Word.Store(0)
			}
			require.NoError(t, d.Close())
		}
	})
}
