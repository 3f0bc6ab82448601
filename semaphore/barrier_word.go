package semaphore

// barrierWord is the state of a barrier, which changes as one:
//
//	bits  0-29 phase     how many phases have ended
//	bit     30 broken    phase will not complete: it ends with a Reset
//	bit     31 sleepers  somebody may sleep on the low half
//	bits 32-47 arrived   how many parties have come in phase; all of them: the
//	                     last one runs its action
//	bits 48-63 history   how the last 16 phases ended, bit 48 the latest: 1 by a
//	                     Reset, 0 complete
//
// The phase is what the sense is in a sense-reversing barrier, and the history
// tells a party that has overslept the next phases how its own one ended.
type barrierWord uint64

const (
	barrierPhases   = 1<<30 - 1
	barrierBroken   = 1 << 30
	barrierSleepers = 1 << 31
	barrierArrival  = 1 << 32
	barrierHistory  = 48 // shift
	barrierKnown    = 16 // phases in history

	maxParties = 1<<16 - 1
)

func (w barrierWord) phase() uint32   { return uint32(w) & barrierPhases }
func (w barrierWord) broken() bool    { return w&barrierBroken != 0 }
func (w barrierWord) sleepers() bool  { return w&barrierSleepers != 0 }
func (w barrierWord) arrived() uint32 { return uint32(uint16(w >> 32)) }

// open says whether phase p has not ended and is not broken.
func (w barrierWord) open(p uint32) bool { return uint32(w)&^barrierSleepers == p }

// broke is w with its phase broken. Whoever makes it so wakes the sleepers.
func (w barrierWord) broke() barrierWord { return w&^barrierSleepers | barrierBroken }

// next is w with its phase ended: how is 1 by a Reset, 0 complete. Whoever makes
// it so wakes the sleepers.
func (w barrierWord) next(how barrierWord) barrierWord {
	return (w>>barrierHistory<<1|how)<<barrierHistory | (w+1)&barrierPhases
}

// outcome says how phase p, which is not open in w, ended for its parties.
// resets says whether there was a Reset since before the party arrived: it
// decides when p is too long ago.
func (w barrierWord) outcome(p uint32, resets bool) error {
	ago := (w.phase() - p) & barrierPhases
	switch {
	case ago == 0, ago > barrierKnown && resets:
		return ErrBroken
	case ago <= barrierKnown && w>>barrierHistory>>(ago-1)&1 != 0:
		return ErrBroken
	}
	return nil
}
