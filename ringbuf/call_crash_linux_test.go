package ringbuf

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/robust"
	"github.com/shmkit/shmkit/internal/testproc"
)

// callTolerated says whether a call among dying and stopped processes may end so.
func callTolerated(err error) bool {
	return errors.Is(err, ErrPeerDied) || errors.Is(err, ErrNoServer) || errors.Is(err, context.DeadlineExceeded)
}

// callWalker makes calls of all kinds.
type callWalker struct {
	*testproc.Child
	client *Client
}

// Makes calls of all kinds, more at a time than there are slots, and leaves. Its further
// arguments say what it does before that.
var _ = testproc.Helper("call.walker", func(c *testproc.Child) {
	client, err := Dial(context.Background(), c.Args[0], &DialOptions{Wait: true})
	require.NoError(c, err)
	w := callWalker{c, client}
	for _, first := range c.Args[1:] {
		switch first {
		case "unserved": // nobody takes it
			w.call(context.Background(), 20*time.Millisecond, []byte("stay"))
		case "widow": // its server dies
			w.call(context.Background(), testproc.Watchdog, []byte("stay"))
		}
		w.await(testproc.Watchdog, w.bellSet) // the next one comes
	}
	w.watchful()
	w.soon(w.bellSet)
	w.call(context.Background(), time.Second, []byte("ab"))
	w.crowd()
	w.call(context.Background(), time.Second, cut(1, 1<<16))
	require.NoError(c, client.Close())
})

func (w callWalker) call(ctx context.Context, patience time.Duration, request []byte) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	reply, err := w.client.Call(ctx, request)
	if err == nil && !bytes.Equal(reply, callAnswer(request)) {
		err = errors.New("another reply")
	}
	var failed *CallError // a server that leaves ends the handler of a call that stays
	if err != nil && !callTolerated(err) && !errors.Is(err, context.Canceled) && !errors.As(err, &failed) {
		require.NoError(w, err)
	}
}

// await waits for something that others do, who may be dead or stopped.
func (w callWalker) await(most time.Duration, cond func() bool) bool {
	for began := time.Now(); !cond(); {
		if time.Since(began) > most {
			return false
		}
		time.Sleep(50 * time.Microsecond) // sleep: between two looks at memory that others write
	}
	return true
}

// soon is await for what needs a server.
func (w callWalker) soon(cond func() bool) {
	w.await(100*time.Millisecond, func() bool { return cond() || !w.client.look().present })
}

// bellSet says whether a server waits for calls.
func (w callWalker) bellSet() bool { return w.client.sleeper() != nil }

// taken returns the slots that servers are busy with, of this client and of all.
func (w callWalker) taken() (own, all []*callSlot) {
	for i := range w.client.clientCount() {
		seat := &w.client.clients[i]
		for k := range seat.slots {
			s := &seat.slots[k]
			if st := callState(s.state.Load()); st.phase() == callTaken && !st.cancelled() {
				all = append(all, s)
				if i == w.client.index {
					own = append(own, s)
				}
			}
		}
	}
	return own, all
}

// watchful makes a call that sleeps until it watches its server, and is given up then.
func (w callWalker) watchful() {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		defer cancel()
		for range 4 { // it watches from the second time on that it finds the call taken
			var s *callSlot
			w.soon(func() bool {
				own, _ := w.taken()
				if len(own) == 1 && own[0].asleep.Load() == 1 {
					s = own[0]
				}
				return s != nil || ctx.Err() != nil
			})
			if s == nil {
				return
			}
			s.asleep.Store(0)
			futex.WakeAll(&s.asleep)
		}
		time.Sleep(time.Millisecond) // sleep: so that it is asleep
	}()
	w.call(ctx, 300*time.Millisecond, []byte("stay"))
	cancel()
}

