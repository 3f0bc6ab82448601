package robust

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/futex"
)

// Take makes this process the holder of c if its word is old: the word becomes
// the TID of one of the process's keepers, with bits. Otherwise it returns
// ErrHeld and has changed nothing. ErrNoKeeper: the process cannot hold cells
// at all; ErrClosed: the memory is closed; os.ErrInvalid: c is not aligned to 8. On a cell used before it is one CAS.
//
// old must not be a dead holder's word: see TakeOver.
//
// acquire: cell. Pairs with "release: cell" in free.
func (c *Cell) Take(old, bits uint32) error {
	tid, err := c.grab(old, bits)
	if err != nil {
		return err
	}
	c.Ident.StoreRelaxed(identWith(tid))
	return nil
}

// grab is Take without the ident: from its CAS on this process holds c.
func (c *Cell) grab(old, bits uint32) (tid uint32, err error) {
	n := c.shadow()
	tid = n.keeper()
	if tid == 0 {
		return c.grabFirst(old, bits)
	}
	if !c.Word.CompareAndSwap(old, tid|bits) {
		return 0, ErrHeld
	}
	crashpoint.Hit("robust.taken")
	if n.keeper() != tid {
		return c.grabbedLoose(tid)
	}
	n.noteHeld()
	return tid, nil
}

// grabFirst is grab for a cell that this process has not used before, or that
// lies outside the arena.
func (c *Cell) grabFirst(old, bits uint32) (tid uint32, err error) {
	if !c.aligned() { // the kernel would stop its walk there
		return 0, fmt.Errorf("hold a lock at %p: %w", c, os.ErrInvalid)
	}
	if !c.near() {
		return c.takeForeign(old, bits)
	}
	if _, err := c.link(); err != nil {
		return 0, err
	}
	crashpoint.Hit("robust.linked")
	return c.grab(old, bits)
}

// grabbedLoose ends a grab that met a Forget: c's node is not in the list of
// the keeper any more whose TID the word carries. It is linked again, or, if
// the memory is closed, let go. (Forget takes the TID away before it reads the
// word; grab writes the word before it reads the TID again.)
func (c *Cell) grabbedLoose(was uint32) (tid uint32, err error) {
	tid, err = c.link()
	if err != nil {
		c.free(c.Word.Load())
		return 0, err
	}
	for tid != was {
		w := c.Word.Load()
		if c.Word.CompareAndSwap(w, w&^TIDMask|tid) {
			break
		}
	}
	c.shadow().noteHeld()
	return tid, nil
}

// TakeOver makes this process the holder of a cell whose word, w, says that its
// holder has died, once no thread of that one can store any more. ErrHeld:
// somebody else was faster; the context's error: the dead one has not ended.
// Waiters stays set: those who sleep go on doing so.
func (c *Cell) TakeOver(ctx context.Context, w uint32) error {
	dead := ident(c.Ident.Load())
	err := awaitGone(ctx, dead, func() bool { return c.Word.Load() != w })
	if err != nil {
		return err
	}
	crashpoint.Hit("robust.fenced")
	tid, err := c.grab(w, Waiters)
	if err != nil {
		return err
	}
	// While this process waited, or was stopped, another one may have taken over
	// and died in its turn. Its word is the same as the first one's, its ident
	// is not, and it must be waited for too.
	for {
		now := ident(c.Ident.Load())
		if now == dead {
			break
		}
		dead = now
		if err := awaitGone(ctx, dead, nil); err != nil {
			c.Abandon()
			return err
		}
	}
	crashpoint.Hit("robust.takenover")
	c.Ident.StoreRelaxed(identWith(tid))
	return nil
}

// Release frees a cell that this process holds and wakes one sleeper if there
// may be any. It returns false, and has done nothing, if the process does not
// hold c. If somebody has overwritten the word of a cell that the process did
// take, there is nothing to free, and Release returns true. The ident stays:
// should this process die before its last store has been made, it says whom to
// wait for.
func (c *Cell) Release() bool {
	w := c.Word.Load()
	n := c.shadow()
	if tid := n.keeper(); tid == 0 || w&TIDMask != tid {
		return c.releaseOther()
	}
	crashpoint.Hit("robust.releasing")
	n.noteFree()
	c.free(w)
	return true
}

