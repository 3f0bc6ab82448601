package robust

import (
	"context"
	"errors"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/futex"
)

// State is what a presence word says.
type State int

// The states of a presence.
const (
	Vacant  State = iota // nobody takes part
	Present              // a living process does, as far as is known
	Dead                 // the one who did has died and was not yet replaced
)

// StateOf reads a presence word that was loaded once.
func StateOf(word uint32) State {
	switch {
	case word&OwnerDied != 0:
		return Dead
	case word&TIDMask != 0:
		return Present
	}
	return Vacant
}

// Join makes this process the one that takes part. From a dead one it takes
// over, behind the take-over fence. ErrBusy: a living process (perhaps this
// one) does; the context's error: the dead one had not ended in time.
func (p *Presence) Join(ctx context.Context) error {
	for {
		w := p.Word.Load()
		switch StateOf(w) {
		case Present:
			if !p.CheckOwner() {
				return ErrBusy
			}
			continue
		case Dead:
			if err := p.AwaitGone(ctx); err != nil {
				return err
			}
			crashpoint.Hit("robust.presence.fenced")
		}
		err := p.Take(w, Waiters)
		if errors.Is(err, ErrHeld) {
			continue
		}
		if err != nil {
			return err
		}
		return p.joined()
	}
}

// joined writes the record and tells those who wait for somebody to come.
func (p *Presence) joined() error {
	me, err := Self()
	if err != nil {
		return err
	}
	crashpoint.Hit("robust.presence.claimed")
	p.pid.Store(0)
	crashpoint.Hit("robust.presence.unnamed")
	p.start.Store(me.Start)
	p.pid.Store(me.PID)
	crashpoint.Hit("robust.presence.named")
	futex.WakeAll(&p.Word)
	return nil
}

// record returns whom a take-over must fence.
func (p *Presence) record() Process {
	pid := p.pid.Load()
	return Process{PID: pid, Start: p.start.Load()}
}

// AwaitGone waits until the process whose presence is Dead cannot store to
// shared memory any more. It returns at once if the presence is not Dead (any
// more): whoever took over has passed this fence.
func (p *Presence) AwaitGone(ctx context.Context) error {
	return awaitGone(ctx, func() (Process, bool) {
		dead := p.record() // before the word: a living one's record means a living word
		return dead, StateOf(p.Word.Load()) == Dead
	})
}

// PID returns the process that takes part, 0 if none is named.
func (p *Presence) PID() int {
	if StateOf(p.Word.Load()) != Present {
		return 0
	}
	return int(p.pid.Load())
}

// Leave ends this process's part and wakes everybody who watches. It does
// nothing if the process takes no part.
func (p *Presence) Leave() {
	if !p.Mine() {
		return
	}
	p.pid.Store(0)
	crashpoint.Hit("robust.presence.leaving")
	if p.Release() {
		crashpoint.Hit("robust.presence.left")
		futex.WakeAll(&p.Word)
	}
}

// Entrust prepares the handing of this process's part to a child, and returns
// the word by which the child finds it. Until the child adopts it, this
// process holds it in trust, and must not act in it any more: with no record,
// nobody will fence.
func (p *Presence) Entrust() (word uint32, err error) {
	if !p.Mine() {
		return 0, ErrBusy
	}
	p.pid.Store(0)
	word = p.Word.Load()
	if !p.near() {
		p.releaseForeign(func() {}) // the child links the same node
	}
	return word, nil
}

// Reclaim undoes Entrust, when the child was never started.
func (p *Presence) Reclaim() error {
	if !p.near() {
		return p.Adopt(context.Background(), p.Word.Load())
	}
	return p.joined()
}

// Adopt takes over what another process held in trust under word. If that one
// has died meanwhile, Adopt is Join.
func (p *Presence) Adopt(ctx context.Context, word uint32) error {
	err := p.Take(word, Waiters)
	if err == nil {
		return p.joined()
	}
	if errors.Is(err, ErrHeld) {
		return p.Join(ctx)
	}
	return err
}

// Disown marks a part that was held in trust for a child as a dead process's,
// because the child has ended; it does nothing if the child has adopted it.
func (p *Presence) Disown(word uint32) {
	if p.Word.CompareAndSwap(word, Waiters|OwnerDied) {
		crashpoint.Hit("robust.presence.disowned")
		futex.WakeAll(&p.Word)
	}
}
