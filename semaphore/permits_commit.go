package semaphore

import (
	"fmt"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/robust"
)

// An operation of the holder of seat s goes
//
//	write     s.intent := how many more, next tag   only the holder does that
//	commit    state := free ∓ k, s, next tag        one CAS; before it nothing has
//	                                                happened, after it all has
//	complete  s.word := held ± k, next tag          one CAS, by anybody
//
// and a recovery of what a dead holder had, by anybody, goes
//
//	commit    state := free + held, s, recovery, next tag
//	complete  s.word := 0, next tag
//
// Whoever wants to commit completes first what state names. So at most one
// operation is committed and not completed, and the words of all other seats are
// as they will stay until the next commit. Recoveries write no intent: the one of
// a recoverer who was stopped and goes on would overwrite that of a new holder.
//
// Free permits and those in the words are the total whenever all is completed.
// A process that is killed or stopped has committed or it has not, and nobody
// waits for it in between.
//
// One double fault has to wait: if a process is stopped just before it takes a dead
// one's seat over, and another one takes it meanwhile, acquires, and dies as well,
// then the first one has the seat of the second when it goes on. What is there it
// recovers before it does anything else; but should it be stopped again before
// that, those permits come back when it goes on or dies.
//
// Tags keep an old CAS from succeeding: one that was prepared exactly 2³¹
// operations of the seat ago, while its maker was stopped, would have to find the
// same number of permits.

// settled completes the last committed operation and returns the state, of which
// all is completed, and how many permits there are in all. ErrCorrupt,
// ErrNotInitialized: p does not hold what operations leave.
func (p *Permits) settled() (g permitsState, total uint32, err error) {
	for {
		g, total = permitsState(p.m.state.Load()), p.m.total.Load()
		if total == 0 {
			return 0, 0, ErrNotInitialized
		}
		if total > permitsMax || g.free() > total || g.seat() >= permitsSeats {
			return 0, 0, fmt.Errorf("%w: %d of %d permits free, operation of seat %d", ErrCorrupt, g.free(), total, g.seat())
		}
		s := &p.m.seats[g.seat()]
		w := permitsWord(s.word.Load())
		if w.tag() == g.tag() {
			return g, total, nil
		}
		held, known := uint32(0), false
		if w.next() == g.tag() {
			if g.recovery() {
				known = true
			} else if in := permitsIntent(s.intent.Load()); in.tag() == g.tag() {
				more := int64(w.held()) + int64(in.more())
				held, known = uint32(more), more >= 0 && more <= int64(total)
			}
		}
		switch same := permitsWord(s.word.Load()) == w && permitsState(p.m.state.Load()) == g; {
		case same && known:
			if s.word.CompareAndSwap(uint64(w), uint64(newPermitsWord(held, g.tag()))) {
				crashpoint.Hit("permits.helped")
				return g, total, nil
			}
		case same: // g was committed and not completed all the while
			return 0, 0, fmt.Errorf("%w: operation %d of seat %d after its operation %d", ErrCorrupt, g.tag(), g.seat(), w.tag())
		}
	}
}

// commit makes this process, which has seat i, have so many permits more, or
// less. Nobody else of the process may be about to. ErrNoPermits: there are not
// enough; ErrInvalid: there never are; ErrNotHeld: the process has fewer.
func (p *Permits) commit(i int, more int32) error {
	s := &p.m.seats[i]
	if !s.cell.Mine() {
		return fmt.Errorf("%w: seat %d is not this process's any more", ErrCorrupt, i)
	}
	for {
		g, total, err := p.settled()
		if err != nil {
			return err
		}
		w := permitsWord(s.word.Load())
		free, held := int64(g.free())-int64(more), int64(w.held())+int64(more)
		switch {
		case int64(more) > int64(total):
			return ErrInvalid
		case free < 0:
			return ErrNoPermits
		case held < 0:
			return fmt.Errorf("%w: process has %d permits", ErrNotHeld, w.held())
		case free+held > int64(total):
			return fmt.Errorf("%w: %d permits free, and %d held, of %d", ErrCorrupt, g.free(), w.held(), total)
		}
		s.intent.StoreRelease(uint64(newPermitsIntent(more, w.next())))
		crashpoint.Hit("permits.intended")
		// release, acquire: permits
		if !p.m.state.CompareAndSwap(uint64(g), uint64(newPermitsState(uint32(free), i, false, w.next()))) {
			continue
		}
		crashpoint.Hit("permits.committed")
		s.word.CompareAndSwap(uint64(w), uint64(newPermitsWord(uint32(held), w.next()))) // or somebody helped
		crashpoint.Hit("permits.completed")
		if more < 0 {
			p.ring()
		}
		return nil
	}
}

