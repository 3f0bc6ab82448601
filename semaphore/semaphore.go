package semaphore

import (
	"context"
	"fmt"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/futex"
)

// A Semaphore counts permits. Acquire takes some, and waits while there are too
// few; Release gives some back, or gives new ones. Nobody owns a permit: any
// goroutine of any process may release what another one has acquired. With a
// maximum of 1 it is the Lock of Python's multiprocessing, with another one the
// BoundedSemaphore, without one the Semaphore.
//
// The permits of a process that is killed stay lost, as with every sem_t.
// Permits gives them back, and a Mutex says that its owner died.
//
// A Semaphore occupies 32 bytes and must be aligned to 8. It must not be
// copied, and nobody may use it before Init has returned: until then calls
// give ErrNotInitialized. It is glibc's sem_t on 64-bit systems
// (nptl/sem_waitcommon.c and sem_post.c), with pshared set, so C, C++ and
// Python programs on glibc can share it; musl's layout is another one and is
// not supported. The maximum lies in bytes that glibc does not use: it binds
// Go programs only. The memory must be writable; in a read-only mapping only
// Value and String work, and the other calls fault.
//
// A call to Release synchronizes before every successful Acquire and TryAcquire
// that comes after it in the order in which they change s.
//
// It is not fair: who comes while there are permits may overtake who was woken,
// and who wants several may starve while others take single ones. Those who want
// several wait behind each other: what is too little for the first of them
// reaches another, for whom it is enough, by the look of that one's process alone,
// which lets one waiter try every 50 ms.
//
// # Death
//
// A process may be killed at any instruction. What it leaves is the permits
// that it had taken, and perhaps one waiter too many in the count: then each
// Release costs a needless system call until somebody calls Init. (The count
// cannot be mended: who has announced itself and not yet fallen asleep looks
// the same to the kernel as who is dead.) Waiters in Go look for themselves
// every 50 ms, so for them no wake is lost with a process that was killed or
// stopped between the change and the wake, or with the wake in its hands.
// Waiters in C do not look: they may then sleep until the next Release. A process
// that closes the memory while it waits leaves what a dead one does.
type Semaphore struct{ sem sem }

// Init makes s a semaphore with value permits of which there can never be more
// than max; a max of 0 is the largest that there is, 2147483647. The error wraps
// ErrInvalid, and nothing has changed, if value or max is negative or too
// large. Nobody else may use s meanwhile.
func (s *Semaphore) Init(value, max int) error {
	switch {
	case !s.aligned():
		return fmt.Errorf("init semaphore: %w: address is not a multiple of %d", ErrInvalid, semAligned)
	case max < 0 || max > semMax:
		return fmt.Errorf("init semaphore: %w: maximum %d", ErrInvalid, max)
	case value < 0 || value > semMax || max > 0 && value > max:
		return fmt.Errorf("init semaphore: %w: value %d", ErrInvalid, value)
	}
	s.sem.private.Store(0)
	s.sem.turn.Reset()
	s.sem.max.Store(uint32(max))
	s.sem.data.Store(uint64(value))
	s.sem.private.Store(semShared) // last: who looks too early gets ErrNotInitialized
	return nil
}

// Acquire takes n permits, all at once, and waits until there are so many. When
// there are, it takes them even if ctx has ended. Otherwise it returns ctx's
// error when that ends; ErrInvalid if n is less than 1 or more than the maximum;
// ErrNotInitialized; ErrCorrupt; or a failure of the system. After an error it
// has taken nothing.
func (s *Semaphore) Acquire(ctx context.Context, n int) error {
	// acquire: permit. Pairs with "release: permit".
	d := s.sem.data.Load()
	if n == 1 && int32(d) > 0 && s.sem.private.Load() == semShared && s.sem.data.CompareAndSwap(d, d-1) {
		crashpoint.Hit("semaphore.acquired")
		return nil
	}
	return s.acquire(ctx, n)
}

