//go:build explore

package explore

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/shmkit/shmkit/internal/mem"
	"github.com/shmkit/shmkit/semaphore"
	"github.com/stretchr/testify/require"
)

// filled is shared memory that one of several processes fills: two words that are
// equal, and not 0, once it is done.
type filled struct {
	once   *semaphore.Once
	a, b   *uint64
	inside *uint32 // ghost: TID of who fills it
}

func newFilled(w *World) *filled {
	w.Robust(At[mem.Uint32](w, 8)) // the word of the mutex
	return &filled{At[semaphore.Once](w, 0), At[uint64](w, 64), At[uint64](w, 72), At[uint32](w, 80)}
}

func (f *filled) fill(w *World, p *Proc) error {
	if other := *f.inside; other != 0 && !w.procs[other-1].Ended() {
		p.Fail("P%d fills it too", other-1)
	}
	if f.once.Done() {
		p.Fail("filled already")
	}
	*f.inside = p.tid()
	*f.b = *f.a
	*f.a++
	p.Step()
	*f.b++
	*f.inside = 0
	return nil
}

func (f *filled) check(p *Proc) {
	if *f.a != *f.b || *f.a == 0 {
		p.Fail("not filled: %d, %d", *f.a, *f.b)
	}
}

// onceModel is n processes that fill the memory once; the first failing of them
// fail if it is their turn, and give up.
func onceModel(n, failing, deaths int) Model {
	return Model{Memory: 128, Deaths: deaths, Setup: func(w *World) {
		f := newFilled(w)
		cannot := errors.New("cannot")
		for i := range n {
			w.Go(func(p *Proc) {
				err := f.once.Do(context.Background(), func() error {
					if i < failing {
						return cannot
					}
					return f.fill(w, p)
				})
				switch {
				case err == nil:
					f.check(p)
				case i >= failing || err != cannot:
					p.Fail("do: %v", err)
				}
			})
		}
		w.Final = func() error {
			for _, p := range w.procs[failing:] {
				if !p.Dead() && !f.once.Done() {
					return errors.New("not done")
				}
			}
			if w.Deaths() == 0 && *f.a != 1 {
				return fmt.Errorf("done %d times", *f.a)
			}
			return nil
		}
	}}
}

// Three processes of which one may die, with -explore.long, 15 s each:
//
//	3 processes, 0 failing, 1 deaths: 619626 schedules, 607765 states, at most 56 steps, 36 needed the look
//	3 processes, 1 failing, 1 deaths: 520066 schedules, 484841 states, at most 59 steps, 36 needed the look
func TestOnce(t *testing.T) {
	for _, c := range []struct{ n, failing, deaths int }{
		{2, 0, 0}, {2, 1, 0}, {3, 0, 0}, {3, 1, 0},
		{2, 0, 1}, {2, 1, 1}, {2, 0, 2}, {2, 1, 2}, {3, 0, 1}, {3, 1, 1},
	} {
		t.Run(fmt.Sprintf("%d processes, %d failing, %d deaths", c.n, c.failing, c.deaths), func(t *testing.T) {
			if c.n > 2 && c.deaths > 0 && !*exploreLong {
				t.Skip("takes minutes: see -explore.long")
			}
			rep := Run(onceModel(c.n, c.failing, c.deaths))
			t.Log(rep)
			if rep.Violation != nil {
				t.Fatal(rep.Violation)
			}
			if c.deaths == 0 {
				require.Zero(t, rep.Looks, "a wake was lost")
			}
		})
	}
}

// One who waits is called back at any step, while a third waits as well.
func TestOnceCancelled(t *testing.T) {
	for deaths := range 2 {
		if deaths > 0 && !*exploreLong {
			break
		}
		rep := Run(Model{Memory: 128, Deaths: deaths, Setup: func(w *World) {
			f := newFilled(w)
			do := func(p *Proc, ctx context.Context) error {
				err := f.once.Do(ctx, func() error { return f.fill(w, p) })
				if err == nil {
					f.check(p)
				}
				return err
			}
			var hasty *Proc
			w.Go(func(p *Proc) {
				cannot := errors.New("cannot")
				err := f.once.Do(context.Background(), func() error {
					hasty.Cancel()
					return cannot
				})
				if err != nil && err != cannot {
					p.Fail("do: %v", err)
				}
			})
			hasty = w.Go(func(p *Proc) {
				if err := do(p, p.Context()); err != nil && !errors.Is(err, context.Canceled) {
					p.Fail("do: %v", err)
				}
			})
			w.Go(func(p *Proc) {
				if err := do(p, context.Background()); err != nil {
					p.Fail("do: %v", err)
				}
			})
		}})
		t.Log(rep)
		if rep.Violation != nil {
			t.Fatal(rep.Violation)
		}
		if deaths == 0 {
			require.Zero(t, rep.Looks, "a wake was lost")
		}
	}
}
