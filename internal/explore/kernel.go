//go:build explore

package explore

import (
	"context"
	"math"

	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/mem"
	"github.com/shmkit/shmkit/internal/robust"
)

// sleep is what a process sleeps on.
type sleep struct {
	ctx   context.Context
	words []futex.Word
	gone  func() bool
	woken bool
}

// changed says whether a word no longer holds the sleeper's value.
func (s *sleep) changed() bool {
	for _, w := range s.words {
		if w.Addr.Load() != w.Val {
			return true
		}
	}
	return false
}

func (s *sleep) on(w *mem.Uint32) bool {
	for _, x := range s.words {
		if x.Addr == w {
			return true
		}
	}
	return false
}

// quietly runs fn of the explorer's own, in the name of p: no step.
func (r *run) quietly(p *Proc, fn func() bool) bool {
	moving, acting := r.moving, r.acting
	r.moving, r.acting = nil, p
	defer func() { r.moving, r.acting = moving, acting }()
	return fn()
}

// Sleep implements futex.Kernel. It is two steps: the kernel compares and puts
// the caller to sleep; the caller moves again.
func (r *run) Sleep(ctx context.Context, words []futex.Word, gone func() bool) error {
	p := r.moving
	if p.atomic {
		p.Fail("sleeps where it said that it would not")
	}
	r.before()
	if err := ended(ctx); err != nil {
		r.after(2, "does not sleep: its context has ended")
		return err
	}
	p.sleep = sleep{ctx: ctx, words: words, gone: gone}
	if r.quietly(p, p.sleep.changed) {
		r.after(1, "does not sleep: changed %s", wordList{r, words})
		return nil
	}
	r.after(0, "falls asleep on %s", wordList{r, words})
	p.state = asleep
	r.before()
	err := ended(ctx)
	if err != nil {
		r.after(2, "wakes: its context has ended")
	} else {
		r.after(1, "wakes")
	}
	return err
}

// Wake implements futex.Kernel.
func (r *run) Wake(w *mem.Uint32, n int) int {
	if r.moving == nil {
		return r.wake(w, n)
	}
	r.before()
	p := r.moving
	r.note("P%d wakes %d on %s", p.ID, n, word{r, w})
	woken := r.wake(w, n)
	p.learn(uint64(woken))
	return woken
}

// WakeClear implements futex.Kernel.
func (r *run) WakeClear(w *mem.Uint32) {
	if r.moving == nil {
		w.Store(0)
		r.wake(w, 1)
		return
	}
	r.before()
	p := r.moving
	r.note("P%d clears %s and wakes one", p.ID, word{r, w})
	r.quietly(p, func() bool {
		w.Store(0)
		return true
	})
	r.wake(w, 1)
	p.learn(0)
}

// WakeBit implements futex.Kernel.
func (r *run) WakeBit(w *mem.Uint32) {
	r.before()
	p := r.moving
	r.note("P%d clears bit 31 of %s and wakes all", p.ID, word{r, w})
	r.quietly(p, func() bool {
		w.Store(w.Load() &^ (1 << 31))
		return true
	})
	r.wake(w, math.MaxInt)
	p.learn(0)
}

// wake wakes n sleepers of w, any of them: which one the kernel picks depends on
// priorities and on who came first, of which the code may know nothing.
func (r *run) wake(w *mem.Uint32, n int) int {
	woken := 0
	for ; woken < n; woken++ {
		var sleepers []*Proc
		for _, p := range r.world.procs {
			if p.state == asleep && !p.sleep.woken && p.sleep.on(w) {
				sleepers = append(sleepers, p)
			}
		}
		if len(sleepers) == 0 {
			break
		}
		pick := 0
		if woken+len(sleepers) > n {
			pick = r.choose(len(sleepers))
		}
		sleepers[pick].sleep.woken = true
		r.note("  P%d is woken", sleepers[pick].ID)
	}
	return woken
}

// markCells is what the kernel does for a process that has ended: it walks the
// keeper's robust list (handle_futex_death in kernel/futex/core.c).
func (r *run) markCells(p *Proc) {
	const waiters, ownerDied, tidMask = 0x80000000, 0x40000000, 0x3fffffff
	for _, w := range r.world.cells {
		v := w.Load()
		if v&tidMask != p.tid() {
			continue
		}
		w.Store(v&waiters | ownerDied)
		r.note("  the kernel marks %s: %#x", word{r, w}, v&waiters|ownerDied)
		if v&waiters != 0 {
			r.wake(w, 1)
		}
	}
}

// look is one look of every process: sleepers whose word has changed, or whose
// counterpart is gone, are woken. It says whether there were any.
func (r *run) look() bool {
	found := false
	for _, p := range r.world.procs {
		if p.state != asleep || p.sleep.woken {
			continue
		}
		news := r.quietly(p, func() bool {
			return p.sleep.changed() || p.sleep.gone != nil && p.sleep.gone()
		})
		if news {
			p.sleep.woken = true
			found = true
			r.note("  the look wakes P%d", p.ID)
		}
	}
	return found
}

// TID implements robust.Simulation.
func (r *run) TID() uint32 {
	if r.acting == nil {
		return 0
	}
	return r.acting.tid()
}

// Local implements robust.Simulation. Setup is nobody's, and has none.
func (r *run) Local(a *robust.Anchor) robust.Local {
	if r.acting == nil {
		return nil
	}
	return r.acting.locals[a]
}

// SetLocal implements robust.Simulation.
func (r *run) SetLocal(a *robust.Anchor, l robust.Local) {
	if r.acting.locals == nil {
		r.acting.locals = map[*robust.Anchor]robust.Local{}
	}
	r.acting.locals[a] = l
}

// Gone implements robust.Simulation.
func (r *run) Gone(tid uint32) bool {
	r.before()
	gone := true
	for _, p := range r.world.procs {
		if p.tid() == tid {
			gone = p.Ended()
		}
	}
	if r.moving != nil {
		if gone {
			r.after(1, "finds P%d gone", tid-1)
		} else {
			r.after(0, "finds P%d alive", tid-1)
		}
	}
	return gone
}
