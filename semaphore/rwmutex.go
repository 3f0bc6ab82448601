package semaphore

import (
	"context"
	"errors"
	"fmt"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/robust"
)

// An RWMutex is a lock between processes, and between the goroutines of each,
// that any number of readers hold together, or one writer alone. Readers of
// different processes write different cache lines, so they do not slow each
// other down.
//
// Both sides belong to the process: any goroutine of the process that locked
// it may unlock it. A reader that is killed is gone, and the writer goes on.
// When a writer is killed inside, everybody, readers too, gets ErrOwnerDied
// until a process has repaired what the lock protects (LockRepair). A writer
// that is killed before it was inside, or after Unlock has begun, leaves nothing
// to repair: whoever comes next brings the lock itself in order.
//
// It is phase-fair (Brandenburg and Anderson, "Spin-based reader-writer
// synchronization for multiprocessor real-time systems", Real-Time Systems 46,
// 2010): a writer that waits keeps new readers out, and the readers that wait
// when a writer unlocks enter before the next writer. So a reader waits for one
// writer at most. Among each other, writers are not ordered, as with Mutex. A
// reader that does not come although it was let in, because its process is
// stopped, loses its turn after 50 to 100 ms.
//
// A stopped process keeps what it holds. A writer blocks readers from the moment
// at which it keeps new ones out, as an owner does; so does, for an instant, a
// reader that brings in order what a dead writer has left.
//
// A goroutine that holds the lock for reading must not lock it again: when a
// writer comes in between, it waits for that writer, who waits for it. Nor can a
// read lock be made a write lock.
//
// An RWMutex occupies 10496 bytes and must be aligned to 8, and should be to 128.
// The zero value is an unlocked one. Up to 128 processes may read it at a time,
// the first 32 on lines of their own. A process takes one of the places when it
// first reads, and keeps it until Forget, Close of the memory, or its end. Up to
// 4096 goroutines of a process may read at a time. An RWMutex must not be copied,
// nor overwritten while a process reads it.
//
// The n'th call to Unlock synchronizes before the m'th successful Lock for any
// n < m. For each successful RLock there is an n such that the n'th Unlock
// synchronizes before its return, and the RUnlock that ends it synchronizes
// before the return of the n+1'st Lock. The processes do not matter.
//
// The readers' distributed counts are those of BRAVO (Dice and Kogan, "BRAVO:
// biased locking for reader-writer locks", USENIX ATC 2019), with a place for a
// process instead of a hash table for threads, so that what a dead process held
// is known.
type RWMutex struct {
	rwState
}

// RLock locks rw for reading, and waits as long as it takes. If the error is
// not nil, rw is not held: ErrOwnerDied, ErrTooManyProcesses, ErrOverflow (4096
// goroutines of this process read or wait), ErrCorrupt, ErrInvalid (not aligned),
// or a failure of the system.
func (rw *RWMutex) RLock() error {
	if rw.enter() {
		return nil
	}
	return rw.read(context.Background())
}

// RLockContext is RLock that gives up with the context's error when ctx ends.
func (rw *RWMutex) RLockContext(ctx context.Context) error {
	if rw.enter() {
		return nil
	}
	return rw.read(ctx)
}

// TryRLock locks rw for reading if no writer holds it or waits for it, without
// waiting. Otherwise it returns ErrLocked or an error of RLock, and rw is not
// held. The first call in a process may also fail with ErrLocked because a
// process whose place it could have is still ending.
func (rw *RWMutex) TryRLock() error {
	if rw.enter() {
		return nil
	}
	return tried(rw.read(noWait))
}

// RUnlock undoes one successful RLock of this process. If this process has none
// it does nothing: nobody could tell that from a count that somebody has
// overwritten.
func (rw *RWMutex) RUnlock() {
	l := robust.LocalOf[rwLocal](&rw.local)
	if l == nil {
		return
	}
	word := l.word.Load()
	if word == nil {
		return
	}
	for {
		w := rwWord(word.Load())
		if w&rwTags != l.tag || w&rwActives == 0 {
			return
		}
		if word.CompareAndSwap(uint64(w), uint64(w-rwActive)) { // release: rwmutex readers
			crashpoint.Hit("rwmutex.read")
			if w&rwClosed != 0 && (w-rwActive)&rwMustDrain == 0 {
				l.drained()
			}
			return
		}
	}
}

// Lock locks rw for writing, and waits as long as it takes. If the error is not
// nil, rw is not held: ErrOwnerDied, ErrCorrupt, ErrInvalid (not aligned), or a
// failure of the system.
func (rw *RWMutex) Lock() error { return rw.lock(context.Background(), nil) }

