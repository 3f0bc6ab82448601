package ringbuf

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/mem"
	"github.com/shmkit/shmkit/internal/race"
	"github.com/shmkit/shmkit/internal/robust"
)

// end is one process's part in a ring or channel: a role, which is taken, left and
// given away here. How it waits for the others is in wait.go for an exclusive
// pair, in lane_wait.go for many.
type end struct {
	mine     *robust.Presence
	place    int // its lane or seat, among many
	strategy Strategy
	patient  bool              // OnPeerDeath is Wait
	guarded  bool              // the file may be truncated under us
	light    bool              // HeavyFence of any process fences this one too
	fenced   bool              // this end fences when it publishes
	holds    bool              // this end has the role
	broken   error             // every call's, once found
	breaks   func(error) error // makes it so
	rouse    func()            // wakes a call of this end that sleeps
	resign   func()            // gives up what this end holds; may be nil

	closed atomic.Bool   // no call may begin: Close was called, or the role was given away
	detour atomic.Uint32 // why calls may not take the fast path, 0 if they may
	busy   mem.Uint32    // 1 while a call is under way: closing waits for it

	mu    sync.Mutex // guards state and trust
	state endState
	trust robust.Trust // under which the role was given away

	// For the race detector: what this end publishes, and what the others do.
	told, heard *race.Addr

	parks  bool                   // Select tries: a call that would wait returns errParked
	polled atomic.Pointer[polled] // its pollable descriptor, nil if there is none
}

// Reasons for a detour.
const (
	special = 1 << iota // guarded, fenced, or one of many
	shut                // closed
	defunct             // broken
	aside               // a large message is held
	limited             // there is a bound on all messages (lane_bound.go)
)

type endState int

const (
	open endState = iota
	given
	left
)

// init is called with guarded set.
func (e *end) init(o Options, mine *robust.Presence, told, heard *race.Addr) {
	e.mine = mine
	e.strategy, e.patient = o.Strategy, o.OnPeerDeath == Wait
	e.light = futex.LightFences()
	e.fenced = !e.light || o.Strategy == Block
	if e.guarded || e.fenced || o.Mode != SPSC {
		e.detour.Or(special)
	}
	e.told, e.heard = told, heard
}

// join takes the role: from a dead holder behind the take-over fence, or from
// the parent process that holds it in trust.
func (e *end) join(ctx context.Context, trust robust.Trust) error {
	var err error
	if trust != (robust.Trust{}) {
		err = e.mine.Adopt(ctx, trust)
	} else {
		err = e.mine.Join(ctx)
	}
	if err != nil {
		return err
	}
	crashpoint.Hit("ring.joined")
	e.told.Acquire() // from who had the role before
	e.holds = true
	return nil
}

// dash begins a call on the fast path, and says whether it may go on there; if
// not, the slow path enters instead. leave ends it.
func (e *end) dash() bool {
	e.busy.StoreRelaxed(1)
	return e.detour.Load() == 0
}

// enter begins a call, and says whether the end is open; leave ends it. Between
// them the role is not given up. Either the call sees closed, or closing sees
// busy: the fence between the store and the load is stop's, or, where the
// kernel has no such fence, the store's own.
func (e *end) enter() bool {
	if e.light {
		e.busy.StoreRelaxed(1)
	} else {
		e.busy.Store(1)
	}
	return !e.closed.Load()
}

func (e *end) leave() { e.busy.StoreRelease(0) }

// stop lets no call begin any more and returns when none is under way.
func (e *end) stop() {
	e.closed.Store(true)
	e.detour.Or(shut)
	futex.HeavyFence()
	for e.busy.Load() != 0 {
		e.rouse() // the call may be asleep, or about to be
		runtime.Gosched()
	}
}

// reopen undoes stop.
func (e *end) reopen() {
	e.closed.Store(false)
	e.detour.And(^uint32(shut))
}

// close gives the role up, and wakes the other end.
func (e *end) close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.state == open {
		e.stop()
		e.unpoll()
		e.vacate()
	}
	e.dropPoll()
	e.state = left
}

func (e *end) vacate() {
	if e.holds {
		e.told.ReleaseMerge()
		_ = guard(func() error {
			if e.resign != nil {
				e.resign()
			}
			e.mine.Leave()
			return nil
		})
	}
}

// giveAway leaves the role in trust for another process.
func (e *end) giveAway() (trust robust.Trust, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.state != open {
		return trust, ErrClosed
	}
	e.stop()
	err = guard(func() (err error) { trust, err = e.mine.Entrust(); return })
	if err != nil {
		e.reopen()
		return trust, err
	}
	e.state, e.trust = given, trust
	e.unpoll()
	return trust, nil
}

func (e *end) trusted() robust.Trust {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.trust
}

// takeBack undoes giveAway when the other process was never started. If Close
// was called meanwhile, the role is left now.
func (e *end) takeBack(trust robust.Trust) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if guard(func() error { return e.mine.Reclaim(trust) }) != nil {
		return
	}
	if e.state == given {
		e.state = open
		e.reopen()
	} else {
		e.vacate()
	}
}