// TryAcquire takes n permits if there are so many, without waiting. Otherwise it
// returns ErrNoPermits, or an error as Acquire does, and has taken nothing.
func (s *Semaphore) TryAcquire(n int) error {
	for {
		d := s.sem.data.Load()
		enough := int32(d) > 0 && uint64(n)-1 < uint64(uint32(d)) // false for n < 1
		if !enough || s.sem.private.Load() != semShared {
			return s.refuse(n)
		}
		if s.sem.data.CompareAndSwap(d, d-uint64(n)) {
			crashpoint.Hit("semaphore.tried")
			return nil
		}
	}
}

// Release gives n permits back, or n new ones, and wakes those who wait for
// them. It returns ErrOverflow if there would be more than the maximum, an error
// that wraps ErrInvalid if n is less than 1, ErrNotInitialized or ErrCorrupt, and
// has changed nothing then.
func (s *Semaphore) Release(n int) error {
	for {
		d, most := s.sem.data.Load(), s.sem.max.Load()
		if most == 0 {
			most = semMax
		}
		have := uint32(d)
		if n < 1 || most > semMax || have > most || uint64(n) > uint64(most-have) || s.sem.private.Load() != semShared {
			return s.overflow(n)
		}
		// release: permit
		if s.sem.data.CompareAndSwap(d, d+uint64(n)) {
			crashpoint.Hit("semaphore.released")
			if d>>semHalfBits != 0 {
				futex.Wake(s.value(), n)
			}
			return nil
		}
	}
}

// Value returns how many permits there are. The answer may be out of date when
// it arrives.
func (s *Semaphore) Value() int { return int(s.value().Load()) }

// String says how many permits there are, how many there can be, and how many
// wait: goroutines, threads of C programs, and dead ones. A sem_t has no owner
// to tell.
func (s *Semaphore) String() string {
	d, most := s.sem.data.Load(), s.sem.max.Load()
	text := fmt.Sprintf("%d", uint32(d))
	switch {
	case s.sem.private.Load() != semShared:
		return "Semaphore(not initialized)"
	case uint32(d) > semMax || most > semMax:
		return "Semaphore(corrupt)"
	case most != 0:
		text += fmt.Sprintf(" of %d", most)
	}
	if waiting := d >> semHalfBits; waiting != 0 {
		text += fmt.Sprintf(", %d waiting", waiting)
	}
	return "Semaphore(" + text + ")"
}

// refuse returns why n permits cannot be had now.
func (s *Semaphore) refuse(n int) error {
	err := s.check()
	if most := s.most(); err == nil && (n < 1 || n > most) {
		err = fmt.Errorf("%w: %d permits of at most %d", ErrInvalid, n, most)
	}
	if err != nil {
		return fmt.Errorf("acquire: %w", err)
	}
	return ErrNoPermits
}

// overflow returns why n permits cannot be given now.
func (s *Semaphore) overflow(n int) error {
	err := s.check()
	if err == nil && n < 1 {
		err = fmt.Errorf("%w: %d permits", ErrInvalid, n)
	}
	if err != nil {
		return fmt.Errorf("release: %w", err)
	}
	return ErrOverflow
}

// check returns what is wrong with s.
func (s *Semaphore) check() error {
	switch have, most := s.Value(), s.most(); {
	case !s.aligned():
		return fmt.Errorf("%w: semaphore at an address that is not a multiple of %d", ErrInvalid, semAligned)
	case s.sem.private.Load() != semShared:
		return ErrNotInitialized
	case have > semMax || most > semMax:
		return fmt.Errorf("%w: semaphore of %d permits, at most %d", ErrCorrupt, have, most)
	}
	return nil
}

// most returns how many permits there can be.
func (s *Semaphore) most() int {
	if most := s.sem.max.Load(); most != 0 {
		return int(most)
	}
	return semMax
}
