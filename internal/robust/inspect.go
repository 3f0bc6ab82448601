package robust

import "strconv"

// Holder is what can be told about a cell without touching it, for tools.
type Holder struct {
	State   HolderState
	PID     int    // the holder's, or the dead one's; 0 if it is not known
	TID     int    // of the keeper by which it holds, or held
	Process string // what its process does: "runs", "is stopped", "is gone"; "" if it is not known
	Waiters bool   // somebody may sleep on the cell
}

// HolderState says whether somebody holds a cell.
type HolderState int

// The states of a cell.
const (
	HolderNone HolderState = iota
	HolderLives
	HolderDied // the kernel has marked the cell
	HolderLost // it does not exist, but its mark got lost
	HolderGave // nobody, and nobody ever will: not recoverable
)

// String says who holds the cell.
func (h Holder) String() string {
	who := "somebody"
	switch {
	case h.PID != 0:
		who = "pid " + strconv.Itoa(h.PID)
	case h.TID != 0:
		who = "TID " + strconv.Itoa(h.TID)
	}
	switch h.State {
	case HolderLives:
		s := "held by " + who
		if h.PID != 0 && h.TID != 0 {
			s += " (keeper " + strconv.Itoa(h.TID) + ")"
		}
		if h.Process != "" && h.Process != "runs" {
			s += ", which " + h.Process
		}
		return s
	case HolderDied:
		if h.PID == 0 {
			return "owner died"
		}
		return "owner died: " + who
	case HolderLost:
		return "held by " + who + ", which is gone and was not marked"
	case HolderGave:
		return "not recoverable"
	}
	return "free"
}

// Inspect says who holds c, which may be a copy of a cell. It asks /proc only, and not at
// all if c is of another pid namespace.
func (c *Cell) Inspect(foreign bool) (h Holder) {
	w, id := c.Word.Load(), ident(c.Ident.Load())
	owner := c.Owner.Load()
	h.Waiters = w&Waiters != 0
	tid := w & TIDMask
	switch {
	case w&OwnerDied != 0:
		h.State, h.PID, h.TID = HolderDied, int(id.pid()), int(id.tid())
		return h
	case tid == 0 && owner == OwnerNotRecoverable:
		h.State = HolderGave
		return h
	case tid == 0:
		return h
	}
	h.State, h.TID = HolderLives, int(tid)
	ours := id.tid() == tid && owner != tid // a Go holder said who it is
	if ours {
		h.PID = int(id.pid())
	}
	if foreign {
		return h
	}
	if !ours {
		h.PID, _ = processOf(tid)
	}
	switch {
	case threadGone(tid), ours && id.replaced():
		h.State, h.Process = HolderLost, "is gone"
	case h.PID != 0:
		h.Process = processDoes(h.PID)
	}
	return h
}

// ProcessState says what the process of that pid does that had started then, as Process has
// it.
func ProcessState(pid, start uint64) string {
	if pid == 0 || pid > idMask {
		return ""
	}
	if newIdent(uint32(pid), 0, start).replaced() {
		return "is gone"
	}
	return processDoes(int(pid))
}

// PID returns the process that c, which may be a copy, says has it, 0 for nobody.
func (c *Claim) PID() int {
	w := c.who.Load()
	if uint32(w) == 0 {
		return 0
	}
	return int(ident(w).pid())
}
