//go:build explore

package ringbuf

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"testing"

	"github.com/shmkit/shmkit/internal/explore"
	"github.com/shmkit/shmkit/internal/mem"
	"github.com/shmkit/shmkit/internal/race"
	"github.com/stretchr/testify/require"
)

// exploredCalls is an object in explored memory, with one slot a client. Behind it lies
// how often the handler ran for each request, which are numbers from 0 on.
type exploredCalls struct {
	servers, clients int
	w                *explore.World
	ran              *[4]uint64

	// With grants, what a handler gives is undone where nobody gets it: when it was put off, if
	// later, and else by IfUnwanted.
	grants, later bool
	undone        [4]int
}

func exploredCallsMemory(servers, clients int) int { return 384 + servers*256 + clients*2304 + 32 }

func newExploredCalls(w *explore.World, servers, clients int) *exploredCalls {
	e := &exploredCalls{servers: servers, clients: clients, w: w}
	e.ran = explore.At[[4]uint64](w, exploredCallsMemory(servers, clients)-32)
	b := e.board()
	for i := range b.servers {
		w.Robust(&b.servers[i].Word)
	}
	for i := range b.clients {
		w.Robust(&b.clients[i].Word)
	}
	return e
}

func (e *exploredCalls) board() callBoard {
	b := boardOf(e.w.Bytes(), e.servers, e.clients)
	b.slots, b.max = 1, callInline
	b.asked, b.answered = new(race.Addr), new(race.Addr)
	return b
}

// serve serves until the process's context ends, and leaves.
func (e *exploredCalls) serve(p *explore.Proc) {
	ctx := p.Context()
	v := newCallServer(e.board(), nil)
	v.handler = respond(func(_ context.Context, b []byte) ([]byte, error) {
		n := binary.LittleEndian.Uint64(b)
		e.ran[n]++
		return binary.LittleEndian.AppendUint64(nil, n+100), nil
	})
	var later *Reply
	var granted uint64
	if answer := v.handler; e.grants {
		v.handler = func(c *Call) ([]byte, error) {
			granted = binary.LittleEndian.Uint64(c.Request())
			n := granted
			if e.later {
				later = c.Later(nil)
			} else {
				c.IfUnwanted(func() { e.undone[n]++ })
			}
			return answer(c)
		}
	}
	if err := v.enter(ctx, 1); err != nil {
		if ctx.Err() == nil {
			p.Fail("serve: %v", err)
		}
		return
	}
	w := v.workers[0]
	for ctx.Err() == nil {
		woken := uint64(0)
		if w.woken {
			woken = 1
		}
		p.Forget(uint64(v.arrivals), woken, uint64(w.number), uint64(e.undone[0])) // all that it knows from before
		if w.serve() {
			if later != nil {
				if !later.Send(binary.LittleEndian.AppendUint64(nil, granted+100), nil) {
					e.undone[granted]++
				}
				later = nil
			}
			continue
		}
		if err := w.rest(ctx); err != nil {
			p.Fail("rest: %v", err)
		}
	}
	v.leave()
}

func (e *exploredCalls) dial(p *explore.Proc, patient bool) *callClient {
	c := &callClient{callBoard: e.board(), patient: patient}
	if err := c.joinClient(context.Background()); err != nil {
		p.Fail("dial: %v", err)
	}
	c.own.furnished[0] = true
	raiseCount(&c.seat.used, 0)
	return c
}

// call makes call number n and checks what it returns against what was done.
func (e *exploredCalls) call(p *explore.Proc, ctx context.Context, c *callClient, n uint64) error {
	k := -1
	reply, err := c.call(ctx, &k, nil, binary.LittleEndian.AppendUint64(nil, n))
	switch {
	case err == nil && (len(reply) != 8 || binary.LittleEndian.Uint64(reply) != n+100):
		p.Fail("reply %x to %d", reply, n)
	case err == nil && e.ran[n] != 1:
		p.Fail("answered, and the handler ran %d times", e.ran[n])
	case errors.Is(err, ErrNoServer) && e.ran[n] != 0:
		p.Fail("%v, and the handler ran %d times", err, e.ran[n])
	case err != nil && !errors.Is(err, ErrPeerDied) && !errors.Is(err, ErrNoServer) && !errors.Is(err, context.Canceled):
		p.Fail("call: %v", err)
	case k != -1:
		p.Fail("the slot is still in use after %v", err)
	}
	return err
}