// ring calls all who sleep. Whoever is killed on the way leaves a changed bell or
// permits that are free, and the looks of those who sleep find both.
func (p *Permits) ring() {
	if p.m.bell.Load()&permitsSleepers == 0 {
		return
	}
	p.m.bell.Add(1)
	crashpoint.Hit("permits.rung")
	_ = futex.WakeBit(&p.m.bell) // a fault means that the memory is gone, and its sleepers with it
	crashpoint.Hit("permits.called")
}

// recoverSeat gives everybody the permits of seat i, unless its holder may still
// live. mine: this process has the seat, and has not begun to use it. It says
// whether there were any.
//
// The order matters. If the commit succeeds, nothing was committed since g was
// read; so the seat had permits all along, and nobody has taken it over between
// the moment when its holder was gone and the commit, since whoever takes a seat
// over begins with this.
func (p *Permits) recoverSeat(i int, mine bool) (bool, error) {
	s := &p.m.seats[i]
	for {
		g, total, err := p.settled()
		if err != nil {
			return false, err
		}
		w := permitsWord(s.word.Load())
		if w.held() == 0 || !mine && !p.deserted(i) {
			return false, nil
		}
		free := g.free() + w.held()
		if free > total {
			if permitsState(p.m.state.Load()) != g {
				continue
			}
			return false, fmt.Errorf("%w: %d permits free, and %d of a dead process, of %d", ErrCorrupt, g.free(), w.held(), total)
		}
		crashpoint.Hit("permits.recovering")
		// release: permits
		if !p.m.state.CompareAndSwap(uint64(g), uint64(newPermitsState(free, i, true, w.next()))) {
			continue
		}
		crashpoint.Hit("permits.recovered")
		s.word.CompareAndSwap(uint64(w), uint64(newPermitsWord(0, w.next()))) // or somebody helped
		crashpoint.Hit("permits.emptied")
		p.ring()
		return true, nil
	}
}

// deserted says whether the holder of seat i is dead and cannot store any more.
// The mark is read again after the ident, which must be that dead one's.
func (p *Permits) deserted(i int) bool {
	t := p.table()
	return t.dead(i) && t.cell(i).Gone() && t.dead(i)
}

// recoverDead recovers what dead processes had, once all is settled, and says
// how many had something. With ask it does not rely on the kernel's marks.
func (p *Permits) recoverDead(ask bool) (n int, err error) {
	for i := range p.table().count() {
		s := &p.m.seats[i]
		if permitsWord(s.word.Load()).held() == 0 || ask && !s.cell.CheckOwner() || !p.deserted(i) {
			continue
		}
		found, err := p.recoverSeat(i, false)
		if err != nil {
			return n, err
		}
		if found {
			n++
		}
	}
	return n, nil
}

// recoverable says whether there is something to recover or to complete that
// nobody alive may be about to.
func (p *Permits) recoverable(i int) bool {
	s, g := &p.m.seats[i], permitsState(p.m.state.Load())
	w := permitsWord(s.word.Load())
	if w.held() == 0 && (g.seat() != i || g.tag() == w.tag()) {
		return false
	}
	return s.cell.CheckOwner() && p.deserted(i)
}

// table is where processes sit.
func (p *Permits) table() seats {
	return seats{
		n:    permitsSeats,
		used: &p.m.used,
		cell: func(i int) *robust.Cell { return &p.m.seats[i].cell },
		tidy: func(i int) error {
			_, err := p.recoverSeat(i, false)
			return err
		},
	}
}