// free sets the word, last seen as w, to 0. Where somebody may sleep it also
// wakes one, in one system call: no death can come between the two.
func (c *Cell) free(w uint32) {
	// release: cell
	if w&Waiters == 0 && c.Word.CompareAndSwap(w, 0) {
		return
	}
	if futex.WakeClear(&c.Word) != nil {
		c.Word.Store(0) // nobody can sleep where the kernel cannot write
	}
	crashpoint.Hit("robust.released")
}

// releaseOther is Release of a cell outside the arena, or of one that was
// taken through another mapping of the same memory.
func (c *Cell) releaseOther() bool {
	if !c.near() {
		return c.releaseForeign(func() { c.free(c.Word.Load()) })
	}
	held := c.shadow().noteFree()
	if !c.Mine() {
		return held
	}
	c.free(c.Word.Load())
	return true
}

// Mine says whether this process holds c.
func (c *Cell) Mine() bool {
	tid := c.Word.Load() & TIDMask
	return tid != 0 && (tid == c.shadow().keeper() || ownTID(tid))
}

// Abandon leaves a cell that this process holds as a dead holder's, and wakes
// everybody. It does nothing if the process does not hold c.
func (c *Cell) Abandon() {
	mark := func() {
		w := c.Word.Load()
		for c.Mine() && !c.Word.CompareAndSwap(w, Waiters|OwnerDied) {
			w = c.Word.Load()
		}
	}
	if c.near() {
		c.shadow().noteFree()
		mark()
	} else {
		c.releaseForeign(mark)
	}
	crashpoint.Hit("robust.abandoned")
	futex.WakeAll(&c.Word)
}

// CheckOwner finds out whether c's holder still exists, and does the kernel's
// work if it does not: the word is marked and all sleepers are woken. It
// returns true when the cell has been marked. The look calls it, since a mark
// can get lost.
func (c *Cell) CheckOwner() bool {
	w := c.Word.Load()
	if w&OwnerDied != 0 {
		return true
	}
	tid := w & TIDMask
	if tid == 0 || ownTID(tid) {
		return false
	}
	if !threadGone(tid) {
		// The TID may be somebody else's by now; a Go holder said which process
		// it is. A C holder did not, but writes its TID into Owner.
		id := ident(c.Ident.Load())
		if c.Owner.Load() == tid || id.tid() != tid || !id.replaced() {
			return false
		}
	}
	if c.Word.CompareAndSwap(w, w&Waiters|OwnerDied) {
		futex.WakeAll(&c.Word)
	}
	return true
}

// AwaitGone waits until the process that died holding c cannot store to shared
// memory any more, or c is not a dead holder's any more, or stop, asked now and
// then, says so. stop may be nil.
func (c *Cell) AwaitGone(ctx context.Context, stop func() bool) error {
	err := awaitGone(ctx, ident(c.Ident.Load()), func() bool {
		return c.Word.Load()&OwnerDied == 0 || stop != nil && stop()
	})
	if errors.Is(err, ErrHeld) {
		return nil
	}
	return err
}

// Gone says whether the process that died holding c cannot store to shared
// memory any more.
func (c *Cell) Gone() bool { return ident(c.Ident.Load()).gone() }

// OwnerPID returns the process that holds c: from the ident that a Go holder
// leaves, from /proc for a C holder. For tools: by the time it returns, the
// cell may have another holder.
func (c *Cell) OwnerPID() (pid int, held bool) {
	w := c.Word.Load()
	tid := w & TIDMask
	if tid == 0 || w&OwnerDied != 0 {
		return 0, false
	}
	if id := ident(c.Ident.Load()); id.tid() == tid && c.Owner.Load() != tid {
		return int(id.pid()), true
	}
	pid, _ = processOf(tid)
	return pid, true
}