// once says that no handler ran twice for a call.
func (e *exploredCalls) once() error {
	for n, ran := range e.ran {
		if ran > 1 {
			return fmt.Errorf("the handler ran %d times for call %d", ran, n)
		}
	}
	return nil
}

func exploreCalls(t *testing.T, deaths, servers, clients int, setup func(*explore.World, *exploredCalls)) explore.Report {
	return exploreCallsBounded(t, deaths, servers, clients, 0, setup)
}

// exploreCallsBounded is exploreCalls with so many switches; see explore.Model.Switches.
func exploreCallsBounded(t *testing.T, deaths, servers, clients, switches int, setup func(*explore.World, *exploredCalls)) explore.Report {
	rep := explore.Run(explore.Model{Memory: exploredCallsMemory(servers, clients), Deaths: deaths, MaxSteps: 400, Switches: switches, Setup: func(w *explore.World) {
		e := newExploredCalls(w, servers, clients)
		w.Invariant = e.once
		setup(w, e)
	}})
	t.Log(rep)
	if rep.Violation != nil {
		t.Fatal(rep.Violation)
	}
	return rep
}

// TestExploreCall calls twice, with the death of client or server at any step.
func TestExploreCall(t *testing.T) {
	for _, deaths := range []int{0, 2} { // two at most, that is
		t.Run(fmt.Sprintf("%d deaths", deaths), func(t *testing.T) {
			rep := exploreCalls(t, deaths, 1, 1, func(w *explore.World, e *exploredCalls) {
				var server *explore.Proc
				client := w.Go(func(p *explore.Proc) {
					c := e.dial(p, false)
					for n := range uint64(2) {
						err := e.call(p, context.Background(), c, n)
						if err != nil && w.Deaths() == 0 {
							p.Fail("call: %v", err)
						}
						p.Forget(uint64(c.own.gens[0]), uint64(c.own.free.Load()))
					}
					c.leaveClient()
					server.Cancel()
				})
				server = w.Go(func(p *explore.Proc) { e.serve(p) })
				// A call of a name that nobody has served waits, and so does a server for calls.
				w.Excuse = func() bool {
					return client.Dead() || server.Dead() && mem0(&e.board().servers[0].Arrivals)
				}
			})
			if deaths == 0 {
				require.Zero(t, rep.Looks, "a wake was lost")
			}
		})
	}
}

func mem0(w *mem.Uint32) bool { return w.Load() == 0 }

// TestExploreCallCancelled gives a call up at any step, and then has its slot again; with
// -explore.long, calls again. (Last on 2026-11-22: 710 752 schedules, none needed the look, no
// violation.)
func TestExploreCallCancelled(t *testing.T) {
	switches := 3
	if *exploreLong {
		switches = 0
	}
	rep := exploreCallsBounded(t, 0, 1, 1, switches, func(w *explore.World, e *exploredCalls) {
		var server *explore.Proc
		client := w.Go(func(p *explore.Proc) {
			c := e.dial(p, false)
			_ = e.call(p, p.Context(), c, 0)
			p.Forget(uint64(c.own.gens[0]), uint64(c.own.free.Load()), uint64(c.own.withheld.Load()))
			if *exploreLong {
				if err := e.call(p, context.Background(), c, 1); err != nil {
					p.Fail("call after another one: %v", err)
				}
			} else if slot, err := c.take(context.Background()); slot != 0 || err != nil {
				p.Fail("no slot after a call: %v", err)
			}
			server.Cancel()
		})
		server = w.Go(func(p *explore.Proc) { e.serve(p) })
		w.Go(func(p *explore.Proc) { client.Cancel() })
	})
	require.Zero(t, rep.Looks, "a wake was lost")
}

