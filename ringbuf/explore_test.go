//go:build explore

package ringbuf

import (
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"testing"

	"github.com/shmkit/shmkit/internal/explore"
	"github.com/shmkit/shmkit/internal/robust"
	"github.com/stretchr/testify/require"
)

// The ring of these tests has room for two messages of eight bytes, so that no
// record crosses the end: the memory is not mapped twice.
const (
	exploreRecord   = recordHeader + 8
	exploreCapacity = 2 * exploreRecord
	exploreData     = 1152                          // behind the header
	exploreGhost    = exploreData + exploreCapacity // how many messages were received
	exploreMemory   = exploreGhost + 8
)

// exploredRing is a ring in explored memory. Message n holds the number n, from
// 1 on; so the shared indices say how many were published and released.
type exploredRing struct {
	h        *header
	data     []byte
	received *uint64
	opts     Options
}

func newExploredRing(w *explore.World, o Options) *exploredRing {
	o.Capacity, o.MaxMessage, o.Strategy = exploreCapacity, 8, Block
	r := &exploredRing{
		h:        explore.At[header](w, 0),
		data:     w.Bytes()[exploreData : exploreData+exploreCapacity],
		received: explore.At[uint64](w, exploreGhost),
		opts:     o,
	}
	w.Robust(&r.h.producer.Word, &r.h.consumer.Word)
	exploreTallies(w, r.h)
	return r
}

// exploreTallies says which words only count.
func exploreTallies(w *explore.World, h *header) {
	for _, t := range []*tally{&h.sent, &h.received} {
		w.Tally(&t.messages, &t.waits, &t.wakes, &t.high)
	}
}

// produce sends what is missing of n messages and ends the stream.
func (r *exploredRing) produce(p *explore.Proc, n int) {
	ctx := context.Background()
	pr := Producer{ring: new(Ring)}
	pr.init(r.h, r.data, r.opts)
	if err := errors.Join(pr.join(ctx, robust.Trust{}), pr.begin(recordUnit)); err != nil {
		p.Fail("produce: %v", err)
	}
	for i := pr.tail/exploreRecord + 1; i <= uint64(n); i++ {
		// All that Send knows from before.
		p.Forget(pr.tail, pr.limit, pr.peerWord)
		err := pr.Send(ctx, binary.LittleEndian.AppendUint64(nil, i))
		if errors.Is(err, ErrNoConsumer) && !r.opts.patient() {
			pr.Close()
			return
		}
		if err != nil {
			p.Fail("send: %v", err)
		}
	}
	p.Forget()
	if err := pr.CloseSend(); err != nil && !errors.Is(err, ErrClosed) {
		p.Fail("close send: %v", err)
	}
	pr.Close()
}

// consume receives until the stream ends, and checks what it gets: every message
// once, in order; a successor gets the one again that was not released. It
// returns the end.
func (r *exploredRing) consume(p *explore.Proc, inPlace bool) error {
	ctx := context.Background()
	c := Consumer{ring: new(Ring)}
	c.init(r.h, r.data, r.opts)
	if err := errors.Join(c.join(ctx, robust.Trust{}), c.begin()); err != nil {
		p.Fail("consume: %v", err)
	}
	if next := c.head/exploreRecord + 1; next != *r.received && next != *r.received+1 {
		p.Fail("takes over at message %d after %d were received", next, *r.received)
	}
	for want := c.head/exploreRecord + 1; ; want++ {
		// All that Recv knows from before.
		p.Forget(c.head, c.tail)
		receive := func() ([]byte, error) { return c.Recv(ctx, nil) }
		if inPlace {
			receive = func() ([]byte, error) { return c.Next(ctx) }
		}
		b, err := receive()
		switch {
		case err == nil:
			if got := binary.LittleEndian.Uint64(b); got != want {
				p.Fail("received message %d, want %d", got, want)
			}
			*r.received = want
			if inPlace {
				c.Release()
			}
		case errors.Is(err, io.EOF) || errors.Is(err, ErrPeerDied) && !r.opts.patient():
			c.Close()
			return err
		default:
			p.Fail("receive: %v", err)
		}
	}
}

