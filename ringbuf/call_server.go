package ringbuf

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/robust"
)

// The server's half of a call. Each worker of a server looks through the clients'
// slots for one that is Asked, claims it by the CAS that names the server, copies the
// request, runs the handler, writes the reply, and makes the slot Answered. After its
// claim nobody else may write to the slot until the answer, whatever becomes of the
// client; so a server may be stopped anywhere, and a late one meets its own call.

// callServer is a server without its file.
type callServer struct {
	callBoard
	index    int // of its seat
	arrivals uint32
	seat     *serverSeat
	eager    bool // a worker looks before it sleeps
	handler  Responder
	report   func(value any) // tells of a panic
	gone     func(ClientID)  // tells of clients that have gone; may be nil
	known    []atomic.Uint64 // by seat, if gone is not nil: whose calls were taken, its Arrivals and 1
	later    callLater

	workers  []*callWorker
	stopping atomic.Bool
	asleep   atomic.Int32 // workers
	looker   atomic.Int32 // the worker that looks, by its number from 1 on
	spin     futex.Spinner
}

// callLater are the replies that were put off and not yet sent.
type callLater struct {
	mu      sync.Mutex
	open    map[*Reply]struct{}
	sending int
	quiet   sync.Cond
}

func newCallServer(b callBoard, h Responder) *callServer {
	v := &callServer{callBoard: b, handler: h, report: func(any) {}}
	v.later.open, v.later.quiet.L = make(map[*Reply]struct{}), &v.later.mu
	return v
}

// callWorker is one goroutine that serves calls, one at a time.
type callWorker struct {
	*callServer
	number int32
	turns  *callContext
	ctx    atomic.Pointer[callContext] // turns, for the attendant
	client int                         // where it took a call last
	slot   int
	buf    []byte
	call   Call // the one that it serves
	woken  bool // somebody has rung for it
}

// enter takes a seat and makes n workers.
func (v *callServer) enter(ctx context.Context, n int) (err error) {
	if v.index, err = v.joinServer(ctx); err != nil {
		return err
	}
	v.seat = &v.servers[v.index]
	v.arrivals = v.seat.Arrivals.Load() & callComeMask
	for i := range n {
		w := &callWorker{callServer: v, number: int32(i + 1)}
		w.renew(ctx)
		v.workers = append(v.workers, w)
	}
	v.seat.awake.Store(uint32(n))
	return nil
}

// leave gives the seat up, once no worker is busy any more. A call for which somebody
// has rung here is left to another server.
func (v *callServer) leave() {
	v.leaveServer(v.index)
	if v.anyAsked() {
		v.nudge()
	}
}

func (w *callWorker) renew(parent context.Context) {
	w.turns = &callContext{parent: parent}
	w.ctx.Store(w.turns)
}

// work serves calls until the server stops, or ctx ends, or the memory is gone.
func (w *callWorker) work(ctx context.Context) error {
	for !w.stopping.Load() {
		if w.serve() {
			continue
		}
		if err := w.rest(ctx); err != nil {
			return err
		}
	}
	return nil
}

// serve serves one call, if there is one. It begins behind the one it served last,
// and comes round to that one's client last.
func (w *callWorker) serve() bool {
	n := w.clientCount()
	if n == 0 {
		return false
	}
	at := min(w.client, n-1)
	for i := 0; i <= n; i++ {
		c := &w.clients[at]
		from, to := 0, w.slotCount(c)
		if i == 0 {
			from = w.slot + 1
		} else if i == n {
			to = min(to, w.slot+1)
		}
		for k := from; k < to; k++ {
			s := &c.slots[k]
			if st := callState(s.state.Load()); st.phase() == callAsked && w.claim(c, s, at, k, st) {
				w.client, w.slot = at, k
				w.answer(s, st.gen())
				return true
			}
		}
		if at++; at == n {
			at = 0
		}
	}
	return false
}

// claim takes an asked call. The context is this call's before the claim, so that
// whoever cancels it meets this call.
func (w *callWorker) claim(c *clientSeat, s *callSlot, client, slot int, st callState) bool {
	if !st.good(len(w.servers)) || robust.StateOf(c.Word.Load()) != robust.Present {
		return false
	}
	w.turns.turn.StoreRelease(uint64(client*callSlots+slot+1)<<32 | uint64(st.gen()))
	// acquire: call request
	if !s.state.CompareAndSwap(uint64(st), uint64(takenBy(w.index, w.arrivals, st.gen()))) {
		return false
	}
	crashpoint.Hit("call.taken")
	w.asked.Acquire()
	if w.woken {
		w.woken = false
		if w.anyAsked() {
			w.nudge()
		}
	}
	return true
}

// keptBuffer is how large a worker's buffer may stay between two calls, in bytes.
const keptBuffer = 1 << 20

// answer runs the handler for the call that this worker has taken.
func (w *callWorker) answer(s *callSlot, gen uint32) {
	n := s.length.Load()
	status, reply := uint32(callBad), []byte(nil)
	w.call = Call{worker: w, from: w.meet(&w.clients[w.client], w.client)}
	if n <= w.max {
		w.buf = w.get(w.buf[:0], w.client, w.slot, callRequest, n)
		w.call.request = w.buf
		status, reply = w.run()
	}
	w.end(gen, status, reply)
}

// end ends the call that this worker has taken, unless its reply was put off.
func (w *callWorker) end(gen, status uint32, reply []byte) {
	if w.call.later == nil {
		if !w.conclude(w.client, w.slot, gen, status, reply) && w.call.unwanted != nil {
			w.call.unwanted()
		}
	}
	w.call = Call{}
	if cap(w.buf) > keptBuffer {
		w.buf = nil
	}
}

// conclude answers a call that this server has taken. It says whether the caller gets
// that: it waits, and the reply is not too large for it.
func (w *callServer) conclude(client, slot int, gen, status uint32, reply []byte) (wanted bool) {
	c := &w.clients[client]
	s := &c.slots[slot]
	fits := true
	if status == callOK && uint64(len(reply)) > w.max {
		status, reply, fits = callTooLarge, nil, false
	}
	if w.put(client, slot, callReply, reply) != nil {
		status, fits = callNoSpace, false
		s.length.StoreRelaxed(0)
	}
	s.status.StoreRelaxed(status)
	crashpoint.Hit("call.replied")
	w.answered.ReleaseMerge()
	taken := takenBy(w.index, w.arrivals, gen)
	// release: call reply
	if !s.state.CompareAndSwap(uint64(taken), uint64(callStateOf(callAnswered, gen))) {
		taken |= callCancelled
		if !s.state.CompareAndSwap(uint64(taken), uint64(callStateOf(callAnswered, gen))) {
			return false // somebody has overwritten it: nobody's call
		}
	}
	crashpoint.Hit("call.answered")
	w.tell(c, s, taken)
	return fits && !taken.cancelled()
}