// TestExploreCallTakeOver lets a second server take over the seat of one that dies at any
// step. A call ends, and none is served twice or gets another one's answer.
func TestExploreCallTakeOver(t *testing.T) {
	calls, switches := uint64(1), 3
	if *exploreLong {
		calls, switches = 2, 0
	}
	exploreCallsBounded(t, 1, 1, 1, switches, func(w *explore.World, e *exploredCalls) {
		var second *explore.Proc
		w.Go(func(p *explore.Proc) {
			c := e.dial(p, true)
			for n := range calls {
				_ = e.call(p, context.Background(), c, n)
				p.Forget(uint64(c.own.gens[0]), uint64(c.own.free.Load()))
			}
			second.Cancel()
		}).Immortal = true
		first := w.Go(func(p *explore.Proc) { e.serve(p) })
		second = w.Go(func(p *explore.Proc) {
			p.Until(func() bool { return first.Ended() || p.Context().Err() != nil })
			if first.Dead() {
				e.serve(p)
			}
		})
		second.Immortal = true
		w.Excuse = func() bool { return !first.Dead() } // it serves on
	})
}

// TestExploreCallClientDies lets a client die at any step. An attendant buries it, while the
// server may be busy with its call, and another client has its seat.
//
// Last on 2026-11-22: 2 092 231 schedules, 2 236 372 states, no violation, 68 s.
func TestExploreCallClientDies(t *testing.T) {
	if !*exploreLong {
		t.Skip("takes minutes: see -explore.long")
	}
	exploreCalls(t, 1, 1, 1, func(w *explore.World, e *exploredCalls) {
		var server *explore.Proc
		first := w.Go(func(p *explore.Proc) {
			c := e.dial(p, false)
			_ = e.call(p, context.Background(), c, 0)
			c.leaveClient()
		})
		server = w.Go(func(p *explore.Proc) { e.serve(p) })
		server.Immortal = true
		w.Go(func(p *explore.Proc) {
			p.Until(first.Ended)
			c := &callClient{callBoard: e.board()}
			c.bury(context.Background(), 0)
			seat := &c.clients[0]
			for {
				// The server may be busy with the dead one's call.
				p.Until(func() bool { return callState(seat.slots[0].state.Load()).phase() != callTaken })
				if c.joinClient(context.Background()) == nil {
					break
				}
			}
			p.Forget(uint64(c.own.gens[0]))
			c.own.furnished[0] = true
			raiseCount(&c.seat.used, 0)
			if err := e.call(p, context.Background(), c, 1); err != nil {
				p.Fail("call after another's death: %v", err)
			}
			server.Cancel()
		}).Immortal = true
	})
}

// TestExploreCallGrant gives a call up at any step. What its handler has granted is collected,
// or undone, once. (Last on 2026-12-01 without a bound: twice 659 864 schedules, none needed the
// look, no violation.)
func TestExploreCallGrant(t *testing.T) {
	for _, later := range []bool{false, true} {
		t.Run(fmt.Sprintf("later %v", later), func(t *testing.T) {
			switches := 3
			if *exploreLong {
				switches = 0
			}
			rep := exploreCallsBounded(t, 0, 1, 1, switches, func(w *explore.World, e *exploredCalls) {
				e.grants, e.later = true, later
				var server *explore.Proc
				got := 0
				client := w.Go(func(p *explore.Proc) {
					c := e.dial(p, false)
					if e.call(p, p.Context(), c, 0) == nil {
						got++
					}
					if slot, err := c.take(context.Background()); slot != 0 || err != nil {
						p.Fail("no slot after a call: %v", err)
					}
					server.Cancel()
				})
				server = w.Go(func(p *explore.Proc) {
					e.serve(p)
					if uint64(got+e.undone[0]) != e.ran[0] {
						p.Fail("the handler ran %d times, %d collected, %d undone", e.ran[0], got, e.undone[0])
					}
				})
				w.Go(func(p *explore.Proc) { client.Cancel() })
			})
			require.Zero(t, rep.Looks, "a wake was lost")
		})
	}
}
