package semaphore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/mem"
	"github.com/shmkit/shmkit/internal/robust"
)

// acquire is Acquire where the first attempt ended with err.
func (p *Permits) acquire(ctx context.Context, k int, err error) error {
	for errors.Is(err, errDying) {
		if err := p.awaitSeat(ctx); err != nil {
			return fmt.Errorf("acquire %d permits: %w", k, err)
		}
		err = p.take(k)
	}
	if !errors.Is(err, ErrNoPermits) {
		return err
	}
	l, err := p.local()
	if err != nil {
		return fmt.Errorf("acquire %d permits: %w", k, err)
	}
	l.want(k) // from now on it does not leave
	l.mu.Unlock()
	defer l.unwant(k)
	return l.wait(ctx, k)
}

// awaitSeat waits until one of the dead processes that still have a seat has
// quite ended.
func (p *Permits) awaitSeat(ctx context.Context) error {
	t := p.table()
	for i := range t.count() {
		if t.dead(i) {
			return t.cell(i).AwaitGone(ctx, nil)
		}
	}
	return nil
}

// wait takes k permits.
//
// All who sleep, sleep on the bell. Whoever is about to sets its sleepers bit and
// then looks whether there are enough by now; whoever gives some back looks at
// the bit after that, and if it is set, changes the bell and wakes all. So while
// nobody dies no call is lost. One that got lost with a process that was killed
// or stopped, and permits of the dead, are found by the looks: a process asks
// for all who sleep in it, and the one that is roused changes the bell, so that
// the others see it too, whose permits it may be.
func (l *permitsLocal) wait(ctx context.Context, k int) error {
	p, bell := l.p, &l.p.m.bell
	rounds := l.spin.Rounds()
	err := ErrNoPermits
	for ; errors.Is(err, ErrNoPermits); err = p.take(k) {
		if n, err := p.recoverDead(false); err != nil {
			return fmt.Errorf("acquire %d permits: %w", k, err)
		} else if n > 0 {
			continue
		}
		if rounds > 0 {
			if rounds = p.spinFor(k, rounds); rounds > 0 {
				l.spin.Won()
			}
			continue
		}
		if err = ctx.Err(); err != nil {
			return err
		}
		b := bell.Load()
		if b&permitsSleepers == 0 && !bell.CompareAndSwap(b, b|permitsSleepers) {
			continue
		}
		b |= permitsSleepers
		crashpoint.Hit("permits.announced")
		if p.free() >= uint32(k) {
			continue
		}
		began := time.Now()
		err = futex.Sleep(ctx, bell, b, l.worthTrying)
		l.spin.Slept(time.Since(began))
		crashpoint.Hit("permits.woken")
		if errors.Is(err, futex.ErrFault) {
			return fmt.Errorf("acquire %d permits: %w", k, err)
		}
		if err != nil {
			return err
		}
		if bell.Load() == b {
			p.ring()
		}
		rounds = l.spin.Again()
	}
	return err
}

// free returns how many permits there are for whoever comes first.
func (p *Permits) free() uint32 { return permitsState(p.m.state.Load()).free() }

// spinFor reads until k permits are free, for at most so many rounds, and
// returns how many are left. It reads less and less often, like Mutex.spin.
func (p *Permits) spinFor(k int, rounds uint32) uint32 {
	for n := uint32(1); rounds > 0; rounds -= min(rounds, n) {
		mem.Pause(n)
		n = min(2*n, 32)
		if p.free() >= uint32(k) {
			return rounds
		}
	}
	return 0
}

// worthTrying says whether somebody of this process should stop sleeping. The
// look asks it.
func (l *permitsLocal) worthTrying() bool {
	p := l.p
	if p.free() >= l.least.Load() || p.m.total.Load() == 0 {
		return true
	}
	for i := range p.table().count() {
		if p.recoverable(i) {
			return true
		}
	}
	return false
}

// worthAsking says, of every so many failed attempts of this process, that this
// one should find out which holders still exist, in case the kernel's mark got
// lost: nobody looks after one who never sleeps.
func (p *Permits) worthAsking() bool {
	l := robust.LocalOf[permitsLocal](&p.m.anchor)
	if l == nil {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failed++
	return l.failed%triesPerCheck == 0
}
