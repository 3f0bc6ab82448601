package robust

import "github.com/shmkit/shmkit/internal/futex"

// Take makes this process the holder of c if nobody is. If somebody is, perhaps
// this process, it returns ErrHeld and what Word holds, to sleep on.
// ErrNoKeeper: the process cannot hold claims.
//
// acquire: claim. Pairs with "release: claim" in Drop.
func (c *Claim) Take() (held uint32, err error) {
	id, err := claimIdent()
	if err != nil {
		return 0, err
	}
	for {
		w := c.who.Load()
		if uint32(w) != 0 {
			return uint32(w), ErrHeld
		}
		if c.who.CompareAndSwap(w, id) {
			return 0, nil
		}
	}
}

// Drop gives up a claim that this process holds and wakes one sleeper, both in
// one system call: no death can come between the two. It does nothing if
// somebody has overwritten the claim.
func (c *Claim) Drop() {
	id, err := claimIdent()
	if err != nil || c.who.Load() != id {
		return
	}
	// release: claim
	if futex.WakeClear(c.Word()) != nil {
		c.who.Store(0) // nobody can sleep where the kernel cannot write
	}
}

// Pass is for one who has slept on Word and does not take the claim: the wake
// may have been another's.
func (c *Claim) Pass() {
	if uint32(c.who.Load()) == 0 {
		futex.Wake(c.Word(), 1)
	}
}

// Free says whether nobody holds c. If its holder does not exist any more it
// makes that so, and wakes all sleepers. The look calls it.
func (c *Claim) Free() bool {
	w := c.who.Load()
	if uint32(w) == 0 {
		return true
	}
	// Its TID may be this process's by now: it is the whole ident that counts.
	if own, err := claimIdent(); err == nil && w == own {
		return false
	}
	if id := ident(w); id.pid() != 0 && id.tid() != 0 && !threadGone(id.tid()) && !id.replaced() {
		return false
	}
	if c.who.CompareAndSwap(w, 0) {
		futex.WakeAll(c.Word())
	}
	return true
}

// Reset makes c a claim that nobody holds. Nobody else may use c meanwhile.
func (c *Claim) Reset() { c.who.Store(0) }
