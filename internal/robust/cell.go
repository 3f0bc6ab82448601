package robust

import (
	"context"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/futex"
)

// Take makes this process the holder of c if its word is old: the word becomes
// the TID of one of the process's keepers, with bits. Otherwise it returns
// ErrHeld and has changed nothing; ErrNoKeeper when the process cannot hold
// cells at all. Uncontended and on a cell used before it is one CAS.
//
// acquire: pairs with "release: cell" in Release.
func (c *Cell) Take(old, bits uint32) error {
	tid := c.TID()
	if tid == 0 {
		return c.takeFirst(old, bits)
	}
	if !c.Word.CompareAndSwap(old, tid|bits) {
		return ErrHeld
	}
	crashpoint.Hit("robust.taken")
	c.Ident.StoreRelaxed(identWith(tid))
	return nil
}

// takeFirst is Take for a cell that this process has not used before, or that
// lies outside the arena.
func (c *Cell) takeFirst(old, bits uint32) error {
	if c.near() {
		if _, err := c.link(); err != nil {
			return err
		}
		crashpoint.Hit("robust.linked")
		return c.Take(old, bits)
	}
	tid, err := c.takeForeign(old, bits)
	if err != nil {
		return err
	}
	c.Ident.StoreRelaxed(identWith(tid))
	return nil
}

// Release frees a cell that this process holds and wakes one sleeper if there
// may be any. It returns false, and has done nothing, if the process does not
// hold c.
func (c *Cell) Release() bool {
	w := c.Word.Load()
	tid := c.TID()
	if tid == 0 || w&TIDMask != tid {
		return c.releaseOther()
	}
	c.Ident.StoreRelaxed(0)
	crashpoint.Hit("robust.releasing")
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
		return c.releaseForeign(func() {
			c.Ident.StoreRelaxed(0)
			c.free(c.Word.Load())
		})
	}
	if !ownTID(c.Word.Load() & TIDMask) {
		return false
	}
	c.Ident.StoreRelaxed(0)
	c.free(c.Word.Load())
	return true
}

// Mine says whether this process holds c.
func (c *Cell) Mine() bool {
	tid := c.Word.Load() & TIDMask
	return tid != 0 && (tid == c.TID() || ownTID(tid))
}

// CheckOwner finds out whether c's holder still exists, and does the kernel's
// work if it does not: the word is marked and all sleepers are woken. It
// returns true when the cell is, or has been, marked. The look calls it, since
// a mark can get lost.
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
		// The TID may be somebody else's by now; a Go holder said which
		// process it is.
		id := ident(c.Ident.Load())
		if id.tid() != tid || !processGone(id.pid(), id.start()) {
			return false
		}
	}
	if c.Word.CompareAndSwap(w, w&Waiters|OwnerDied) {
		futex.WakeAll(&c.Word)
	}
	return true
}

// LastHolder returns the Go process that took c last and has not released it;
// PID 0 if there is none, as after a C holder. Once the word is marked, it is
// the one whom a take-over must fence.
func (c *Cell) LastHolder() Process {
	id := ident(c.Ident.Load())
	return Process{PID: id.pid(), Start: id.start()}
}

// AwaitGone waits until the process that died holding c cannot store to shared
// memory any more. It returns at once if c is not a dead holder's (any more):
// whoever took over has passed this fence.
func (c *Cell) AwaitGone(ctx context.Context) error {
	return awaitGone(ctx, func() (Process, bool) {
		dead := c.LastHolder() // before the word: a living one's record means a living word
		return dead, c.Word.Load()&OwnerDied != 0
	})
}

// OwnerPID returns the process that holds c: from the record that a Go holder
// leaves, from /proc for a C holder. For tools: by the time it returns, the
// cell may have another holder.
func (c *Cell) OwnerPID() (pid int, held bool) {
	w := c.Word.Load()
	tid := w & TIDMask
	if tid == 0 || w&OwnerDied != 0 {
		return 0, false
	}
	if id := ident(c.Ident.Load()); id.tid() == tid {
		return int(id.pid()), true
	}
	pid, _ = processOf(tid)
	return pid, true
}

// TakeFree is Take(0, 0) for the uncontended path of a lock, where tid is what
// c.TID returned.
func (c *Cell) TakeFree(tid uint32) bool {
	if !c.Word.CompareAndSwap(0, tid) {
		return false
	}
	crashpoint.Hit("robust.taken.free")
	c.Ident.StoreRelaxed(identWith(tid))
	return true
}

// Abandon leaves a cell that this process holds as a dead holder's. The record
// goes too: no thread of this process stores on behalf of the cell any more.
func (c *Cell) Abandon() {
	mark := func() {
		c.Ident.StoreRelaxed(0)
		c.Word.Store(robustAbandoned)
	}
	if !c.near() {
		c.releaseForeign(mark)
		return
	}
	mark()
}

// robustAbandoned is the word of a dead holder for whom others may wait.
const robustAbandoned = Waiters | OwnerDied