// LockContext is Lock that gives up with the context's error when ctx ends.
// Readers that it has kept out meanwhile go on.
func (rw *RWMutex) LockContext(ctx context.Context) error { return rw.lock(ctx, nil) }

// TryLock locks rw for writing if nobody holds it, without waiting. Otherwise it
// returns ErrLocked or an error of Lock, and rw is not held. Readers that were
// let in by an Unlock and have not come yet hold it, too, until some 64 tries have
// failed.
func (rw *RWMutex) TryLock() error { return rw.tryLock() }

// LockRepair locks rw for writing like LockContext, and takes over from a writer
// that died inside: once no thread of the dead process can store any more, it
// runs repair, which must bring what rw protects into a consistent state from
// whatever the dead one left. If repair succeeds, rw is held for writing. If it
// fails or panics, rw is not held, everybody gets ErrOwnerDied again, and the
// error is repair's. If no writer died inside, repair is not called. ctx bounds
// the wait, not repair.
func (rw *RWMutex) LockRepair(ctx context.Context, repair func() error) error {
	if repair == nil {
		repair = missingRepair
	}
	return rw.lock(ctx, repair)
}

// Unlock unlocks rw for writing. It panics if this process does not hold it.
//
// Unlock never waits for a reader, nor for anybody else.
func (rw *RWMutex) Unlock() {
	// Release tells an unlock too many from a word that was overwritten.
	if c := &rw.queue.cell; !c.Mine() && !c.Release() {
		panic("semaphore: unlock of an RWMutex that this process does not hold")
	}
	rw.dirty.StoreRelease(0)
	crashpoint.Hit("rwmutex.clean")
	rw.exit()
}

// Owner returns the process that holds rw for writing. It is for tools: the
// answer may be out of date when it arrives. pid is 0 if it cannot be found.
func (rw *RWMutex) Owner() (pid int, held bool) {
	pid, held = rw.gate.OwnerPID()
	if !held || rw.dirty.Load() == 0 {
		return 0, false
	}
	return pid, true
}

// Readers returns how often rw is held for reading, by all processes together.
// It is for tools: the answer may be out of date when it arrives.
func (rw *RWMutex) Readers() int {
	n := rwWord(0)
	for i := range rw.count() {
		if robust.StateOf(rw.seat(i).cell.Word.Load()) == robust.Present {
			n += rwWord(rw.seat(i).word.Load()).active()
		}
	}
	return int(n)
}

// String says who holds rw for writing, or how many for reading and which
// process waits for them.
func (rw *RWMutex) String() string {
	if pid, held := rw.Owner(); held {
		return fmt.Sprintf("RWMutex(held by pid %d)", pid)
	}
	if rw.dirty.Load() != 0 {
		return "RWMutex(owner died)"
	}
	pid, closing := rw.gate.OwnerPID()
	switch n := rw.Readers(); {
	case closing:
		return fmt.Sprintf("RWMutex(readers: %d, pid %d waits for them)", n, pid)
	case n > 0:
		return fmt.Sprintf("RWMutex(readers: %d)", n)
	}
	return "RWMutex(free)"
}

// enter is RLock where this process has a place and no writer closes it.
func (rw *RWMutex) enter() bool {
	l := robust.LocalOf[rwLocal](&rw.local)
	return l != nil && l.enter()
}

// enter enters the open seat.
func (l *rwLocal) enter() bool {
	word := l.word.Load()
	if word == nil {
		return false
	}
	w := rwWord(word.Load())
	if w&rwEntry != l.tag || !word.CompareAndSwap(uint64(w), uint64(w+rwActive)) { // acquire: rwmutex writer
		return false
	}
	crashpoint.Hit("rwmutex.entered")
	return true
}

// count returns how many seats there are to visit.
func (rw *RWMutex) count() int { return int(min(rw.used.Load(), rwSeats)) }

func (rw *RWMutex) seat(i int) *rwSeat {
	if i < rwNear {
		return &rw.near[i].rwSeat
	}
	return &rw.far[i-rwNear]
}

// noWait is the context of those who do not wait.
var noWait = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

// tried is the result of one who did not wait.
func tried(err error) error {
	if errors.Is(err, context.Canceled) {
		return ErrLocked
	}
	return err
}

// noRepair repairs what dead ones leave in order; missingRepair is none.
func noRepair() error { return nil }
func missingRepair() error {
	panic("semaphore: a writer died, and LockRepair has nothing to repair with")
}
