package shm

import (
	"runtime"

	"github.com/shmkit/shmkit/internal/mem"
)

// turn keeps Close away from a call that is over at once: one that takes the lock in
// the memory if it is free, changes something, and waits for nobody. It costs one
// atomic operation where attachment.calls costs two, and a call that does not get it
// goes the way of those that wait.
//
//	shut (zero)  nobody gets it: closed, read-only, or may fault
//	free
//	taken        by the one call that is under way
//
// Only its holder changes it from taken, by a release store that the next CAS
// acquires (turn/1). It lies in private memory: a death has nothing to leave.
type turn struct{ word mem.Uint32 }

const (
	turnShut = iota
	turnFree
	turnTaken
)

func (t *turn) open() { t.word.Store(turnFree) }

func (t *turn) take() bool { return t.word.CompareAndSwap(turnFree, turnTaken) } // turn/1

func (t *turn) give() { t.word.StoreRelease(turnFree) } // turn/1

// shut waits until nobody has it, and says whether it was not shut before.
func (t *turn) shut() bool {
	for !t.word.CompareAndSwap(turnFree, turnShut) { // turn/1
		if t.word.Load() == turnShut {
			return false
		}
		runtime.Gosched() // the holder stores a value and is done
	}
	return true
}
