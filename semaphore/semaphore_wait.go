package semaphore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/mem"
)

// acquire is Acquire where a first glance did not do.
func (s *Semaphore) acquire(ctx context.Context, n int) error {
	err := s.TryAcquire(n)
	if !errors.Is(err, ErrNoPermits) {
		return err
	}
	if n > 1 {
		return s.queue(ctx, n)
	}
	return s.wait(ctx, 1)
}

// wait takes n permits, as glibc's __new_sem_wait_slow64 takes one. Whoever wants
// more than one has the turn.
//
// Each step is one atomic change of data:
//
//	announce  waiters += 1             death after it, asleep or not: a needless wake
//	                                   a Release
//	take      value -= n, waiters -= 1
//	give up   waiters -= 1
//	release   value += n, then wakes n sleepers if waiters was not 0
//
// A Release that changes data after an announcement sees it; one that changes
// data before has changed the value, and the kernel compares that with the one
// that the sleeper has seen. So a wake follows each change that a sleeper has
// not seen. It is not lost while nobody dies:
//
//   - whoever is woken and wants one permit takes it, or finds none: then nobody
//     can go on, and a later Release wakes again;
//   - whoever is woken and finds some permits but too few passes the wake on
//     before it sleeps again, since it may have been meant for one who wants
//     one. Only the holder of the turn does that: two of them would wake each
//     other for ever;
//   - whoever is woken and gives up passes the wake on if there is a permit.
//
// A wake dies with a Release that is killed or stopped before it, and with one
// who was woken. Then the value is not what the other sleepers have seen, and
// their looks find that.
func (s *Semaphore) wait(ctx context.Context, n uint32) error {
	data := &s.sem.data
	spin := s.spinner()
	rounds := spin.Rounds()
	announced, slept := uint64(0), false
	for {
		d := data.Load()
		have := uint32(d)
		if have > semMax {
			if announced != 0 {
				s.giveUp()
			}
			return fmt.Errorf("acquire: %w: semaphore of %d permits", ErrCorrupt, have)
		}
		if have >= n {
			if data.CompareAndSwap(d, d-uint64(n)-min(announced, d&^(semWaiter-1))) {
				crashpoint.Hit("semaphore.taken")
				return nil
			}
			continue
		}
		if rounds > 0 {
			if rounds = s.spin(rounds, n); rounds > 0 {
				spin.Won()
			}
			continue
		}
		if err := ctx.Err(); err != nil {
			if announced != 0 {
				s.giveUp()
			}
			return err
		}
		if announced == 0 {
			data.Add(semWaiter)
			crashpoint.Hit("semaphore.announced")
			announced = semWaiter
			continue
		}
		if slept && have > 0 && d>>semHalfBits > 1 {
			futex.Wake(s.value(), 1)
			crashpoint.Hit("semaphore.passed")
		}
		began := time.Now()
		err := futex.Sleep(ctx, s.value(), have, s.gone)
		spin.Slept(time.Since(began))
		crashpoint.Hit("semaphore.woken")
		slept = true
		if errors.Is(err, futex.ErrFault) {
			return fmt.Errorf("acquire: %w", err)
		}
		if err != nil {
			s.giveUp()
			return err
		}
		if s.gone() {
			return fmt.Errorf("acquire: %w", ErrNotInitialized)
		}
		rounds = spin.Again()
	}
}

// gone says whether s is no semaphore any more: its memory was closed, or
// somebody has overwritten it.
func (s *Semaphore) gone() bool { return s.sem.private.Load() != semShared }

// spin reads the value until there are n permits, for at most so many rounds,
// and returns how many are left. It reads less and less often, like Mutex.spin.
func (s *Semaphore) spin(rounds, n uint32) uint32 {
	for k := uint32(1); rounds > 0; rounds -= min(rounds, k) {
		mem.Pause(k)
		k = min(2*k, 32)
		if s.value().Load() >= n {
			return rounds
		}
	}
	return 0
}

// giveUp takes back the announcement of one who has waited in vain, and passes
// on the wake that it may have consumed.
func (s *Semaphore) giveUp() {
	for {
		d := s.sem.data.Load()
		if d < semWaiter {
			return // somebody has called Init, or overwritten the count
		}
		if s.sem.data.CompareAndSwap(d, d-semWaiter) {
			crashpoint.Hit("semaphore.gaveup")
			if uint32(d) > 0 && d>>semHalfBits > 1 {
				futex.Wake(s.value(), 1)
			}
			return
		}
	}
}