// crowd makes calls that keep all workers busy, some of which nobody takes, then more for
// which there is no slot, and gives the first ones up then.
func (w callWalker) crowd() {
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	var wg sync.WaitGroup
	for range callSlots {
		wg.Go(func() { w.call(ctx, time.Second, []byte("stay")) })
	}
	w.soon(func() bool {
		own, all := w.taken()
		workers := 0
		for i := range w.client.serverCount() {
			if robust.StateOf(w.client.servers[i].Word.Load()) == robust.Present {
				workers += callWalkOptions.Workers
			}
		}
		return len(own) == callSlots || len(all) >= workers
	})
	for i := range callSlots {
		wg.Go(func() {
			src := rand.New(rand.NewPCG(uint64(i), 1))
			for range 5 {
				size := callSizesTested[src.IntN(len(callSizesTested))]
				w.call(context.Background(), 200*time.Millisecond, cut(i, size))
			}
		})
	}
	w.soon(func() bool { return w.client.own.queued.Load() > 0 })
	cancel()
	wg.Wait()
}

// callWalkHandler ends a call that stays, if it can, when the caller has another one that
// waits for a slot.
func callWalkHandler(board *callFile) Handler {
	return func(ctx context.Context, request []byte) ([]byte, error) {
		reply, err := callHandler(ctx, request)
		if err == nil || ctx.Err() == nil {
			return reply, err
		}
		w := callWalker{}
		w.await(10*time.Millisecond, func() bool {
			for i := range board.clientCount() {
				if c := &board.clients[i]; robust.StateOf(c.Word.Load()) == robust.Present && c.room.Load() == 1 {
					return true
				}
			}
			return false
		})
		return reply, err
	}
}

// callWalkResponder answers as h does, and puts every other answer off.
func callWalkResponder(h Handler) Responder {
	return func(c *Call) ([]byte, error) {
		if len(c.Request())%2 == 0 || bytes.HasPrefix(c.Request(), []byte("stay")) {
			return h(c.Context(), c.Request())
		}
		request, r := bytes.Clone(c.Request()), c.Later(nil)
		go func() { r.Send(h(context.Background(), request)) }()
		return nil, nil
	}
}

// Makes one call that stays, to be killed.
var _ = testproc.Helper("call.stayer", func(c *testproc.Child) {
	client, err := Dial(context.Background(), c.Args[0], &DialOptions{Wait: true})
	require.NoError(c, err)
	_, _ = client.Call(context.Background(), []byte("stay"))
})

// callStays says whether a server has a call in the seat of a process.
func (f *callFile) callStays(pid int) bool {
	for i := range f.clients {
		c := &f.clients[i]
		if c.PID() == pid && callState(c.slots[0].state.Load()).phase() == callTaken {
			return true
		}
	}
	return false
}

// Points that only a client reaches, or only a server. The others are both's.
var (
	callClientPoints = []string{"call.written", "call.asked", "call.collected", "call.client.", "call.watched", "call.asleep", "call.awake", "call.withdrawn", "call.cancelled", "call.attended", "call.orphaned", "call.queued", "call.used"}
	callServerPoints = []string{"call.server.", "call.burying", "call.buried", "call.belled", "call.drowsy", "call.roused", "call.taken", "call.later", "call.replied", "call.answered", "call.failed", "call.waking", "call.woken", "call.roomy"}
)

// callReaches says whether a victim that is a server, a client, or both can reach a point.
func callReaches(point string, server, client bool) bool {
	only := func(points []string) bool {
		return slices.ContainsFunc(points, func(p string) bool { return strings.HasPrefix(point, p) })
	}
	return server && !only(callClientPoints) || client && !only(callServerPoints)
}

// callWalk is one run of the walk. Servers, clients or both die at the point.
type callWalk struct {
	t    *testing.T
	v    *testproc.Victim
	name string
	f    *callFile

	second bool             // there is another server beside the first
	widow  bool             // the first client, the victim, is to lose its server
	frozen *testproc.Proc   // a server that is stopped
	hits   []*testproc.Proc // the victims
}

