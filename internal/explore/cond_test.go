//go:build explore

package explore

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"testing"

	"github.com/shmkit/shmkit/internal/mem"
	"github.com/shmkit/shmkit/semaphore"
	"github.com/stretchr/testify/require"
)

// tokens is shared memory in which some put tokens and others wait for one.
type tokens struct {
	w      *World
	cond   *semaphore.Cond
	mu     *semaphore.Mutex
	there  *uint32 // guarded by mu
	inside *uint32 // ghost: TID of who has mu
	came   *uint32 // ghost: TIDs of those who have begun to wait
	woken  *uint32 // ghost: waits that have ended with a signal
	sent   *uint32 // ghost: signals of which the sending has begun
	owed   *uint32 // ghost: tokens whose signal has not been sent
}

const tokensSize = 8320 + 128

func newTokens(w *World) *tokens {
	const mu = 8320
	w.Robust(At[mem.Uint32](w, mu))
	for i := range 4 {
		w.Robust(At[mem.Uint32](w, 128*(1+i)))
	}
	return &tokens{w, At[semaphore.Cond](w, 0), At[semaphore.Mutex](w, mu), At[uint32](w, mu+64),
		At[uint32](w, mu+68), At[uint32](w, mu+72), At[uint32](w, mu+76), At[uint32](w, mu+80), At[uint32](w, mu+84)}
}

// lock locks, and repairs: there is nothing to repair.
func (k *tokens) lock(p *Proc) {
	err := k.mu.Lock()
	if errors.Is(err, semaphore.ErrOwnerDied) {
		err = k.mu.LockRepair(context.Background(), func() error { *k.inside = 0; return nil })
	}
	if err != nil {
		p.Fail("lock: %v", err)
	}
	k.enter(p)
	p.Forget() // it has got the lock, however it did
}

func (k *tokens) enter(p *Proc) {
	if other := *k.inside; other != 0 && !k.w.procs[other-1].Ended() {
		p.Fail("P%d is inside too", other-1)
	}
	*k.inside = p.tid()
}

func (k *tokens) unlock() {
	*k.inside = 0
	k.mu.Unlock()
}

// take waits for a token. It gives up when ctx ends.
func (k *tokens) take(p *Proc, ctx context.Context) {
	k.lock(p)
	for *k.there == 0 {
		*k.inside = 0
		*k.came |= p.tid()
		err := k.cond.WaitContext(ctx, k.mu)
		if errors.Is(err, semaphore.ErrRelock) {
			if !errors.Is(err, semaphore.ErrOwnerDied) || k.w.Deaths() == 0 {
				p.Fail("wait: %v", err)
			}
			k.lock(p)
			continue
		}
		k.enter(p)
		if err != nil {
			if !errors.Is(err, context.Canceled) {
				p.Fail("wait: %v", err)
			}
			k.unlock()
			return
		}
		*k.woken++
		p.Forget(1)
	}
	*k.there--
	k.unlock()
}

// put puts n tokens there at once, and signals for each: with the lock or
// without.
func (k *tokens) put(p *Proc, n int, locked, all bool) {
	k.lock(p)
	*k.there += uint32(n)
	*k.owed += uint32(n)
	if !locked {
		k.unlock()
	}
	if all {
		*k.sent += 100
		k.cond.Broadcast()
	} else {
		for range n {
			*k.sent++
			k.cond.Signal()
		}
	}
	*k.owed -= uint32(n)
	if locked {
		k.unlock()
	}
}

// check lets the model check that nobody waits while there is a token for him of
// which he should have been told, and that without a death there is no wait
// that ends for nothing.
func (k *tokens) check() {
	k.w.Invariant = func() error {
		if k.w.Deaths() == 0 && *k.woken > *k.sent {
			return fmt.Errorf("%d waits have ended, %d signals were sent", *k.woken, *k.sent)
		}
		return nil
	}
	k.w.Excuse = func() bool {
		return *k.there <= *k.owed
	}
}

type condCase struct {
	waiters, deaths      int
	puts                 []int // by one process each
	locked, all, cancels bool
	late                 int  // puts begin when so many have begun to wait, or have died
	first                bool // only the first waiter may die
	long                 bool
}

func (c condCase) String() string {
	how := "Signal"
	if c.all {
		how = "Broadcast"
	}
	if c.locked {
		how += " with the lock"
	}
	if c.cancels {
		how += ", one gives up"
	}
	return fmt.Sprintf("%d waiters, %v put when %d wait, %d deaths, %s", c.waiters, c.puts, c.late, c.deaths, how)
}

