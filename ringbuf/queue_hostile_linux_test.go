package ringbuf

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/testproc"
)

// A hostile peer writes garbage wherever processes write: every call ends, by itself if
// it does not wait and with its context otherwise, with a documented error or a message.
func TestQueueHostile(t *testing.T) {
	for _, redeliver := range []bool{false, true} {
		for _, s := range strategies {
			for round := range 4 {
				o := &Options{Capacity: minCapacity, Producers: 3, Consumers: 3, Strategy: s, Redeliver: redeliver}
				q := queue(t, o)
				d, err := OpenQueueFile(dup(t, q.File()))
				require.NoError(t, err)
				ctx, cancel := context.WithTimeout(context.Background(), 30*time.Millisecond)
				var stop atomic.Bool
				var peer, all sync.WaitGroup
				sh := q.ring.many
				words := manyWords(sh.geo)
				peer.Go(func() {
					rnd := rand.New(rand.NewPCG(uint64(round), 7))
					for !stop.Load() {
						if rnd.IntN(2) == 0 {
							spoilLanes(sh, rnd)
						} else {
							wordAt(sh.bytes[words[rnd.IntN(len(words))]:]).Store(rnd.Uint64() >> rnd.IntN(64))
						}
					}
				})
				check := func(err error) bool {
					if !expected(err) && !errors.Is(err, ErrTooManyProcesses) {
						t.Errorf("unexpected: %v", err)
					}
					return ctx.Err() == nil
				}
				for _, h := range []*Queue{q, d} {
					for g := range 2 {
						all.Go(func() {
							msg := make([]byte, 100+g*5000)
							for check(h.Send(ctx, msg)) && check(h.TrySend(msg)) {
								h.Full()
							}
						})
						all.Go(func() {
							for {
								b, err := h.Recv(ctx, nil)
								check(err)
								if err != nil && len(b) > 0 {
									t.Error("error XOR message")
								}
								_, err = h.TryRecv(b)
								h.Ready()
								h.Len()
								h.Empty()
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
				for _, h := range []*Queue{q, d} {
					testproc.Within(t, func() { h.Close() })
				}
				for i := range sh.lanes {
					sh.lanes[i].Word.Store(0)
				}
				for x := range sh.seats {
					sh.seats[x].Word.Store(0)
				}
				require.NoError(t, d.Close())
			}
		}
	}
}