func newCallWalk(t *testing.T, v *testproc.Victim) *callWalk {
	w := &callWalk{t: t, v: v, name: callName(t)}
	var err error
	w.f, err = createCalls(w.name, callWalkOptions.MaxMessage, callWalkOptions.Clients, OwnerNone)
	require.NoError(t, err)
	t.Cleanup(func() { w.f.close() })
	// A server is stopped in a call, and another one has died in one. So have both clients.
	stayer := func() *testproc.Proc {
		client := testproc.Start(t, "call.stayer", testproc.Args(w.name))
		until(t, func() bool { return w.f.callStays(client.PID) })
		return client
	}
	w.frozen = startServer(t, w.name, "walk")
	first := stayer()
	require.True(t, w.frozen.Stop())
	dead := startServer(t, w.name, "walk")
	second := stayer()
	require.True(t, dead.Stop()) // it is not to bury its client, which is not to notice its death
	for _, p := range []*testproc.Proc{second, first, dead} {
		p.Kill()
		p.Wait()
	}
	return w
}

func (w *callWalk) start(victim bool, helper string, args ...string) *testproc.Proc {
	args = append([]string{w.name}, args...)
	if !victim {
		return testproc.Start(w.t, helper, testproc.Args(args...))
	}
	p := w.v.Start(helper, testproc.Args(args...))
	w.hits = append(w.hits, p)
	return p
}

// serving waits until a server has come, or the victim met its point first.
func (w *callWalk) serving(p *testproc.Proc) {
	until(w.t, func() bool {
		for i := range w.f.serverCount() {
			if w.f.servers[i].PID() == p.PID {
				return true
			}
		}
		return ended(p) || w.hits != nil && w.v.Fired() && w.hits[0] == p
	})
}

// run lets a server and a client do all they do, one of them or both as victims, beside
// another client.
func (w *callWalk) run(serverDies, clientDies bool) (server *testproc.Proc, clients []*testproc.Proc) {
	if !serverDies { // the client's first call is taken by nobody
		first := []string{"unserved"}
		if w.widow {
			first = append(first, "widow")
		}
		p := w.start(true, "call.walker", first...)
		clients = append(clients, p)
		until(w.t, func() bool { return w.f.gaveUp(p.PID) || w.v.Fired() || ended(p) })
	}
	server = w.start(serverDies, "call.server", "walk")
	w.serving(server)
	if serverDies {
		// A client dies in its call. What the dead ones have left is cleared away, unless
		// the server dies at it.
		stayer := w.start(false, "call.stayer")
		until(w.t, func() bool { return w.f.callStays(stayer.PID) || w.v.Fired() || ended(server) })
		stayer.Kill()
		until(w.t, func() bool { return w.v.Fired() || ended(server) || w.f.buried() })
	}
	w.frozen.Kill()
	w.frozen.Wait()
	if w.second {
		w.serving(w.start(false, "call.server", "walk"))
	}
	if serverDies {
		clients = append(clients, w.start(clientDies, "call.walker"))
	}
	clients = append(clients, w.start(clientDies && serverDies, "call.walker"))
	return server, clients
}

// gaveUp says whether the client of a process has made a call that nobody took.
func (f *callFile) gaveUp(pid int) bool {
	for i := range f.clients {
		st := callState(f.clients[i].slots[0].state.Load())
		if f.clients[i].PID() == pid && (st.gen() > 1 || st.gen() == 1 && st.phase() == callIdle) {
			return true
		}
	}
	return false
}

// buried says whether no seat is a dead client's.
func (f *callFile) buried() bool {
	for i := range f.clients {
		if robust.StateOf(f.clients[i].Word.Load()) == robust.Dead {
			return false
		}
	}
	return true
}

