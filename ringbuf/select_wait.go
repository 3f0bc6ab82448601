package ringbuf

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"time"

	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/mem"
)

// selection is a Select that has to wait.
type selection struct {
	cases    []Case
	ends     []*end
	sleepers []sleeper
	held     int // so many ends are kept from closing
	lying    int // so many have announced that they sleep
	words    []futex.Word
	guarded  bool
	shares   bool // there are ends that goroutines share
	bell     bell // of which they ring

	strategy Strategy       // Spin if all say so, Block if one does
	spin     *futex.Spinner // of one that spins
	rounds   uint32         // to spin before the next sleep
	checks   uint32
}

func newSelection(cases []Case) *selection {
	s := &selection{cases: slices.Clone(cases), strategy: Spin}
	for _, c := range cases {
		if c.on == nil {
			continue
		}
		e, sl := c.on.side(c.verb), c.on.sleeper(c)
		s.ends, s.sleepers = append(s.ends, e), append(s.sleepers, sl)
		s.guarded = s.guarded || e.guarded
		_, shared := sl.(*turnSleeper)
		s.shares = s.shares || shared
		switch {
		case e.strategy == Block:
			s.strategy = Block
		case e.strategy == Hybrid && s.strategy == Spin:
			s.strategy, s.spin = Hybrid, nil
		}
		if s.spin == nil {
			s.spin = sl.spinner()
		}
	}
	if s.spin == nil { // there is nothing to wait for
		s.strategy = Block
	}
	if s.strategy != Block {
		s.rounds = s.spin.Rounds()
	}
	return s
}

// wait waits until a case is ready, and performs it. All were tried and have parked.
func (s *selection) wait(ctx context.Context, start int) (int, error) {
	if len(s.ends) == 0 {
		<-ctx.Done()
		return -1, ctx.Err()
	}
	for {
		err := ctx.Err()
		lost := false
		if err == nil {
			err = s.rest(ctx)
			lost = errors.Is(err, futex.ErrFault) || errors.Is(err, ErrTruncated)
		}
		i := -1
		if err == nil || lost {
			var e error
			if i, e = tryCases(ctx, s.cases, start); i >= 0 || e != nil {
				err = e
			}
		}
		if i >= 0 || err != nil {
			for _, sl := range s.sleepers {
				sl.passOn()
			}
			if i < 0 && lost && !errors.Is(err, ErrTruncated) {
				err = fmt.Errorf("%w: %w", ErrTruncated, err)
			}
			return i, err
		}
		start = firstCase(len(s.cases))
	}
}

// rest waits until there is news for one of the ends, or for no reason.
func (s *selection) rest(ctx context.Context) error {
	var calm bool
	var err error
	if s.guarded {
		err = guard(func() error { calm = s.settle(); return nil })
	} else {
		calm = s.settle()
	}
	if calm && err == nil {
		var began time.Time
		if s.strategy == Hybrid {
			began = time.Now()
		}
		err = s.sleep(ctx)
		if s.strategy == Hybrid {
			s.spin.Slept(time.Since(began))
			s.rounds = s.spin.Again()
		}
	}
	for _, sl := range s.sleepers[:s.lying] {
		if s.guarded {
			_ = guard(func() error { sl.rise(); return nil })
		} else {
			sl.rise()
		}
	}
	for _, sl := range s.sleepers[:s.held] {
		sl.drop()
	}
	s.lying, s.held = 0, 0
	if errors.Is(err, ErrClosed) { // the case will say so
		return nil
	}
	return err
}

// settle keeps the ends from closing, spins, and then announces that all sleep. It says
// whether there is no news.
func (s *selection) settle() bool {
	rung := s.bell.Load()
	for i, sl := range s.sleepers {
		s.held = i + 1
		if !sl.hold(&s.bell) {
			return false
		}
	}
	if s.rounds > 0 && (s.spins() || s.strategy == Spin) {
		return false
	}
	s.words = s.words[:0]
	fence := false
	friends := 1+2*len(s.ends) <= futex.MaxWords
	for i, sl := range s.sleepers {
		s.lying = i + 1
		var same bool
		if s.words, same = sl.lie(s.words, friends); !same {
			return false
		}
		fence = fence || s.ends[i].strategy != Block
	}
	if s.shares {
		s.words = append(s.words, futex.Word{Addr: &s.bell.Uint32, Val: rung})
	}
	if fence {
		futex.HeavyFence()
	}
	for i, sl := range s.sleepers {
		if sl.news() || s.ends[i].closed.Load() {
			return false
		}
	}
	return true
}

// spins says whether news came while it span.
func (s *selection) spins() bool {
	n := s.rounds
	if s.strategy == Spin {
		n = spinChecks
	} else {
		s.rounds = 0
	}
	for k := n/uint32(len(s.ends)) + 1; k > 0; k-- {
		for _, sl := range s.sleepers {
			if sl.come() {
				s.spin.Won()
				return true
			}
		}
		mem.Pause(1)
	}
	if s.strategy == Spin {
		runtime.Gosched()
		futex.Yield()
		if s.checks++; s.checks%ownerChecks == 0 {
			for _, sl := range s.sleepers {
				if gone := sl.asked(); gone != nil {
					gone()
				}
			}
		}
	}
	return false
}

func (s *selection) sleep(ctx context.Context) error {
	// The look may ask when this has returned, so that the list is made anew.
	asked := make([]func() bool, len(s.sleepers))
	for i, sl := range s.sleepers {
		asked[i] = sl.asked()
	}
	ends := s.ends
	return futex.SleepAny(ctx, s.words, func() bool {
		for i, gone := range asked {
			if ends[i].closed.Load() || gone != nil && gone() {
				return true
			}
		}
		return false
	})
}
