package semaphore

import "fmt"

// rwWord is the value of a seat's word:
//
//	active:13 | waiting:13 | granted:13 | closed:1 | absent:1 | phase:11 | tag:12
//
// active readers are inside. The others are registered: as long as the seat is
// closed they count as waiting; the one CAS that opens it makes them granted, so
// that they go before the next writer, and begins the next phase. A registered
// reader remembers the phase in which it came, and may claim a grant when that
// is over, which keeps those who came later from taking the grants of those who
// were there. Who of the registered has the grants is not said.
//
// A writer that waits in vain for somebody to claim a grant revokes it: granted
// becomes waiting again. absent says that this has happened and that the process
// has not been seen since, so that nobody waits a second time for it.
//
// tag is the tenancy of the process that has the seat; it changes when that
// leaves, and when the next one comes. Every change that a reader makes requires
// its own process's tag, so a goroutine that was held up while its process left
// does nothing to the next one's counts.
type rwWord uint64

const (
	rwActive  rwWord = 1
	rwWaiting rwWord = 1 << 13
	rwGranted rwWord = 1 << 26
	rwClosed  rwWord = 1 << 39
	rwAbsent  rwWord = 1 << 40
	rwPhase   rwWord = 1 << 41
	rwTag     rwWord = 1 << 52

	rwMost        rwWord = 1<<13 - 1 // of each count
	rwActives            = rwMost * rwActive
	rwWaitings           = rwMost * rwWaiting
	rwGrants             = rwMost * rwGranted
	rwPhases             = (1<<11 - 1) * rwPhase
	rwTags               = (1<<12 - 1) * rwTag
	rwCounts             = rwActives | rwWaitings | rwGrants
	rwFull        rwWord = 1 << 12 // of active: this many enter through the open seat
	rwRegistrable        = rwFull - 1
	rwMustDrain          = rwActives | rwGrants

	// rwEntry are the bits that equal the tenant's tag when a reader may enter.
	rwEntry = rwTags | rwClosed | rwFull
)

func (w rwWord) active() rwWord  { return w & rwActives }
func (w rwWord) waiting() rwWord { return w & rwWaitings / rwWaiting }
func (w rwWord) granted() rwWord { return w & rwGrants / rwGranted }
func (w rwWord) phase() rwWord   { return w & rwPhases }

// registered is w with one reader more that waits; ok is false if there are too
// many. Together all counts stay within one, whatever moves where.
func (w rwWord) registered() (next rwWord, ok bool) {
	n := w.waiting() + w.granted()
	return (w + rwWaiting) &^ rwAbsent, n < rwRegistrable && w.active()+n < rwMost
}

// opened is w with the seat opened.
func (w rwWord) opened() rwWord {
	granted := min(w.granted()+w.waiting(), rwMost) // more is garbage
	return w&(rwActives|rwAbsent|rwTags) | granted*rwGranted | (w+rwPhase)&rwPhases
}

// revoked is w with nobody granted.
func (w rwWord) revoked() rwWord {
	waiting := min(w.granted()+w.waiting(), rwMost)
	return w&^(rwGrants|rwWaitings) | waiting*rwWaiting | rwAbsent
}

// vacated is w for the next tenant.
func (w rwWord) vacated() rwWord { return w&(rwClosed|rwTags|rwPhases) + rwTag }

// claimable says whether a reader that was registered in the given phase may
// enter.
func (w rwWord) claimable(phase rwWord) bool {
	return w&rwClosed == 0 || w.phase() != phase && w&rwGrants != 0
}

// claimed is w with a registered reader inside. ErrCorrupt: nobody is registered.
func (w rwWord) claimed() (rwWord, error) {
	switch {
	case w.active() == rwMost:
	case w&rwGrants != 0:
		return (w - rwGranted + rwActive) &^ rwAbsent, nil
	case w&rwWaitings != 0:
		return (w - rwWaiting + rwActive) &^ rwAbsent, nil
	}
	return w, w.corrupt()
}

func (w rwWord) corrupt() error { return fmt.Errorf("%w: seat of a reader %#x", ErrCorrupt, uint64(w)) }