// after checks that nothing is left of the dead, and that all works.
func (w *callWalk) after() {
	server := startServer(w.t, w.name, "walk")
	c := dialed(w.t, w.name, &DialOptions{OnPeerDeath: Wait})
	var wg sync.WaitGroup
	errs := make(chan error, 3*callSlots)
	for i := range 3 * callSlots {
		wg.Go(func() {
			request := cut(i, callSizesTested[i%len(callSizesTested)])
			reply, err := c.Call(bounded(w.t), request)
			if err == nil && !bytes.Equal(reply, callAnswer(request)) {
				err = fmt.Errorf("another reply to %d bytes", len(request))
			}
			if err != nil {
				errs <- err
			}
		})
	}
	testproc.Within(w.t, wg.Wait)
	close(errs)
	require.NoError(w.t, <-errs)
	require.Zero(w.t, c.own.withheld.Load()|c.own.retired.Load())
	until(w.t, func() bool { // the dead clients are buried
		for i := range w.f.clients {
			seat := &w.f.clients[i]
			if i != c.index && (robust.StateOf(seat.Word.Load()) != robust.Vacant || !w.f.idle(seat)) {
				return false
			}
		}
		return true
	})
	server.CloseStdin()
	server.Succeed()
}

func callWalkOptionsOf(stop bool) *testproc.WalkOptions {
	return &testproc.WalkOptions{Prefix: []string{"call."}, Stop: stop}
}

// S1, X05, X06: at whatever point a server dies, a client, or one of each and another client:
// the others go on, and nothing of the dead is left.
func TestCallCrashWalk(t *testing.T) {
	scenario := func(serverDies, clientDies bool) func(t *testing.T, v *testproc.Victim) {
		return func(t *testing.T, v *testproc.Victim) {
			if !callReaches(v.Point, serverDies, clientDies) {
				return
			}
			w := newCallWalk(t, v)
			w.widow = !serverDies
			server, clients := w.run(serverDies, clientDies)
			if serverDies {
				for _, p := range clients {
					p.Wait()
				}
			} else {
				// The server dies in the clients' calls.
				until(t, func() bool { return w.f.callStays(clients[0].PID) || v.Fired() || ended(clients[0]) })
				server.Kill()
				server.Wait()
				until(t, func() bool { return !w.f.callStays(clients[0].PID) || v.Fired() || ended(clients[0]) })
				again := startServer(t, w.name, "walk")
				for _, p := range clients {
					p.Wait()
				}
				again.Kill()
				again.Wait()
			}
			for _, p := range clients {
				if !(clientDies && v.Fired()) {
					p.Succeed()
				}
			}
			server.CloseStdin()
			server.Wait()
			w.after()
		}
	}
	testproc.CrashWalk(t, callWalkOptionsOf(false), scenario(true, false), scenario(false, true), scenario(true, true))
}

// S2: at whatever point a server or client is stopped: it keeps what it has, the others go
// on, and when it goes on nothing is missing.
func TestCallStopWalk(t *testing.T) {
	scenario := func(serverStops bool) func(t *testing.T, v *testproc.Victim) {
		return func(t *testing.T, v *testproc.Victim) {
			if !callReaches(v.Point, serverStops, !serverStops) {
				return
			}
			w := newCallWalk(t, v)
			w.second = serverStops
			server, clients := w.run(serverStops, !serverStops)
			if serverStops {
				for _, p := range clients {
					p.Succeed() // their calls give up
				}
				server.CloseStdin()
			}
			victim := w.hits[0]
			if victim.WaitStopped() {
				if !serverStops { // its calls may hold all workers of the first
					w.serving(w.start(false, "call.server", "walk"))
				}
				other := dialed(t, w.name, nil)
				for i := range 20 {
					_, err := other.Call(bounded(t), cut(i, i*50))
					require.NoError(t, err)
				}
				require.NoError(t, other.Close())
				victim.Cont()
			}
			for _, p := range clients {
				p.Succeed()
			}
			server.CloseStdin()
			server.Succeed()
			w.after()
		}
	}
	o := callWalkOptionsOf(true)
	o.Skip = append(o.Skip, "call.orphaned") // only those pass it whose server dies
	testproc.CrashWalk(t, o, scenario(true), scenario(false))
}
