package semaphore

import (
	"context"
	"fmt"
	"math"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/robust"
)

// A RecursiveMutex is a Mutex that its holder may lock again, and must then
// unlock as often. A goroutine has no identity to which a lock could belong,
// so the holder is a value of its own, which Holder returns:
//
//	h := m.Holder()
//	if err := h.Lock(); err != nil {
//		return err // NOT held
//	}
//	defer h.Unlock()
//	update(h) // may lock and unlock h in its turn
//
// Two holders exclude each other wherever they are, also within one process and
// one goroutine: a goroutine that holds one and locks the other waits for
// itself. When the process of the holder is killed, everybody gets ErrOwnerDied
// until one of them has repaired what the lock protects (Holder.LockRepair),
// however often the dead one had locked it.
//
// Python's RLock belongs to a thread and has a with statement; here a holder is
// passed to whoever may lock again, and defer ends the section.
//
// A RecursiveMutex occupies 48 bytes and must be aligned to 8. The zero value is
// an unlocked one. The bytes are those of a Mutex, glibc's
// PTHREAD_MUTEX_RECURSIVE where that is robust and process-shared
// (nptl/pthread_mutex_lock.c); for C programs Init must have been called, as
// package shm does for every RecursiveMutex that it places. It must not be
// copied.
//
// The n'th call to Unlock that ends a holder's last level synchronizes before the
// m'th successful call that begins a first level, for any n < m, in whatever
// processes they are made.
type RecursiveMutex struct {
	mutex Mutex
}

// Init makes m an unlocked lock that C programs can use. Nobody else may use m
// meanwhile.
func (m *RecursiveMutex) Init() {
	m.mutex.Init()
	m.mutex.cell.Count.Store(0)
	m.mutex.cell.Kind.Store(robust.KindRobustRecursive)
}

// Holder returns a new holder of m, which does not hold it yet.
func (m *RecursiveMutex) Holder() *Holder { return &Holder{m: &m.mutex} }

// Owner returns the process that holds m. It is for tools: the answer may be
// out of date when it arrives. pid is 0 if the holder cannot be found.
func (m *RecursiveMutex) Owner() (pid int, held bool) { return m.mutex.Owner() }

// String says whether m is held, by which process and how many times.
func (m *RecursiveMutex) String() string {
	pid, held := m.Owner()
	if !held {
		return "Recursive" + m.mutex.String()
	}
	times := "once"
	if n := m.mutex.cell.Count.Load(); n > 1 {
		times = fmt.Sprintf("%d times", n)
	}
	return fmt.Sprintf("RecursiveMutex(held by pid %d, %s)", pid, times)
}

// A Holder is the owner that a RecursiveMutex knows: whoever has the Holder may
// lock again what it holds. It belongs to one process. Several goroutines may use
// one Holder only if they order their calls among themselves; each has better
// its own. A Holder that is lost while it holds leaves the lock held for as long
// as the process lives. Once nobody uses it, it needs no closing.
type Holder struct {
	m *Mutex

	// depth is private, so that no peer can make this process believe that it
	// holds the lock. The cell's Count repeats it, for C and for tools.
	depth uint32
}

// maxDepth is glibc's.
const maxDepth = math.MaxUint32

// Depth returns how many times h holds its lock, 0 if it does not.
func (h *Holder) Depth() int { return int(h.depth) }

// Lock locks once more, and waits as long as it takes if h does not hold the
// lock. If the error is not nil, h holds what it held before: ErrOwnerDied,
// ErrNotRecoverable, ErrOverflow (held 1<<32-1 times), or a failure of the
// system.
func (h *Holder) Lock() error {
	if h.depth > 0 {
		return h.lockAgain()
	}
	return h.locked(h.m.Lock())
}

// LockContext is Lock that gives up with the context's error when ctx ends.
func (h *Holder) LockContext(ctx context.Context) error {
	if h.depth > 0 {
		return h.lockAgain()
	}
	return h.locked(h.m.LockContext(ctx))
}

// TryLock is Lock that does not wait: ErrLocked says that another holder, of
// this or of another process, has the lock.
func (h *Holder) TryLock() error {
	if h.depth > 0 {
		return h.lockAgain()
	}
	return h.locked(h.m.TryLock())
}

// LockRepair locks like LockContext, and takes over from a dead owner as
// Mutex.LockRepair does. While repair runs, h holds the lock once: repair may
// lock it again, and must have unlocked it as often when it returns. If repair
// fails or panics, h does not hold the lock.
func (h *Holder) LockRepair(ctx context.Context, repair func() error) error {
	if h.depth > 0 {
		return h.lockAgain()
	}
	return h.locked(h.m.LockRepair(ctx, func() error {
		defer func() { h.depth = 0 }()
		h.setDepth(1)
		err := repair()
		if h.depth != 1 {
			panic("semaphore: a repair has locked or unlocked once too often")
		}
		return err
	}))
}

// Unlock takes back one Lock; the last one unlocks. It panics if h does not hold
// the lock.
func (h *Holder) Unlock() {
	switch h.depth {
	case 0:
		panic("semaphore: unlock of a recursive mutex that this holder does not hold")
	case 1:
		h.unlockAll()
	default:
		h.setDepth(h.depth - 1)
	}
}

// unlockAll unlocks whatever the depth. It says whether this process held the
// lock as far as the lock knows; garbage may deny it.
func (h *Holder) unlockAll() bool {
	h.setDepth(0)
	return h.m.cell.Release()
}

// locked ends an attempt at the first level.
func (h *Holder) locked(err error) error {
	if err == nil {
		h.setDepth(1)
	}
	return err
}

func (h *Holder) lockAgain() error {
	if h.depth == maxDepth {
		return fmt.Errorf("lock a recursive mutex: %w", ErrOverflow)
	}
	h.setDepth(h.depth + 1)
	return nil
}

// setDepth is called with the lock held.
func (h *Holder) setDepth(n uint32) {
	crashpoint.Hit("recursive.counting")
	h.depth = n
	h.m.cell.Count.StoreRelaxed(n)
	crashpoint.Hit("recursive.counted")
}
