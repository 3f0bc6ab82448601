package semaphore

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/mem"
	"github.com/shmkit/shmkit/internal/robust"
)

// A Mutex is a mutual exclusion lock between processes, and between the
// goroutines of each. It is owned by a process: any goroutine of the process
// that locked it may unlock it. When the owner is killed, the kernel marks the
// mutex, and everybody gets ErrOwnerDied until one of them has repaired what
// it protects with LockRepair.
//
// A Mutex occupies 48 bytes and must be aligned to 8. The zero value is an
// unlocked mutex. The first 40 bytes are glibc's robust process-shared
// pthread_mutex_t on 64-bit systems (nptl/pthread_mutex_lock.c), so C and C++
// programs can share it; for them Init must have been called, as package shm
// does for every Mutex that it places. A Mutex must not be copied.
//
// The n'th call to Unlock synchronizes before the m'th successful call to
// Lock, for any n < m, in whatever processes they are made.
//
// It is not fair: who comes while it is free may overtake who was woken.
//
// The Lock of Python's multiprocessing, which anybody may release, is a
// Semaphore with a maximum of 1. Its with statement is Lock and a deferred
// Unlock here, and its repr is String, with the owner's pid.
type Mutex struct {
	cell robust.Cell
}

// Init makes m an unlocked mutex that C programs can use. Nobody else may use
// m meanwhile.
func (m *Mutex) Init() {
	m.cell.Word.Store(0)
	m.cell.Owner.Store(0)
	m.cell.Ident.Store(0)
	m.cell.Kind.Store(robust.KindRobustShared)
}

// Lock locks m and waits as long as it takes. If the error is not nil, m is
// not held: ErrOwnerDied, ErrNotRecoverable, ErrInvalid (not aligned), or a
// failure of the system.
func (m *Mutex) Lock() error {
	if m.cell.Take(0, 0) == nil {
		return m.locked()
	}
	return m.wait(context.Background())
}

// LockContext is Lock that gives up with the context's error when ctx ends.
func (m *Mutex) LockContext(ctx context.Context) error {
	if m.cell.Take(0, 0) == nil {
		return m.locked()
	}
	return m.wait(ctx)
}

// TryLock locks m if nobody holds it, without waiting. Otherwise it returns
// ErrLocked, ErrOwnerDied or ErrNotRecoverable, and m is not held.
func (m *Mutex) TryLock() error {
	checked := false
	for {
		w := m.cell.Word.Load()
		switch {
		case w&robust.OwnerDied != 0:
			return ErrOwnerDied
		case w&robust.TIDMask != 0:
			// Nobody looks after one who never sleeps.
			if checked || tries.Add(1)%triesPerCheck != 0 || !m.cell.CheckOwner() {
				return ErrLocked
			}
			checked = true
			continue
		}
		err := m.cell.Take(w, w&robust.Waiters)
		if err == nil {
			return m.locked()
		}
		if !errors.Is(err, robust.ErrHeld) {
			return fmt.Errorf("lock: %w", err)
		}
	}
}

// Every so many failed tries of a process ask whether the holder still exists,
// in case the kernel's mark got lost.
const triesPerCheck = 64

var tries atomic.Uint32

// LockRepair locks m like LockContext, and takes over from a dead owner: once
// no thread of the dead process can store any more, it runs repair, which
// must bring what m protects into a consistent state from whatever the dead
// one left. If repair succeeds, m is held and consistent. If it fails or
// panics, m is not held, everybody gets ErrOwnerDied again, and the error is
// repair's. If the owner did not die, repair is not called. ctx bounds the
// wait, not repair.
//
// A C owner's threads cannot be traced from a dead TID: from one of those m is
// taken over as soon as the kernel has marked it, as glibc does.
func (m *Mutex) LockRepair(ctx context.Context, repair func() error) error {
	return m.waitRepair(ctx, repair)
}

// Unlock unlocks m. It panics if this process does not hold m.
func (m *Mutex) Unlock() {
	if !m.cell.Release() {
		panic("semaphore: unlock of a mutex that this process does not hold")
	}
}

