package semaphore

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/shmkit/shmkit/internal/robust"
)

// Permits is a counting semaphore that knows who has its permits: each belongs
// to the process that acquired it, and any goroutine of that process may
// release it. When a process dies, however it dies, its permits come back,
// exactly once, and those who wait for them go on: within about 50 ms after the
// last of its threads has ended, with nobody else doing anything. A process
// that is stopped keeps its permits and blocks nobody otherwise, in the middle
// of whatever it was stopped.
//
// Permits occupies 8320 bytes and must be aligned to 8. It must not be copied,
// and nobody may use it before Init has returned: until then calls give
// ErrNotInitialized. The memory must be writable; in a read-only mapping only
// Total and String work, and the other calls fault.
//
// At most 64 processes at a time can have permits, or have had some: a process
// gives up its place with Forget, or when the memory is closed, or when it
// dies. Forget gives ErrBusy while the process has permits or waits for some.
// Memory that a process maps twice is that of two holders.
//
// A call to Release, and the death of a holder, synchronizes before every
// successful Acquire and TryAcquire that comes after it in the order in which
// they change p.
//
// It is not fair: who comes while there are permits may overtake those who
// wait, and who wants many may starve while others take few.
//
// Python has nothing like it: the permits of a process that is killed are lost
// with every sem_t, and so with Semaphore.
//
// # Algorithm
//
// An operation is written down in the holder's own seat and then committed by
// one CAS of a word that names the seat. Whoever comes next completes it if
// need be, as in the lock-free objects of Barnes ("A Method for Implementing
// Lock-Free Shared Data Structures", SPAA 1993). Recovery is such an operation
// too, so a permit comes back once however many processes recover, and wherever
// they are killed.
type Permits struct{ m permitsLayout }

// PermitHolder is a process and how many permits it has.
type PermitHolder struct {
	PID     int // 0 if it is not known, as of a process that has not quite ended
	Permits int
}

// Init makes p have n permits, all of them free. The error wraps ErrInvalid, and
// nothing has changed, if n is less than 1 or more than 16777215. Nobody else may
// use p meanwhile, nor as it was before.
func (p *Permits) Init(n int) error {
	switch {
	case !p.aligned():
		return fmt.Errorf("init permits: %w: address is not a multiple of 8", ErrInvalid)
	case n < 1 || n > permitsMax:
		return fmt.Errorf("init permits: %w: %d permits", ErrInvalid, n)
	}
	if l := robust.LocalOf[permitsLocal](&p.m.anchor); l != nil {
		l.standUp()
	}
	p.m.total.Store(0)
	for i := range p.m.seats {
		s := &p.m.seats[i]
		s.cell.Word.Store(0)
		s.cell.Owner.Store(0)
		s.cell.Ident.Store(0)
		s.word.Store(0)
		s.intent.Store(0)
	}
	p.m.used.Store(0)
	p.m.bell.Store(0)
	p.m.state.Store(uint64(newPermitsState(uint32(n), 0, false, 0)))
	p.m.total.Store(uint32(n)) // last: who looks too early gets ErrNotInitialized
	return nil
}

// Acquire takes k permits for this process, all at once, and waits until so many
// are free. When they are, it takes them even if ctx has ended. Otherwise it
// returns ctx's error when that ends; an error that wraps ErrInvalid if k is
// less than 1 or more than there can ever be; ErrNotInitialized;
// ErrTooManyProcesses; ErrCorrupt; ErrClosed; or a failure of the system. After an
// error it has taken nothing.
func (p *Permits) Acquire(ctx context.Context, k int) error {
	err := p.take(k)
	if err == nil {
		return nil
	}
	return p.acquire(ctx, k, err)
}

// TryAcquire takes k permits for this process if so many are free, without
// waiting. Otherwise it returns ErrNoPermits, or an error as Acquire does, and
// has taken nothing.
func (p *Permits) TryAcquire(k int) error {
	for {
		err := p.take(k)
		switch {
		case errors.Is(err, errDying):
			return fmt.Errorf("acquire %d permits: %w", k, ErrTooManyProcesses)
		case !errors.Is(err, ErrNoPermits):
			return err
		}
		switch n, err := p.recoverDead(p.worthAsking()); {
		case err != nil:
			return fmt.Errorf("acquire %d permits: %w", k, err)
		case n == 0:
			return ErrNoPermits
		}
	}
}

// Release gives k of this process's permits back, and calls those who wait. It
// returns an error that wraps ErrNotHeld if the process has fewer, one that wraps
// ErrInvalid if k is less than 1, ErrNotInitialized or ErrCorrupt, and has changed
// nothing then. It never waits.
func (p *Permits) Release(k int) error { return p.give(k) }

// Available returns how many permits are free, those of the dead included. It
// asks the system whether the holders of the others still live; the answer may
// be out of date when it arrives. It is 0 before Init, and of memory in which
// lies something else.
func (p *Permits) Available() int {
	s, err := p.recovered()
	if err != nil {
		return 0
	}
	return int(s.free())
}

// Total returns how many permits there are, free or not. It is 0 before Init.
func (p *Permits) Total() int { return int(p.m.total.Load()) }

// Holders returns the living processes that have permits, in no particular
// order. It is for tools: the answer may be out of date when it arrives, and
// may show an operation that was under way in part.
func (p *Permits) Holders() []PermitHolder {
	if _, err := p.recovered(); err != nil {
		return nil
	}
	return p.holders()
}

// recovered returns the state when what dead processes had has been recovered.
func (p *Permits) recovered() (permitsState, error) {
	_, _, err := p.settled()
	if err == nil {
		_, err = p.recoverDead(true)
	}
	if err != nil {
		return 0, err
	}
	s, _, err := p.settled()
	return s, err
}

func (p *Permits) holders() (hs []PermitHolder) {
	for i := range p.table().count() {
		s := &p.m.seats[i]
		if n := permitsWord(s.word.Load()).held(); n != 0 {
			pid, _ := s.cell.OwnerPID()
			hs = append(hs, PermitHolder{pid, int(n)})
		}
	}
	return hs
}

// String says how many permits are free, and which processes have the others.
func (p *Permits) String() string {
	free, total := permitsState(p.m.state.Load()).free(), p.m.total.Load()
	switch {
	case total == 0:
		return "Permits(not initialized)"
	case total > permitsMax || free > total:
		return "Permits(corrupt)"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Permits(%d of %d free", free, total)
	for _, h := range p.holders() {
		fmt.Fprintf(&b, ", %d held by pid %d", h.Permits, h.PID)
	}
	b.WriteByte(')')
	return b.String()
}