func (c condCase) model() Model {
	return Model{Memory: tokensSize, Deaths: c.deaths, Setup: func(w *World) {
		k := newTokens(w)
		var hasty *Proc
		for i := range c.waiters {
			p := w.Go(func(p *Proc) {
				ctx := context.Background()
				if c.cancels && i == 0 {
					ctx = p.Context()
				}
				k.take(p, ctx)
			})
			if i == 0 {
				hasty = p
			}
			p.Immortal = c.first && i > 0
		}
		for i, n := range c.puts {
			p := w.Go(func(p *Proc) {
				if c.late > 0 {
					p.Until(func() bool { return bits.OnesCount32(*k.came)+w.Deaths() >= c.late })
				}
				if c.cancels && i == 0 {
					hasty.Cancel()
				}
				k.put(p, n, c.locked, c.all)
			})
			p.Immortal = c.first
		}
		k.check()
	}}
}

// The long ones take up to some minutes each. All but the last two have run to
// their end, the largest with 5.5 million schedules; those two were stopped after
// 25 and after 5 minutes, with nothing found.
func TestCond(t *testing.T) {
	for _, c := range []condCase{
		{waiters: 1, puts: []int{1}, locked: true},
		{waiters: 1, puts: []int{1}},
		{waiters: 1, puts: []int{1}, locked: true, deaths: 1},
		{waiters: 1, puts: []int{1}, deaths: 1},
		{waiters: 1, puts: []int{1}, deaths: 2},
		{waiters: 1, puts: []int{1}, cancels: true, deaths: 1},
		{waiters: 2, puts: []int{1}, late: 2, locked: true},
		{waiters: 2, puts: []int{1}, late: 2},
		{waiters: 2, puts: []int{1}, late: 2, deaths: 1, first: true},
		{waiters: 2, puts: []int{1}, late: 2, locked: true, deaths: 1, long: true},
		{waiters: 2, puts: []int{1}, late: 2, deaths: 1, long: true},
		{waiters: 2, puts: []int{2}, late: 2, all: true, long: true},
		{waiters: 2, puts: []int{1}, late: 1, locked: true, long: true},
		{waiters: 2, puts: []int{1}, late: 1, deaths: 1, long: true},
		{waiters: 2, puts: []int{2}, late: 2, locked: true, long: true},
		{waiters: 2, puts: []int{1}, late: 2, cancels: true, long: true},
		{waiters: 2, puts: []int{2}, late: 2, all: true, deaths: 1, long: true},
		{waiters: 2, puts: []int{1}, late: 2, locked: true, deaths: 2, long: true},
		{waiters: 2, puts: []int{1}, late: 2, deaths: 2, long: true},
		{waiters: 2, puts: []int{1}, late: 2, cancels: true, deaths: 1, long: true},
		{waiters: 2, puts: []int{1, 1}, late: 2, long: true},
	} {
		t.Run(c.String(), func(t *testing.T) {
			if c.long && !*exploreLong {
				t.Skip("takes long")
			}
			rep := Run(c.model())
			t.Log(rep)
			if rep.Violation != nil {
				t.Fatal(rep.Violation)
			}
			if c.deaths == 0 {
				require.Zero(t, rep.Looks, "a wake was lost")
			}
		})
	}
}

// Each of two signals ends a wait, also where the one for the first waiter is under
// way when the second waiter comes and the other signal is sent. The waiters are
// only what they leave in the memory.
func TestCondSignalsMeet(t *testing.T) {
	for _, c := range []struct{ used, turn uint32 }{{1, 0}, {2, 0}, {2, 1}} {
		rep := Run(Model{Memory: tokensSize, Setup: func(w *World) {
			k := newTokens(w)
			const active, open, first, second = 1 << 48, 1 << 32, 128 + 48, 256 + 48
			used, turn := At[mem.Uint32](w, 0), At[mem.Uint32](w, 4)
			used.Store(c.used)
			turn.Store(c.turn)
			At[mem.Uint64](w, first).Store(active + open)
			At[mem.Uint64](w, second).Store(active)
			a := w.Go(func(*Proc) { k.cond.Signal() })
			b := w.Go(func(*Proc) {
				used.Store(2)
				At[mem.Uint64](w, second).Add(open)
				k.cond.Signal()
			})
			waits := w.Go(func(p *Proc) { p.Until(func() bool { return a.Ended() && b.Ended() }) })
			At[mem.Uint32](w, 128).Store(waits.tid())
			At[mem.Uint32](w, 256).Store(waits.tid())
			w.Final = func() error {
				for _, seat := range []int{first, second} {
					if word := At[mem.Uint64](w, seat).Load(); word != active+1 {
						return fmt.Errorf("seat at %d: %#x", seat, word)
					}
				}
				return nil
			}
		}})
		t.Log(rep)
		if rep.Violation != nil {
			t.Fatal(rep.Violation)
		}
	}
}
