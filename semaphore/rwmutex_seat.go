package semaphore

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/mem"
	"github.com/shmkit/shmkit/internal/robust"
)

// rwLocal is what this process keeps to itself about an RWMutex: its seat. It
// lives for one tenancy. Nobody writes it while readers come and go, and it has
// its lines to itself.
type rwLocal struct {
	_ [mem.Line]byte

	word atomic.Pointer[mem.Uint64] // of the seat; nil: none yet, or none any more
	tag  rwWord                     // the tenancy, in its place; set before word
	at   *rwSeat

	turn     chan struct{} // whose turn it is to take the seat, or to leave
	left     atomic.Bool   // this tenancy is over, or about to be
	watching atomic.Bool   // one goroutine sleeps on the gate too

	_ [mem.Line]byte
}

// join returns this process's Local, with a seat. noWait: it does not wait.
func (rw *RWMutex) join(ctx context.Context) (*rwLocal, error) {
	if !rw.aligned() {
		return nil, fmt.Errorf("lock an RWMutex at %p for reading: %w", rw, ErrInvalid)
	}
	for {
		l := robust.LocalOf[rwLocal](&rw.local)
		if l == nil || l.left.Load() {
			// If Leave is under way, this waits for its end.
			var err error
			if l, err = robust.SetLocal(&rw.local, &rwLocal{turn: make(chan struct{}, 1)}); err != nil {
				return nil, fmt.Errorf("lock for reading: %w", err)
			}
		}
		if l.word.Load() != nil {
			return l, nil
		}
		if err := l.take(ctx); err != nil {
			return nil, err
		}
		var err error
		if !l.left.Load() && l.word.Load() == nil {
			err = rw.sit(ctx, l)
		}
		<-l.turn
		if err != nil {
			return nil, fmt.Errorf("lock for reading: %w", err)
		}
	}
}

// take waits for its turn.
func (l *rwLocal) take(ctx context.Context) error {
	select {
	case l.turn <- struct{}{}:
		return nil
	default:
	}
	select {
	case l.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// sit takes a seat and begins a tenancy.
//
// A writer holds the gate before it reads how many seats there are; here the
// seat is counted before the gate is read. So either the writer closes the seat
// or it is closed here. Closing it in vain does no harm: see heal.
func (rw *RWMutex) sit(ctx context.Context, l *rwLocal) error {
	s := seats{n: rwSeats, used: &rw.used,
		cell: func(i int) *robust.Cell { return &rw.seat(i).cell },
		tidy: func(i int) error { rw.seat(i).tidy(); return nil },
	}
	i, err := s.take(ctx)
	if err != nil {
		return err
	}
	var closed rwWord
	if robust.StateOf(rw.gate.Word.Load()) != robust.Vacant {
		closed = rwClosed
	}
	crashpoint.Hit("rwmutex.seated")
	l.at = rw.seat(i)
	for {
		w := rwWord(l.at.word.Load())
		next := w.vacated() | closed // whatever a dead one has left in the counts
		if l.at.word.CompareAndSwap(uint64(w), uint64(next)) {
			l.tag = next & rwTags
			break
		}
	}
	crashpoint.Hit("rwmutex.joined")
	l.word.Store(&l.at.word)
	return nil
}

// tidy clears the counts of a dead tenant. It says whether the seat was, or is
// now, without.
func (s *rwSeat) tidy() bool {
	w := rwWord(s.word.Load()) // before the cell is read: the next tenant changes it
	if w&rwCounts == 0 {
		return true
	}
	switch robust.StateOf(s.cell.Word.Load()) {
	case robust.Present:
		return false
	case robust.Dead:
		if !s.cell.Gone() {
			return false
		}
	}
	return s.word.CompareAndSwap(uint64(w), uint64(w&^rwCounts))
}

// Leave gives the seat back.
func (l *rwLocal) Leave() error {
	select {
	case l.turn <- struct{}{}:
	default:
		return ErrBusy // somebody is about to come
	}
	defer func() { <-l.turn }() // after a fault too: the end of a file may be gone
	l.left.Store(true)          // before the tag changes: see read
	if err := l.vacate(); err != nil {
		l.left.Store(false)
		return err
	}
	return nil
}

func (l *rwLocal) vacate() error {
	if l.word.Load() == nil {
		return nil
	}
	for {
		w := rwWord(l.at.word.Load())
		if w&rwTags != l.tag {
			break // overwritten
		}
		if w&rwCounts != 0 {
			return ErrBusy
		}
		if l.at.word.CompareAndSwap(uint64(w), uint64(w.vacated())) {
			break
		}
	}
	crashpoint.Hit("rwmutex.vacated")
	l.at.cell.Release()
	l.word.Store(nil)
	return nil
}

// drained tells a writer that waits for this process's readers.
func (l *rwLocal) drained() {
	if w := &l.at.cell.Word; w.Load()&robust.Waiters != 0 {
		_ = futex.WakeBit(w) // a fault means that the memory is gone, and the writer with it
		crashpoint.Hit("rwmutex.told")
	}
}
