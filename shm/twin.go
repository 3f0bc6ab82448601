package shm

import (
	"encoding/binary"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/mem"
)

// twin keeps a value of any size so that it changes at one instant: in two
// slots and a count of commits whose parity says which slot is current. Only
// the holder of a lock stores; anybody loads, without the lock.
//
//	store:  lock
//	        n := commits
//	        slot[(n+1)%2] := new value    the slot that is not current
//	        commits := n+1                release: the new value is current
//	        unlock
//	load:   n := commits                  acquire
//	        copy slot[n%2]
//	        commits = n?                  if not, again
//
// A writer that dies leaves the old value before the store to commits and the
// new one after it. At no instant is there none, or half of one: what the dead
// writer had begun lies in the slot that is not current, and the next store
// covers it. So the lock needs no repair beyond being taken over, a reader is
// never held up by a dead or stopped writer, and a read-only mapping can load.
//
// While commits is n, only slot[(n+1)%2] is written. So a copy of slot[n%2] is
// whole if commits is still n after it. The pairs of orders that this needs:
//
//	twin/1  the words of a value before the commit that makes it current; the
//	        reader loads commits before the words
//	twin/2  a commit before the words of the next value, which go into the slot
//	        that readers of the value before may still be copying; the reader
//	        loads the words before it loads commits again
//
// The words are accessed one by one with atomics, so that a reader that loses
// the race reads old and new words and no torn ones. This is Lamport's
// "Concurrent Reading and Writing" (CACM 20, 1977) with two buffers, and close
// to the kernel's seqcount_latch (Documentation/locking/seqlock.rst).
type twin struct {
	commits *mem.Uint64
	slots   [2][]mem.Uint64
}

// tryLoad copies the current value to dst. It returns false, and dst holds
// nothing of use, if there was a commit meanwhile.
func (t *twin) tryLoad(dst []byte) bool {
	n := t.commits.Load() // twin/1
	copyOut(dst, t.slots[n%2])
	mem.LoadFence() // twin/2
	return t.commits.Load() == n
}

// load is tryLoad for the holder of the lock.
func (t *twin) load(dst []byte) { copyOut(dst, t.slots[t.commits.Load()%2]) }

// store makes src the current value. The caller holds the lock.
func (t *twin) store(src []byte) {
	n := t.commits.Load()
	mem.StoreFence() // twin/2
	crashpoint.Hit("shm/value-storing")
	copyIn(t.slots[(n+1)%2], src)
	crashpoint.Hit("shm/value-stored")
	t.commits.StoreRelease(n + 1) // twin/1
	crashpoint.Hit("shm/value-committed")
}

// copyOut fills dst from words, the last of which may be needed in part.
func copyOut(dst []byte, words []mem.Uint64) {
	for len(dst) >= 8 {
		binary.LittleEndian.PutUint64(dst, words[0].Load())
		dst, words = dst[8:], words[1:]
	}
	if len(dst) > 0 {
		var last [8]byte
		binary.LittleEndian.PutUint64(last[:], words[0].Load())
		copy(dst, last[:])
	}
}

// copyIn is the reverse of copyOut. It fills up the last word with zeros.
func copyIn(words []mem.Uint64, src []byte) {
	for len(src) >= 8 {
		words[0].StoreRelaxed(binary.LittleEndian.Uint64(src))
		src, words = src[8:], words[1:]
	}
	if len(src) > 0 {
		var last [8]byte
		copy(last[:], src)
		words[0].StoreRelaxed(binary.LittleEndian.Uint64(last[:]))
	}
}
