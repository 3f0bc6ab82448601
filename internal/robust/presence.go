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
		var err error
		switch StateOf(w) {
		case Present:
			if !p.CheckOwner() {
				return ErrBusy
			}
			continue
		case Dead:
			err = p.TakeOver(ctx, w)
		case Vacant:
			err = p.Take(w, w&Waiters)
		}
		if errors.Is(err, ErrHeld) {
			continue
		}
		if err != nil {
			return err
		}
		p.announce()
		return nil
	}
}

// announce tells those who wait for somebody to come.
func (p *Presence) announce() {
	crashpoint.Hit("robust.presence.claimed")
	p.Arrivals.Add(1)
	crashpoint.Hit("robust.presence.counted")
	futex.WakeAll(&p.Word)
}

// Leave ends this process's part and wakes everybody who watches. It does
// nothing if the process takes no part.
func (p *Presence) Leave() {
	if p.Release() {
		crashpoint.Hit("robust.presence.left")
		futex.WakeAll(&p.Word)
	}
}

// Watch prepares to sleep on the presence's word, which was read as seen, less
// Waiters. It returns the word to sleep for, or false if the presence is another
// one by now. Whoever has a reason to wake its watchers, or dies, then finds
// Waiters set.
func (p *Presence) Watch(seen uint32) (word uint32, same bool) {
	for {
		w := p.Word.Load()
		if w&^Waiters != seen {
			return w, false
		}
		if w&Waiters != 0 || p.Word.CompareAndSwap(w, w|Waiters) {
			return w | Waiters, true
		}
	}
}

// Unwatch undoes Watch where nobody else watches: it spares the other a wake.
func (p *Presence) Unwatch(word uint32) { p.Word.CompareAndSwap(word, word&^Waiters) }

// Rouse clears Waiters in the word of this process's own part, and wakes who
// sleeps on it, in one system call.
func (p *Presence) Rouse() {
	_ = futex.WakeBit(&p.Word) // a fault means that the file is gone, and the sleeper with it
}

// PID returns the process that takes part, 0 if none is known.
func (p *Presence) PID() int {
	pid, _ := p.OwnerPID()
	return pid
}

// A Trust names a part that its holder has given to a child which has not yet
// taken it up. It is of no use once anybody has joined since.
type Trust struct{ Word, Arrivals uint32 }

// Entrust prepares the handing of this process's part to a child. Until the
// child adopts it, this process holds it in trust, and must not act in it any
// more. ErrBusy: the process has no part to give.
func (p *Presence) Entrust() (Trust, error) {
	if !p.Mine() {
		return Trust{}, ErrBusy
	}
	t := Trust{Word: p.Word.Load() &^ Waiters, Arrivals: p.Arrivals.Add(1)}
	if p.near() {
		p.shadow().noteFree()
	} else {
		p.releaseForeign(func() {}) // the child links the same node
	}
	return t, nil
}

// holds says whether nobody has joined since t was made, and returns the word
// that the presence has.
func (p *Presence) holds(t Trust) (word uint32, ok bool) {
	w := p.Word.Load()
	return w, w&^Waiters == t.Word && p.Arrivals.Load() == t.Arrivals && StateOf(w) == Present
}

// Adopt takes over what another process held in trust. If that one has died
// meanwhile, or taken it back, Adopt is Join.
func (p *Presence) Adopt(ctx context.Context, t Trust) error {
	for {
		w, ok := p.holds(t)
		if !ok {
			return p.Join(ctx)
		}
		err := p.Take(w, w&Waiters)
		if errors.Is(err, ErrHeld) {
			continue
		}
		if err == nil {
			p.announce()
		}
		return err
	}
}

// Reclaim takes back what was entrusted, when the child was never started.
// ErrBusy: it is not in trust any more. Any error leaves it as it is.
func (p *Presence) Reclaim(t Trust) error {
	for {
		w, ok := p.holds(t)
		if !ok {
			return ErrBusy
		}
		if p.near() {
			p.shadow().noteHeld()
		} else { // it was unlinked for the child
			err := p.Take(w, w&Waiters)
			if errors.Is(err, ErrHeld) {
				continue
			}
			if err != nil {
				return err
			}
		}
		p.Arrivals.Add(1)
		return nil
	}
}

// Disown marks a part that was held in trust as a dead process's, because the
// child has ended. It does nothing if the child had adopted it, whatever has
// become of it since.
func (p *Presence) Disown(t Trust) {
	for {
		w, ok := p.holds(t)
		if !ok {
			return
		}
		if p.Word.CompareAndSwap(w, w&Waiters|OwnerDied) {
			crashpoint.Hit("robust.presence.disowned")
			futex.WakeAll(&p.Word)
			return
		}
	}
}
