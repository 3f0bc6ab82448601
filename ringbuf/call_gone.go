package ringbuf

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/robust"
)

// Which clients a server knows, and when it tells that one has gone (ServeOptions.Gone):
// once that can do nothing any more, and no Responder runs for a call of it. So whoever is
// told need not expect anything further of the client.
//
// A worker says before its claim which seat it is busy with, and behind it which client.
// The attendant finds the client gone first and reads then what the workers are busy with.
// Both are sequentially consistent: it sees the worker, or the worker sees that the client
// is not present and claims nothing. (Should the seat have its next client by then, but
// none of that one's arrival be counted yet, a call of the dead one can still be claimed; it makes the
// client known again, and so it is told of once more, behind that call.)
//
// A seat has one client that is known. Who had it before waits in left to be told of: a
// worker may have been stopped for long between its claim and meet, so that it is the older
// one whom it meets.

// callGone is what a server knows of clients. Nothing is read of shared memory while mu is
// held: a fault would leave it locked.
type callGone struct {
	tell  func(ClientID)
	known []atomic.Uint64 // by seat: the client's Arrivals and 1, 0 for none; written under mu

	mu      sync.Mutex
	left    []ClientID  // have gone, and were not told of
	waiting atomic.Bool // left is not empty: who ends a call rouses the attendant
	looked  time.Time   // the attendant's: when it asked whether clients exist
}

// lookEvery is how often the attendant asks the kernel whether clients exist. Usually
// the kernel has said so before.
const lookEvery = 50 * time.Millisecond

// What a worker is busy with: 0 for nothing, else a seat, or a client.
const (
	busyAt   = 1 << 63
	busyWith = 1 << 62
)

// tellOfGone has tell told of clients that have gone.
func (v *callServer) tellOfGone(tell func(ClientID)) {
	v.gone = &callGone{tell: tell, known: make([]atomic.Uint64, len(v.clients))}
}

// at says that the worker is busy with a seat from now on, or with none.
func (w *callWorker) at(seat int) {
	if w.gone != nil {
		w.busy.Store(busyAt | uint64(seat))
	}
}

func (w *callWorker) atNone() {
	if w.gone == nil {
		return
	}
	w.busy.Store(0)
	if w.gone.waiting.Load() {
		w.rouse()
	}
}

// rouse wakes the attendant.
func (v *callServer) rouse() {
	if v.seat.attend.Load() == 1 {
		_ = futex.WakeClear(&v.seat.attend) // a fault: as in nudge
	}
}

// meet returns the name of the client whose call the worker has claimed, which is known
// from now on.
func (w *callWorker) meet(seat int) ClientID {
	id := clientID(seat, w.clients[seat].Arrivals.Load())
	if g := w.gone; g != nil {
		w.busy.Store(busyWith | uint64(id))
		if g.known[seat].Load() != knownAs(id) {
			g.note(id)
			w.rouse() // it is to watch the client
		}
	}
	return id
}

func knownAs(id ClientID) uint64 { return uint64(uint32(id)) + 1 }

// note makes a client known.
func (g *callGone) note(id ClientID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	known := &g.known[id.seat()]
	switch was := known.Load(); {
	case was == knownAs(id):
	case was != 0 && int32(uint32(id)-uint32(was-1)) < 0: // the known one is the later one
		g.leave(id)
	default:
		if was != 0 {
			g.leave(clientID(id.seat(), uint32(was-1)))
		}
		known.Store(knownAs(id))
	}
}

// leave notes that a client has gone.
func (g *callGone) leave(id ClientID) {
	if !slices.Contains(g.left, id) {
		g.left = append(g.left, id)
	}
	g.waiting.Store(true)
}

// mourn tells of the clients that have gone, and says whether some are about to: they
// are dead, but a thread of theirs may still do something. The attendant calls it.
func (v *callServer) mourn() (dying bool) {
	g := v.gone
	if g == nil {
		return false
	}
	look := time.Since(g.looked) >= lookEvery
	if look {
		g.looked = time.Now()
	}
	for i := range min(v.clientCount(), len(g.known)) {
		was := g.known[i].Load()
		if was == 0 {
			continue
		}
		seat := &v.clients[i]
		w := seat.Word.Load() // first: else it could be the next one's
		if knownAs(clientID(i, seat.Arrivals.Load())) == was {
			switch robust.StateOf(w) {
			case robust.Present:
				dying = look && seat.CheckOwner() || dying
				continue
			case robust.Dead:
				if !seat.Gone() {
					dying = true
					continue
				}
			}
		}
		g.mu.Lock()
		if g.known[i].Load() == was { // else a worker has met the next one
			g.known[i].Store(0)
			g.leave(clientID(i, uint32(was-1)))
		}
		g.mu.Unlock()
	}
	if g.waiting.Load() {
		for _, id := range g.due(v.workers) {
			v.shield(func() { g.tell(id) })
		}
	}
	return dying
}

// due returns the clients to tell of, which are not in left any more.
func (g *callGone) due(workers []*callWorker) (due []ClientID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.left = slices.DeleteFunc(g.left, func(id ClientID) bool {
		busy := slices.ContainsFunc(workers, func(w *callWorker) bool {
			b := w.busy.Load()
			return b == busyAt|uint64(id.seat()) || b == busyWith|uint64(id)
		})
		if !busy {
			due = append(due, id)
		}
		return !busy
	})
	g.waiting.Store(len(g.left) > 0)
	return due
}

// maxWatched is how many clients the attendant watches while it sleeps.
const maxWatched = 120

// watch appends what a client's death changes.
func (v *callServer) watch(words []futex.Word) []futex.Word {
	if v.gone == nil {
		return words
	}
	for i := range min(v.clientCount(), len(v.gone.known)) {
		was := v.gone.known[i].Load()
		if was == 0 {
			continue
		}
		if len(words) > maxWatched {
			break
		}
		seat := &v.clients[i]
		w := seat.Word.Load()
		word, same := seat.Watch(w &^ robust.Waiters)
		if !same || robust.StateOf(word) != robust.Present || knownAs(clientID(i, seat.Arrivals.Load())) != was {
			words[0].Val = 0 // it does not sleep
		}
		words = append(words, futex.Word{Addr: &seat.Word, Val: word})
	}
	return words
}
