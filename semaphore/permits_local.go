package semaphore

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/robust"
)

// permitsLocal is what a process keeps to itself about a Permits.
type permitsLocal struct {
	p    *Permits
	spin futex.Spinner

	// least is the smallest number of permits that somebody here waits for; the
	// look reads it.
	least atomic.Uint32

	// mu lets one goroutine at a time use the seat. Nobody sleeps with it.
	mu     sync.Mutex
	seat   int   // -1: none yet
	left   bool  // whoever finds that takes the process's new permitsLocal
	wants  []int // what those who wait want, the smallest first
	failed int   // attempts
}

// local returns what this process has about p, with mu locked.
func (p *Permits) local() (*permitsLocal, error) {
	if l := robust.LocalOf[permitsLocal](&p.m.anchor); l != nil {
		l.mu.Lock()
		if !l.left {
			return l, nil
		}
		l.mu.Unlock()
	}
	return p.newLocal()
}

func (p *Permits) newLocal() (*permitsLocal, error) {
	if !p.aligned() {
		return nil, fmt.Errorf("%w: permits at an address that is not a multiple of 8", ErrInvalid)
	}
	for {
		l := &permitsLocal{p: p, seat: -1}
		l.least.Store(math.MaxUint32)
		l, err := robust.SetLocal(&p.m.anchor, l)
		if err != nil {
			return nil, err // ErrClosed
		}
		l.mu.Lock()
		if !l.left {
			return l, nil
		}
		l.mu.Unlock() // that one is about to go
	}
}

// take takes k permits if they are free.
func (p *Permits) take(k int) error {
	l, err := p.local()
	if err == nil {
		err = l.take(k)
	}
	if err != nil && err != ErrNoPermits {
		err = fmt.Errorf("acquire %d permits: %w", k, err)
	}
	return err
}

// take is Permits.take with mu locked, which it unlocks.
func (l *permitsLocal) take(k int) error {
	defer l.mu.Unlock()
	switch {
	case k < 1 || k > permitsMax:
		return l.p.refuse()
	case l.seat < 0:
		if err := l.sit(); err != nil {
			return err
		}
	}
	return l.p.commit(l.seat, int32(k))
}

// give gives k of this process's permits back.
func (p *Permits) give(k int) (err error) {
	if l := robust.LocalOf[permitsLocal](&p.m.anchor); l != nil {
		err = l.give(k)
	} else {
		err = p.nothing(k)
	}
	if err != nil {
		err = fmt.Errorf("release %d permits: %w", k, err)
	}
	return err
}

func (l *permitsLocal) give(k int) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if k < 1 || k > permitsMax || l.seat < 0 {
		return l.p.nothing(k)
	}
	return l.p.commit(l.seat, int32(-k))
}

// refuse returns why a number of permits that can never be is not there.
func (p *Permits) refuse() error {
	if p.m.total.Load() == 0 {
		return ErrNotInitialized
	}
	return ErrInvalid
}

// nothing returns why a process that has nothing cannot give k permits.
func (p *Permits) nothing(k int) error {
	if err := p.refuse(); err != ErrInvalid || k < 1 {
		return err
	}
	return ErrNotHeld
}

// sit takes a seat for this process. It does not wait. errDying: a process that
// has not quite ended has the last one.
func (l *permitsLocal) sit() error {
	if l.p.m.total.Load() == 0 {
		return ErrNotInitialized
	}
	i, err := l.p.table().take(ended())
	if errors.Is(err, context.Canceled) {
		return errDying
	}
	if err != nil {
		return err
	}
	// Others may have come and died before this process took the dead one's seat
	// over, and garbage may lie in a vacant one.
	if _, err := l.p.recoverSeat(i, true); err != nil {
		l.p.m.seats[i].cell.Release()
		return err
	}
	crashpoint.Hit("permits.seated")
	l.seat = i
	return nil
}

// ended is a context for those who must not wait.
var ended = sync.OnceValue(func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
})

// Leave implements robust.Local.
func (l *permitsLocal) Leave() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.wants) > 0 {
		return ErrBusy
	}
	if l.seat >= 0 {
		s := &l.p.m.seats[l.seat]
		if s.cell.Mine() && permitsWord(s.word.Load()).held() > 0 {
			return ErrBusy
		}
		crashpoint.Hit("permits.leaving")
		s.cell.Release()
	}
	l.seat, l.left = -1, true
	return nil
}

// standUp gives the seat back, whatever it says.
func (l *permitsLocal) standUp() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.seat >= 0 {
		l.p.m.seats[l.seat].cell.Release()
		l.seat = -1
	}
}

// want notes that somebody waits for k permits.
func (l *permitsLocal) want(k int) {
	i, _ := slices.BinarySearch(l.wants, k)
	l.wants = slices.Insert(l.wants, i, k)
	l.least.Store(uint32(l.wants[0]))
}

// unwant undoes want.
func (l *permitsLocal) unwant(k int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	i, _ := slices.BinarySearch(l.wants, k)
	l.wants = slices.Delete(l.wants, i, i+1)
	least := uint32(math.MaxUint32)
	if len(l.wants) > 0 {
		least = uint32(l.wants[0])
	}
	l.least.Store(least)
}