func (o Options) patient() bool { return o.OnPeerDeath == Wait }

// published returns how many messages were.
func (r *exploredRing) published() uint64 { return r.h.tail.Load() / exploreRecord }

// exploreRing explores a model whole, or, with deaths, up to ringSwitches changes of who
// moves while who moved could have gone on; with -explore.long whole as well.
func exploreRing(t *testing.T, deaths int, setup func(*explore.World)) explore.Report {
	m := explore.Model{Memory: exploreMemory, Deaths: deaths, MaxSteps: 200, Setup: setup}
	if deaths > 0 && !*exploreLong {
		m.Switches = ringSwitches
	}
	rep := explore.Run(m)
	t.Log(rep)
	if rep.Violation != nil {
		t.Fatal(rep.Violation)
	}
	return rep
}

// TestExploreRing sends through a ring that is smaller than the stream, with the
// death of either end at any step.
func TestExploreRing(t *testing.T) {
	for _, deaths := range []int{0, 2} { // two at most, that is
		t.Run(fmt.Sprintf("%d deaths", deaths), func(t *testing.T) {
			const n = 3
			rep := exploreRing(t, deaths, func(w *explore.World) {
				r := newExploredRing(w, Options{})
				producer := w.Go(func(p *explore.Proc) { r.produce(p, n) })
				consumer := w.Go(func(p *explore.Proc) {
					if err := r.consume(p, false); err == io.EOF && r.published() != n {
						p.Fail("end of the stream after %d messages", r.published())
					}
				})
				w.Final = func() error {
					if !consumer.Dead() && *r.received != r.published() {
						return fmt.Errorf("received %d of %d published", *r.received, r.published())
					}
					if w.Deaths() == 0 && *r.received != n {
						return fmt.Errorf("received %d of %d", *r.received, n)
					}
					return nil
				}
				// Who waits for an end that never came may wait.
				w.Excuse = func() bool {
					return producer.Dead() && r.h.producer.Arrivals.Load() == 0 ||
						consumer.Dead() && r.h.consumer.Arrivals.Load() == 0
				}
			})
			if deaths == 0 {
				require.Zero(t, rep.Looks, "a wake was lost")
			}
		})
	}
}

const ringSwitches = 3

// exploreLong explores what takes minutes, and on a change of the protocol should:
//
//	go test -tags explore -run TestExplore ./ringbuf -explore.long
//
// Last on 2026-11-22: two messages, the producer dies and is replaced: 10 154 226
// schedules, 11 770 561 states, none needed the look, no violation, 227 s.
var exploreLong = flag.Bool("explore.long", false, "explore models that take minutes")

// TestExploreTakeOver lets another process take over the role of one that died.
// The other end waits for that, and the stream goes on.
func TestExploreTakeOver(t *testing.T) {
	const n = 2
	for _, dying := range []string{"producer", "consumer"} {
		t.Run(dying, func(t *testing.T) {
			if dying == "producer" && !*exploreLong {
				t.Skip("takes minutes: see -explore.long")
			}
			exploreRing(t, 1, func(w *explore.World) {
				r := newExploredRing(w, Options{OnPeerDeath: Wait})
				produce := func(p *explore.Proc) { r.produce(p, n) }
				consume := func(p *explore.Proc) {
					if err := r.consume(p, true); err != io.EOF {
						p.Fail("the stream ended with %v", err)
					}
				}
				roles := map[string]func(*explore.Proc){"producer": produce, "consumer": consume}
				other := map[string]func(*explore.Proc){"producer": consume, "consumer": produce}[dying]
				first := w.Go(roles[dying])
				w.Go(other).Immortal = true
				w.Go(func(p *explore.Proc) {
					p.Until(first.Ended)
					if first.Dead() {
						roles[dying](p)
					}
				}).Immortal = true
				w.Final = func() error {
					if *r.received != n {
						return fmt.Errorf("received %d of %d", *r.received, n)
					}
					return nil
				}
			})
		})
	}
}
