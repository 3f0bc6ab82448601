//go:build explore

package ringbuf

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/shmkit/shmkit/internal/explore"
	"github.com/shmkit/shmkit/internal/robust"
	"github.com/stretchr/testify/require"
)

// TestExploreChan sends numbers through a channel of two slots, with the death
// of either end at any step.
func TestExploreChan(t *testing.T) {
	for deaths := range 2 {
		t.Run(fmt.Sprintf("%d deaths", deaths), func(t *testing.T) {
			const n = 3
			rep := exploreRing(t, deaths, func(w *explore.World) {
				ctx := context.Background()
				h, data := explore.At[header](w, 0), w.Bytes()[exploreData:exploreGhost]
				received := explore.At[uint64](w, exploreGhost)
				w.Robust(&h.producer.Word, &h.consumer.Word)
				exploreTallies(w, h)
				newChan := func() *Chan[uint64] {
					c := &Chan[uint64]{h: h, opts: Options{Capacity: 2, Strategy: Block}}
					c.send.init(h, slotsOf[uint64](data, 2), c.opts, false)
					c.recv.init(h, slotsOf[uint64](data, 2), c.opts, false)
					return c
				}
				producer := w.Go(func(p *explore.Proc) {
					c := newChan()
					for i := range uint64(n) {
						p.Forget(c.send.tail, c.send.limit, c.send.peerWord)
						err := c.Send(ctx, i+1)
						if errors.Is(err, ErrNoConsumer) && w.Deaths() > 0 {
							return
						}
						if err != nil {
							p.Fail("send: %v", err)
						}
					}
					p.Forget()
					if err := c.CloseSend(ctx); err != nil {
						p.Fail("close send: %v", err)
					}
				})
				consumer := w.Go(func(p *explore.Proc) {
					c := newChan()
					for want := uint64(1); ; want++ {
						p.Forget(c.recv.head, c.recv.tail)
						v, err := c.Recv(ctx)
						if err == io.EOF && want > n || errors.Is(err, ErrPeerDied) {
							return
						}
						if err != nil || v != want {
							p.Fail("received %d, %v, want %d", v, err, want)
						}
						*received = want
					}
				})
				w.Final = func() error {
					if published := h.tail.Load(); !consumer.Dead() && *received != published {
						return fmt.Errorf("received %d of %d published", *received, published)
					}
					return nil
				}
				// Who waits for an end that never came may wait.
				w.Excuse = func() bool {
					return producer.Dead() && h.producer.Arrivals.Load() == 0 ||
						consumer.Dead() && h.consumer.Arrivals.Load() == 0
				}
			})
			if deaths == 0 {
				require.Zero(t, rep.Looks, "a wake was lost")
			}
		})
	}
}

// TestExploreCancel ends the context of a consumer that waits, at any step: no
// message and no wake is lost with it.
func TestExploreCancel(t *testing.T) {
	rep := exploreRing(t, 0, func(w *explore.World) {
		r := newExploredRing(w, Options{})
		var consumer *explore.Proc
		w.Go(func(p *explore.Proc) {
			consumer.Cancel()
			r.produce(p, 2)
		})
		consumer = w.Go(func(p *explore.Proc) {
			c := Consumer{ring: new(Ring)}
			c.init(r.h, r.data, r.opts)
			if err := errors.Join(c.join(context.Background(), robust.Trust{}), c.begin()); err != nil {
				p.Fail("consume: %v", err)
			}
			ctx, cancelled := p.Context(), uint64(0)
			for *r.received < 2 {
				p.Forget(c.head, c.tail, cancelled)
				_, err := c.Recv(ctx, nil)
				switch {
				case err == nil:
					*r.received++
				case errors.Is(err, context.Canceled):
					ctx, cancelled = context.Background(), 1
				default:
					p.Fail("receive: %v", err)
				}
			}
		})
	})
	require.Zero(t, rep.Looks, "a wake was lost")
}