// Owner returns the process that holds m. It is for tools: the answer may be
// out of date when it arrives. pid is 0 if the holder cannot be found.
func (m *Mutex) Owner() (pid int, held bool) { return m.cell.OwnerPID() }

// String says whether m is held, and by whom.
func (m *Mutex) String() string {
	w := m.cell.Word.Load()
	switch pid, held := m.Owner(); {
	case w&robust.OwnerDied != 0:
		return "Mutex(owner died)"
	case held:
		return fmt.Sprintf("Mutex(held by pid %d)", pid)
	case m.cell.Owner.Load() == robust.OwnerNotRecoverable:
		return "Mutex(not recoverable)"
	}
	return "Mutex(free)"
}

// locked ends a successful take.
func (m *Mutex) locked() error {
	if m.cell.Owner.Load() == robust.OwnerNotRecoverable {
		m.cell.Release()
		return ErrNotRecoverable
	}
	return nil
}

// wait locks m.
//
// The word goes 0 → TID → 0 as long as nobody waits. A waiter sets Waiters
// and sleeps while the word stays; Unlock then frees it and wakes one sleeper
// in one system call. Whoever was woken takes the word with Waiters set, since
// others may still sleep, and one who gives up leaves Waiters set or passes
// the wake on. A sleeper that is killed with the wake in its hands leaves the
// word changed, and the looks of the others find that.
func (m *Mutex) wait(ctx context.Context) error {
	c := &m.cell
	slept, bits := false, uint32(0)
	var spin *futex.Spinner
	for rounds := uint32(0); ; {
		w := c.Word.Load()
		if w&robust.OwnerDied != 0 {
			if slept {
				futex.WakeAll(&c.Word) // the kernel woke one of us; all must know
			}
			return ErrOwnerDied
		}
		if w&robust.TIDMask == 0 {
			err := c.Take(w, w&robust.Waiters|bits)
			if err == nil {
				crashpoint.Hit("mutex.taken")
				return m.locked()
			}
			if !errors.Is(err, robust.ErrHeld) {
				return fmt.Errorf("lock: %w", err)
			}
			continue
		}
		if spin == nil {
			spin = c.Spinner()
			rounds = spin.Rounds()
		}
		if rounds > 0 {
			if rounds = m.spin(rounds); rounds > 0 {
				spin.Won()
			}
			continue
		}
		if err := ctx.Err(); err != nil {
			if slept {
				m.giveUp()
			}
			return err
		}
		if w&robust.Waiters == 0 && !c.Word.CompareAndSwap(w, w|robust.Waiters) {
			continue
		}
		crashpoint.Hit("mutex.announced")
		slept, bits = true, robust.Waiters
		began := time.Now()
		err := futex.Sleep(ctx, &c.Word, w|robust.Waiters, c.CheckOwner)
		spin.Slept(time.Since(began))
		crashpoint.Hit("mutex.woken")
		if errors.Is(err, futex.ErrFault) {
			return fmt.Errorf("lock: %w", err)
		}
		if err != nil {
			m.giveUp()
			return err
		}
		rounds = spin.Again()
	}
}

// spin reads the word until it is free, for at most n rounds, and returns how
// many are left. It reads less and less often: each read takes the line away
// from the holder, who wants to write it (Anderson 1990, exponential backoff).
func (m *Mutex) spin(n uint32) uint32 {
	for k := uint32(1); n > 0; n -= min(n, k) {
		mem.Pause(k)
		k = min(2*k, 32)
		if w := m.cell.Word.Load(); w&robust.TIDMask == 0 || w&robust.OwnerDied != 0 {
			return n
		}
	}
	return 0
}

// giveUp is called by a waiter that has slept and will not take the mutex: it
// may have consumed the wake that was meant for another.
func (m *Mutex) giveUp() {
	for {
		w := m.cell.Word.Load()
		switch {
		case w&robust.TIDMask == 0 || w&robust.OwnerDied != 0:
			futex.Wake(&m.cell.Word, 1)
			return
		case w&robust.Waiters != 0 || m.cell.Word.CompareAndSwap(w, w|robust.Waiters):
			return
		}
	}
}
